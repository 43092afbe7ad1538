// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Roles} from "../../contracts/types/Roles.sol";
import {World} from "../World.sol";

/// @title People
/// @notice Who speaks for members.
library People {
    /// @notice Somebody who has one of the roles for a member now, as far as anybody has: its staff, or who acts for it.
    function at(World world, uint32 member, Roles roles, uint256 seed) internal view returns (address) {
        address[] memory staff = world.staffOf(member);
        for (uint256 i = 0; i < staff.length && seed % 2 == 0; ++i) {
            address person = staff[(seed / 2 + i) % staff.length];
            if (world.consortium().standing(person, roles) == member) return person;
        }
        return world.accountOf(member);
    }
}
