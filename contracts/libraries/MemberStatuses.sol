// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../interfaces/IConsortium.sol";

/// @title MemberStatuses
/// @notice The one place where a membership changes its status.
library MemberStatuses {
    /// @notice Moves a member from one status to another, or says which status stood in the way.
    function move(
        IConsortium.Member storage member,
        uint32 number,
        IConsortium.MemberStatus from,
        IConsortium.MemberStatus to
    ) internal {
        if (member.status != from) revert IConsortium.WrongStatus(number, member.status);

        member.status = to;
    }

    /// @notice Whether the member is admitted and its licence has not run out.
    function isInStanding(IConsortium.Member memory member) internal view returns (bool) {
        return member.status == IConsortium.MemberStatus.Admitted && block.timestamp < member.expiry;
    }
}
