// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEmergencies} from "../interfaces/health/IEmergencies.sol";

/// @title CaseStatuses
/// @notice The one place where an emergency changes its status: from open to one of three ends.
library CaseStatuses {
    using CaseStatuses for IEmergencies.CaseStatus;

    /// @notice Moves a case, or says which status stood in the way.
    function move(IEmergencies.Case storage found, uint64 number, IEmergencies.CaseStatus to) internal {
        IEmergencies.CaseStatus from = found.status;
        if (!from.mayBecome(to)) revert IEmergencies.WrongStatus(number, from);

        found.status = to;
    }

    /// @notice Whether a case may go from one status to another.
    function mayBecome(IEmergencies.CaseStatus from, IEmergencies.CaseStatus to) internal pure returns (bool) {
        if (to == IEmergencies.CaseStatus.Open) return from == IEmergencies.CaseStatus.None;
        return from == IEmergencies.CaseStatus.Open && to != IEmergencies.CaseStatus.None;
    }

    /// @notice Whether a status is what a reviewer may say.
    function isVerdict(IEmergencies.CaseStatus status) internal pure returns (bool) {
        return status == IEmergencies.CaseStatus.Justified || status == IEmergencies.CaseStatus.Sanctioned;
    }

    /// @notice The EIP-712 hash of the word that a wallet shows for a verdict.
    function hashOf(IEmergencies.CaseStatus verdict) internal pure returns (bytes32) {
        if (verdict == IEmergencies.CaseStatus.Justified) return keccak256("justified");
        if (verdict == IEmergencies.CaseStatus.Sanctioned) return keccak256("sanctioned");
        return bytes32(0);
    }
}
