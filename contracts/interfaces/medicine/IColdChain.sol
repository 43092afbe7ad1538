// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Verdict} from "../../types/Verdict.sol";

/// @title IColdChain
/// @notice What loggers measured while they lay beside the goods, and which goods that blocks.
/// @dev A logger is a device of a member. Its readings are in the store; the chain has their root, the digest of the sealed
/// file and a verdict that anyone who opens the file can recompute. The contract acts as the member's operator, so what
/// it blocks is only what that member holds.
interface IColdChain {
    /// @notice What a batch bears, as its maker says; one slot. Temperatures are hundredths of a degree Celsius.
    /// @param low The lowest temperature that does not count.
    /// @param high The highest temperature that does not count.
    /// @param longest How many minutes it bears outside of those.
    /// @param kinetic The highest mean kinetic temperature it bears.
    struct Limit {
        int16 low;
        int16 high;
        uint32 longest;
        int16 kinetic;
    }

    /// @notice What lay beside the logger.
    /// @param batch The batch.
    /// @param node A node of it.
    struct Goods {
        bytes32 batch;
        uint32 node;
    }

    /// @notice A logger's report.
    /// @param root The Merkle root of the readings.
    /// @param readings The digest of the sealed file of the readings.
    /// @param verdict What they say.
    struct Report {
        bytes32 root;
        bytes32 readings;
        Verdict verdict;
    }

    /// @notice A maker said what a batch bears.
    event LimitSet(bytes32 indexed batch, int16 low, int16 high, uint32 longest, int16 kinetic);

    /// @notice A logger reported.
    event Logged(uint32 indexed member, address indexed logger, bytes32 root, bytes32 readings, Verdict verdict);

    /// @notice What a logger reported was beyond what the batch bears; the node is blocked.
    event Exceeded(bytes32 indexed batch, uint32 indexed member, uint32 node, bytes32 root, uint16 reason);

    /// @notice The account is no device of a member in standing.
    error NotALogger(address account);

    /// @notice The account does not belong to the batch's maker.
    error NotTheMaker(bytes32 batch, address account, uint32 maker);

    /// @notice The limits are no range.
    error WrongLimit(int16 low, int16 high);

    /// @notice The verdict is none: no span of time, no range, or bits that mean nothing.
    error WrongVerdict(Verdict verdict);

    /// @notice The readings end in the future, or longer ago than seven days.
    error WrongTime(uint40 end, uint256 earliest);

    /// @notice A digest must not be zero.
    error NoDigest();

    /// @notice The batch has no limit, or the verdict counts against another one.
    error AnotherLimit(bytes32 batch, int16 low, int16 high);

    /// @notice This report has blocked this node before.
    error AlreadyReported(bytes32 root, bytes32 batch, uint32 node);

    /// @notice The signature is not that of the logger it names.
    error WrongSignature(address signer);

    /// @notice What a batch bears; all zero where its maker said nothing.
    function limitOf(bytes32 batch) external view returns (Limit memory);

    /// @notice Says what a batch bears. Only its maker.
    function setLimit(bytes32 batch, Limit calldata limit) external;

    /// @notice Reports readings, and blocks the goods beside the logger that bore more than they can. Only a logger.
    function log(Report calldata report, Goods[] calldata goods) external;

    /// @notice Reports readings that a logger signed; anyone may carry it.
    function logBySig(
        address logger,
        Report calldata report,
        Goods[] calldata goods,
        bytes calldata signature
    ) external;
}
