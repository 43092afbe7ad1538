// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRecords} from "../interfaces/health/IRecords.sol";

/// @title RecordStatuses
/// @notice The one place where a record changes its status. Every move is one-way, and Disowned is the end.
library RecordStatuses {
    using RecordStatuses for IRecords.RecordStatus;

    /// @notice The status after a move, or which status stood in the way.
    function move(
        IRecords.RecordStatus from,
        bytes32 digest,
        IRecords.RecordStatus to
    ) internal pure returns (IRecords.RecordStatus) {
        if (!from.mayBecome(to)) revert IRecords.WrongStatus(digest, from, to);

        return to;
    }

    /// @notice Whether a record may go from one status to another.
    function mayBecome(IRecords.RecordStatus from, IRecords.RecordStatus to) internal pure returns (bool) {
        if (to == IRecords.RecordStatus.Disowned) {
            return from != IRecords.RecordStatus.None && from != IRecords.RecordStatus.Disowned;
        }
        if (to == IRecords.RecordStatus.Superseded || to == IRecords.RecordStatus.Corrected) {
            return from == IRecords.RecordStatus.Current;
        }
        return false;
    }

    /// @notice The EIP-712 hash of the word that a wallet shows for an amendment.
    function hashOf(IRecords.RecordStatus act) internal pure returns (bytes32) {
        if (act == IRecords.RecordStatus.Superseded) return keccak256("supersede");
        if (act == IRecords.RecordStatus.Corrected) return keccak256("correct");
        if (act == IRecords.RecordStatus.Disowned) return keccak256("disown");
        return bytes32(0);
    }
}
