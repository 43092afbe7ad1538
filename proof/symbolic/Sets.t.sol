// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Purposes} from "../../contracts/libraries/Purposes.sol";
import {ScopeWords} from "../../contracts/libraries/ScopeWords.sol";
import {Blocks} from "../../contracts/types/Blocks.sol";
import {Purpose} from "../../contracts/types/Purpose.sol";
import {AUDITOR, CLINICIAN, INSURER, NO_ROLE, REGULATOR, Roles} from "../../contracts/types/Roles.sol";
import {Scope} from "../../contracts/types/Scope.sol";
import {vm} from "./Cheats.sol";

/// @title SetProofs
/// @notice Sets of classes, roles, blocks and purposes, element by element.
contract SetProofs {
    using Purposes for Purpose;

    // property D4
    function check_scope__includes_what_has_no_class_beyond_it(Scope scope, Scope wanted) external pure {
        uint256 missing = _missing(Scope.unwrap(wanted), Scope.unwrap(scope));

        assert(scope.includes(wanted) == (missing == 0));
    }

    // property D4
    function check_roles__are_within_others_that_have_each_of_them(Roles roles, Roles others) external pure {
        uint256 missing = _missing(Roles.unwrap(roles), Roles.unwrap(others));

        assert(roles.within(others) == (missing == 0));
    }

    // property M12
    // property D4
    function check_blocks__one_of_others_is_a_single_one_and_among_them(Blocks block_, Blocks others) external pure {
        uint256 count = 0;
        for (uint256 bit = 0; bit < 8; ++bit) {
            count += (Blocks.unwrap(block_) >> bit) & 1;
        }
        uint256 missing = _missing(Blocks.unwrap(block_), Blocks.unwrap(others));

        assert(block_.isOneOf(others) == (count == 1 && missing == 0));
    }

    // property M12
    function check_blocks__one_cleared_leaves_the_others(Blocks blocks, Blocks block_, uint8 bit) external pure {
        vm.assume(bit < 8);
        bool expected = _has(Blocks.unwrap(blocks), bit) && !_has(Blocks.unwrap(block_), bit);

        assert(_has(Blocks.unwrap(blocks.without(block_)), bit) == expected);
    }

    // property H11
    function check_purposes__no_two_are_signed_as_one_word(Purpose a, Purpose b) external pure {
        vm.assume(a.exists() && b.exists() && !(a == b));

        assert(a.hashOf() != b.hashOf());
    }

    // property H1
    function check_purposes__ask_for_the_role_of_the_table(Purpose purpose) external pure {
        uint8 number = Purpose.unwrap(purpose);
        vm.assume(purpose.exists());

        assert(number >= 1 && number <= 12);
        Roles expected = NO_ROLE;
        if (number <= 4) expected = CLINICIAN;
        else if (number <= 7) expected = INSURER;
        else if (number == 8) expected = REGULATOR;
        else if (number == 9) expected = AUDITOR;
        assert(purpose.roleOf() == expected);
    }

    // property G6
    function check_purposes__a_set_is_known_if_it_has_some_and_each_exists(uint16 purposes) external pure {
        uint256 existing = 0;
        for (uint8 number = 0; number < 16; ++number) {
            if (Purpose.wrap(number).exists()) existing |= 1 << number;
        }

        assert(Purposes.areKnown(purposes) == (purposes != 0 && _missing(purposes, existing) == 0));
    }

    // property G6
    function check_purposes__a_purpose_is_in_a_set_by_its_own_bit(Purpose purpose, uint16 purposes) external pure {
        vm.assume(purpose.exists());

        assert(purpose.isIn(purposes) == _has(purposes, Purpose.unwrap(purpose)));
    }

    // property H1
    function check_scope__the_mark_for_referrals_is_no_class(Scope scope) external pure {
        vm.assume(ScopeWords.REFERRAL.includes(scope) && ScopeWords.CLASSES.includes(scope));

        assert(scope.isEmpty());
        assert(ScopeWords.KNOWN == ScopeWords.CLASSES.with(ScopeWords.REFERRAL));
    }

    /// @dev How many elements of a set of 64 another lacks, counted one by one.
    function _missing(uint256 wanted, uint256 there) private pure returns (uint256 count) {
        for (uint256 bit = 0; bit < 64; ++bit) {
            count += ((wanted >> bit) & 1) & (((there >> bit) & 1) ^ 1);
        }
    }

    function _has(uint256 bits, uint256 bit) private pure returns (bool) {
        return (bits >> bit) & 1 == 1;
    }
}
