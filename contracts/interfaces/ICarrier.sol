// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title ICarrier
/// @notice Carries groups of signed calls to the chain, all or nothing in a group.
/// @dev It has no rights: it holds nothing, nobody's role, and no contract trusts it. What it carries counts by the
/// signatures inside. Never approve it for tokens: anyone can make it call anything.
interface ICarrier {
    /// @notice One call.
    /// @param target The contract that is called.
    /// @param data What it is called with.
    struct Call {
        address target;
        bytes data;
    }

    /// @notice Calls that count together or not at all.
    /// @param gasLimit The most gas that the group may use; zero for no limit.
    /// @param calls The calls, in order.
    struct Group {
        uint64 gasLimit;
        Call[] calls;
    }

    /// @notice A group failed, and nothing of it counts; `reason` is the start of what the failed call returned.
    event GroupFailed(uint256 indexed index, bytes reason);

    /// @notice A call of a group failed; `reason` is the start of what it returned.
    error CallFailed(uint256 index, bytes reason);

    /// @notice There is no code at the target, so that a call would seem to succeed.
    error NoCode(address target);

    /// @notice Only the carrier itself opens a group.
    error OnlySelf(address sender);

    /// @notice What is left of this transaction's gas does not cover the group's limit.
    error TooLittleGas(uint256 index, uint64 gasLimit);

    /// @notice Carries one group: all calls count, or the transaction reverts.
    function carry(Call[] calldata calls) external;

    /// @notice Carries many groups; one that fails leaves the others standing.
    /// @return done Whether each group counts.
    function carryEach(Group[] calldata groups) external returns (bool[] memory done);
}
