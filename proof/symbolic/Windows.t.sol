// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IKeys} from "../../contracts/interfaces/health/IKeys.sol";
import {Windows} from "../../contracts/libraries/Windows.sol";
import {vm} from "./Cheats.sol";

/// @title WindowProofs
contract WindowProofs {
    // property H11
    /// @dev Bound: times of 40 bits
    function check_window__is_from_now_to_an_hour_ahead(uint40 time, uint40 deadline) external {
        vm.warp(time);
        bool isNear = deadline >= time && deadline <= uint256(time) + 3600;

        try this.look(deadline) {
            assert(isNear);
        } catch (bytes memory reason) {
            assert(!isNear);
            assert(
                bytes4(reason) == (deadline < time ? IKeys.SignatureExpired.selector : IKeys.DeadlineTooFar.selector)
            );
        }
    }

    function look(uint40 deadline) external view {
        Windows.check(deadline);
    }
}
