// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IPrescriptions} from "../interfaces/medicine/IPrescriptions.sol";

/// @notice A line of a prescription as it lies in storage, read and written at once: filled 16 | holder 32 | holdEnds 32 |
/// filler 32 | units 16 | time 32 | operator 96, lowest bits first.
/// @dev Of the operator there is what fits. A contract of the same 96 bits would take 2^96 tries to make, and would need
/// the pharmacy's mask.
type LineSlot is uint256;

using {unpack, filled, holderAt, filler, units, time, operator, held, free, filledBy, unfilled} for LineSlot global;

uint256 constant HOLDER_SHIFT = 16;
uint256 constant HOLD_ENDS_SHIFT = 48;
uint256 constant FILLER_SHIFT = 80;
uint256 constant UNITS_SHIFT = 112;
uint256 constant TIME_SHIFT = 128;
uint256 constant OPERATOR_SHIFT = 160;

uint256 constant HOLD_MASK = uint256(type(uint64).max) << HOLDER_SHIFT;
uint256 constant FILLED_MASK = type(uint16).max;

function unpack(LineSlot slot) pure returns (IPrescriptions.LineState memory state) {
    uint256 word = LineSlot.unwrap(slot);
    state.filled = uint16(word);
    state.holder = uint32(word >> HOLDER_SHIFT);
    state.holdEnds = uint32(word >> HOLD_ENDS_SHIFT);
    state.filler = filler(slot);
    state.units = uint16(word >> UNITS_SHIFT);
    state.time = uint32(word >> TIME_SHIFT);
    state.operator = operator(slot);
}

function filled(LineSlot slot) pure returns (uint256) {
    return LineSlot.unwrap(slot) & FILLED_MASK;
}

/// @notice Who holds the line at a time; a hold ends by itself.
function holderAt(LineSlot slot, uint256 moment) pure returns (uint32) {
    uint256 word = LineSlot.unwrap(slot);
    return moment < uint32(word >> HOLD_ENDS_SHIFT) ? uint32(word >> HOLDER_SHIFT) : 0;
}

function filler(LineSlot slot) pure returns (uint32) {
    return uint32(LineSlot.unwrap(slot) >> FILLER_SHIFT);
}

function units(LineSlot slot) pure returns (uint256) {
    return uint16(LineSlot.unwrap(slot) >> UNITS_SHIFT);
}

function time(LineSlot slot) pure returns (uint256) {
    return uint32(LineSlot.unwrap(slot) >> TIME_SHIFT);
}

function operator(LineSlot slot) pure returns (uint96) {
    return uint96(LineSlot.unwrap(slot) >> OPERATOR_SHIFT);
}

function held(LineSlot slot, uint32 member, uint256 ends) pure returns (LineSlot) {
    uint256 word = LineSlot.unwrap(slot) & ~HOLD_MASK;
    word |= uint256(member) << HOLDER_SHIFT;
    word |= uint256(uint32(ends)) << HOLD_ENDS_SHIFT;
    return LineSlot.wrap(word);
}

function free(LineSlot slot) pure returns (LineSlot) {
    return LineSlot.wrap(LineSlot.unwrap(slot) & ~HOLD_MASK);
}

/// @dev The sum of `filled` and `given` must fit 16 bits. Whoever held the line holds it no more.
function filledBy(
    LineSlot slot,
    uint256 given,
    uint32 member,
    uint256 moment,
    address through
) pure returns (LineSlot) {
    uint256 word = filled(slot) + given;
    word |= uint256(member) << FILLER_SHIFT;
    word |= given << UNITS_SHIFT;
    word |= uint256(uint32(moment)) << TIME_SHIFT;
    word |= uint256(uint160(through)) << OPERATOR_SHIFT;
    return LineSlot.wrap(word);
}

/// @dev Whoever holds it meanwhile goes on holding it.
function unfilled(LineSlot slot) pure returns (LineSlot) {
    return LineSlot.wrap((LineSlot.unwrap(slot) & HOLD_MASK) | (filled(slot) - units(slot)));
}
