// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../interfaces/IConsortium.sol";

/// @title MemberStatuses
/// @notice The one place where a membership changes its status: admitted and suspended by turns, removed for good.
library MemberStatuses {
    using MemberStatuses for IConsortium.MemberStatus;

    /// @notice The status after a move, or which status stood in the way.
    function move(
        IConsortium.MemberStatus from,
        uint32 number,
        IConsortium.MemberStatus to
    ) internal pure returns (IConsortium.MemberStatus) {
        if (!from.mayBecome(to)) revert IConsortium.WrongStatus(number, from);

        return to;
    }

    /// @notice Whether a membership may go from one status to another.
    function mayBecome(IConsortium.MemberStatus from, IConsortium.MemberStatus to) internal pure returns (bool) {
        if (to == IConsortium.MemberStatus.Suspended) return from == IConsortium.MemberStatus.Admitted;
        if (to == IConsortium.MemberStatus.Admitted) return from == IConsortium.MemberStatus.Suspended;
        if (to == IConsortium.MemberStatus.Removed) return from.lasts();
        return false;
    }

    /// @notice Whether there is a membership: admitted or suspended.
    function lasts(IConsortium.MemberStatus status) internal pure returns (bool) {
        return status == IConsortium.MemberStatus.Admitted || status == IConsortium.MemberStatus.Suspended;
    }
}
