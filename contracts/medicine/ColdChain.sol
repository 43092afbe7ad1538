// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IBatches} from "../interfaces/medicine/IBatches.sol";
import {IColdChain} from "../interfaces/medicine/IColdChain.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {DEVICE, MAKER} from "../types/Roles.sol";
import {Verdict} from "../types/Verdict.sol";

/// @title ColdChain
/// @notice What loggers measured while they lay beside the goods, and which goods that blocks.
contract ColdChain is IColdChain, EIP712 {
    bytes32 private constant GOODS_TYPEHASH = keccak256("Goods(bytes32 batch,uint32 node)");
    bytes32 private constant READINGS_TYPEHASH = keccak256(
        "Readings(address logger,bytes32 root,bytes32 readings,uint256 verdict,Goods[] goods)Goods(bytes32 batch,uint32 node)"
    );

    /// @dev A logger without a network is read out when it arrives; what is older than a voyage was held back.
    uint256 private constant REPORT_WINDOW = 7 days;

    /// @dev The reasons that Batches shows with an excursion.
    uint16 private constant TOO_LONG = 1;
    uint16 private constant TOO_WARM = 2;

    IConsortium private immutable _consortium;
    IBatches private immutable _batches;

    mapping(bytes32 batch => Limit) private _limitOf;

    /// @dev A report blocks a node once: else it could block it again each time that the maker has cleared it.
    mapping(bytes32 root => mapping(bytes32 batch => mapping(uint32 node => bool))) private _hasBlocked;

    constructor(IConsortium consortium, IBatches batches) EIP712("Theriac ColdChain", "1") {
        _consortium = consortium;
        _batches = batches;
    }

    /// @inheritdoc IColdChain
    function limitOf(bytes32 batch) external view returns (Limit memory) {
        return _limitOf[batch];
    }

    /// @inheritdoc IColdChain
    function setLimit(bytes32 batch, Limit calldata limit) external {
        uint32 maker = _batches.batchOf(batch).maker;
        uint32 member = _consortium.standing(msg.sender, MAKER);
        if (member == 0 || member != maker) revert NotTheMaker(batch, msg.sender, maker);
        if (limit.low >= limit.high) revert WrongLimit(limit.low, limit.high);

        _limitOf[batch] = limit;

        emit LimitSet(batch, limit.low, limit.high, limit.longest, limit.kinetic);
    }

    /// @inheritdoc IColdChain
    function log(Report calldata report, Goods[] calldata goods) external {
        _log(msg.sender, report, goods);
    }

    /// @inheritdoc IColdChain
    function logBySig(
        address logger,
        Report calldata report,
        Goods[] calldata goods,
        bytes calldata signature
    ) external {
        bytes32 hash = _hashTypedDataV4(_hashReadings(logger, report, goods));
        if (!Signatures.isSignedBy(hash, signature, logger)) revert WrongSignature(logger);

        _log(logger, report, goods);
    }

    function _log(address logger, Report calldata report, Goods[] calldata goods) private {
        uint32 member = _consortium.standing(logger, DEVICE);
        if (member == 0) revert NotALogger(logger);
        _checkReport(report);

        emit Logged(member, logger, report.root, report.readings, report.verdict);

        for (uint256 i = 0; i < goods.length; ++i) {
            _judge(member, report.root, report.verdict, goods[i]);
        }
    }

    function _judge(uint32 member, bytes32 root, Verdict verdict, Goods calldata goods) private {
        Limit memory limit = _limitOf[goods.batch];
        bool sameLimit = limit.low < limit.high && verdict.low() == limit.low && verdict.high() == limit.high;
        if (!sameLimit) revert AnotherLimit(goods.batch, limit.low, limit.high);
        uint16 reason = verdict.minutesOut() > limit.longest ? TOO_LONG : 0;
        if (verdict.kinetic() > limit.kinetic) reason = TOO_WARM;
        if (reason == 0) return;
        if (_hasBlocked[root][goods.batch][goods.node]) revert AlreadyReported(root, goods.batch, goods.node);

        _hasBlocked[root][goods.batch][goods.node] = true;

        emit Exceeded(goods.batch, member, goods.node, root, reason);

        _batches.reportExcursion(member, goods.batch, goods.node, reason);
    }

    function _checkReport(Report calldata report) private view {
        if (report.root == bytes32(0) || report.readings == bytes32(0)) revert NoDigest();
        if (!report.verdict.isWellFormed()) revert WrongVerdict(report.verdict);
        uint256 earliest = block.timestamp - REPORT_WINDOW;
        uint40 end = report.verdict.end();
        if (end > block.timestamp || end < earliest) revert WrongTime(end, earliest);
    }

    function _hashReadings(
        address logger,
        Report calldata report,
        Goods[] calldata goods
    ) private pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](goods.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(GOODS_TYPEHASH, goods[i]));
        }
        bytes32 all = keccak256(abi.encodePacked(hashes));
        return keccak256(abi.encode(READINGS_TYPEHASH, logger, report.root, report.readings, report.verdict, all));
    }
}
