// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IBatches} from "../interfaces/medicine/IBatches.sol";

/// @title PackStatuses
/// @notice The one place where a pack changes its status: dispensed and taken back by turns, or ended for good.
library PackStatuses {
    using PackStatuses for IBatches.PackStatus;

    /// @notice The status after a move, or which status stood in the way.
    function move(
        IBatches.PackStatus from,
        bytes32 batch,
        uint32 index,
        IBatches.PackStatus to
    ) internal pure returns (IBatches.PackStatus) {
        if (!from.mayBecome(to)) revert IBatches.WrongStatus(batch, index, from);

        return to;
    }

    /// @notice Whether a pack may go from one status to another.
    function mayBecome(IBatches.PackStatus from, IBatches.PackStatus to) internal pure returns (bool) {
        if (to == IBatches.PackStatus.InStock) return from == IBatches.PackStatus.Dispensed;
        return from == IBatches.PackStatus.InStock;
    }
}
