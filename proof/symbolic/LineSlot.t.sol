// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IPrescriptions} from "../../contracts/interfaces/medicine/IPrescriptions.sol";
import {LineSlot} from "../../contracts/types/LineSlot.sol";
import {vm} from "./Cheats.sol";

/// @title LineSlotProofs
/// @notice What each move of a prescription's line writes, of any line that there may be, and that it writes nothing else.
contract LineSlotProofs {
    // property D1
    function check_line_fields__are_the_whole_word(LineSlot a, LineSlot b) external pure {
        vm.assume(LineSlot.unwrap(a) != LineSlot.unwrap(b));

        assert(!_isSame(a.unpack(), b.unpack()));
    }

    // property D1
    function check_line_fields__are_those_of_the_whole(LineSlot slot) external pure {
        IPrescriptions.LineState memory state = slot.unpack();

        assert(slot.filled() == state.filled);
        assert(slot.filler() == state.filler);
        assert(slot.units() == state.units);
        assert(slot.time() == state.time);
        assert(slot.operator() == state.operator);
    }

    // property P9
    function check_holder__is_the_one_that_took_it_before_its_end_and_nobody_after(
        LineSlot slot,
        uint256 moment
    ) external pure {
        IPrescriptions.LineState memory state = slot.unpack();

        assert(slot.holderAt(moment) == (moment < state.holdEnds ? state.holder : 0));
    }

    // property D2
    function check_held__sets_the_hold_alone(LineSlot slot, uint32 member, uint32 ends) external pure {
        IPrescriptions.LineState memory expected = slot.unpack();
        expected.holder = member;
        expected.holdEnds = ends;

        assert(_isSame(slot.held(member, ends).unpack(), expected));
    }

    // property D2
    function check_free__ends_the_hold_alone(LineSlot slot, uint256 moment) external pure {
        IPrescriptions.LineState memory expected = slot.unpack();
        expected.holder = 0;
        expected.holdEnds = 0;

        assert(_isSame(slot.free().unpack(), expected));
        assert(slot.free().holderAt(moment) == 0);
    }

    // property P4
    // property P8
    /// @dev Bound: sums of 16 bits
    function check_filled__adds_what_was_given_and_ends_the_hold(
        LineSlot slot,
        uint16 given,
        uint32 member,
        uint32 moment,
        address through
    ) external pure {
        vm.assume(slot.filled() + given <= type(uint16).max);
        IPrescriptions.LineState memory expected;
        expected.filled = uint16(slot.filled() + given);
        expected.filler = member;
        expected.units = given;
        expected.time = moment;
        expected.operator = uint96(uint160(through));

        assert(_isSame(slot.filledBy(given, member, moment, through).unpack(), expected));
    }

    // property P4
    // property P14
    /// @dev Bound: lines of which no more was given last than in all
    function check_unfilled__takes_back_what_was_given_last_and_leaves_the_hold(LineSlot slot) external pure {
        IPrescriptions.LineState memory state = slot.unpack();
        vm.assume(state.units <= state.filled);
        IPrescriptions.LineState memory expected;
        expected.filled = state.filled - state.units;
        expected.holder = state.holder;
        expected.holdEnds = state.holdEnds;

        assert(_isSame(slot.unfilled().unpack(), expected));
    }

    // property P13
    /// @dev Bound: sums of 16 bits
    function check_filled_then_unfilled__is_what_was_there_before_and_held_by_nobody(
        LineSlot slot,
        uint16 given,
        uint32 member,
        uint32 moment,
        address through
    ) external pure {
        vm.assume(slot.filled() + given <= type(uint16).max);

        LineSlot back = slot.filledBy(given, member, moment, through).unfilled();

        // Nothing is left to take back a second time.
        assert(LineSlot.unwrap(back) == slot.filled());
        assert(back.units() == 0);
    }

    function _isSame(IPrescriptions.LineState memory a, IPrescriptions.LineState memory b) private pure returns (bool) {
        if (a.filled != b.filled || a.units != b.units || a.filler != b.filler) return false;
        if (a.holder != b.holder || a.holdEnds != b.holdEnds) return false;
        return a.time == b.time && a.operator == b.operator;
    }
}
