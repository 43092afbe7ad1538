// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IKeys} from "../interfaces/health/IKeys.sol";

/// @title Windows
/// @notice How long a message that a pseudonym signed counts.
library Windows {
    /// @dev Long enough for a relayer that was offline, short enough that a forgotten signature does not surprise.
    uint256 internal constant LONGEST = 1 hours;

    /// @notice Refuses a deadline that has passed or lies further ahead than an hour.
    function check(uint40 deadline) internal view {
        if (block.timestamp > deadline) revert IKeys.SignatureExpired(deadline);
        uint256 latest = block.timestamp + LONGEST;
        if (deadline > latest) revert IKeys.DeadlineTooFar(deadline, latest);
    }
}
