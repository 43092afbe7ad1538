// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice What a logger's readings say, in one word: start 40 | end 40 | low 16 | high 16 | minutes 32 | kinetic 16, lowest
/// bits first. Start and end are seconds; temperatures are hundredths of a degree Celsius, signed; minutes are those
/// outside [low, high]; kinetic is the mean kinetic temperature (USP <1079.2>). The bits above are zero.
type Verdict is uint256;

using {start, end, low, high, minutesOut, kinetic, isWellFormed} for Verdict global;

function start(Verdict verdict) pure returns (uint40) {
    return uint40(Verdict.unwrap(verdict));
}

function end(Verdict verdict) pure returns (uint40) {
    return uint40(Verdict.unwrap(verdict) >> 40);
}

function low(Verdict verdict) pure returns (int16) {
    return int16(uint16(Verdict.unwrap(verdict) >> 80));
}

function high(Verdict verdict) pure returns (int16) {
    return int16(uint16(Verdict.unwrap(verdict) >> 96));
}

function minutesOut(Verdict verdict) pure returns (uint32) {
    return uint32(Verdict.unwrap(verdict) >> 112);
}

function kinetic(Verdict verdict) pure returns (int16) {
    return int16(uint16(Verdict.unwrap(verdict) >> 144));
}

/// @notice Whether it is about a span of time and a range of temperatures.
function isWellFormed(Verdict verdict) pure returns (bool) {
    return Verdict.unwrap(verdict) >> 160 == 0 && start(verdict) < end(verdict) && low(verdict) < high(verdict);
}
