// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title IAdjudicator
/// @notice What the money's keeper asks of the contract that decides claims.
interface IAdjudicator {
    /// @notice Says whose a patient's share is and how much, and that it is paid now. Only the plan's escrow.
    /// @param plan The plan.
    /// @param content The claim's content, which its number is made from together with the plan.
    function settleShare(
        bytes32 plan,
        bytes32 content
    ) external returns (bytes32 claim, uint32 provider, uint64 amount);
}
