// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IPrescriptions} from "../interfaces/medicine/IPrescriptions.sol";

/// @notice A prescription as it lies in storage: member 32 | time 40 | nonce 32 | cancelled 32, lowest bits first.
type PrescriptionSlot is uint256;

using {unpack, isEmpty, member, nonce, cancelled, withNonceUsed, withCancelled} for PrescriptionSlot global;

uint256 constant NONCE_SHIFT = 72;
uint256 constant CANCELLED_SHIFT = 104;

function packPrescription(uint32 number, uint256 time) pure returns (PrescriptionSlot) {
    return PrescriptionSlot.wrap(number | (uint256(uint40(time)) << 32));
}

function unpack(PrescriptionSlot slot) pure returns (IPrescriptions.Prescription memory) {
    uint40 time = uint40(PrescriptionSlot.unwrap(slot) >> 32);
    return IPrescriptions.Prescription(member(slot), time, nonce(slot), cancelled(slot));
}

function isEmpty(PrescriptionSlot slot) pure returns (bool) {
    return PrescriptionSlot.unwrap(slot) == 0;
}

function member(PrescriptionSlot slot) pure returns (uint32) {
    return uint32(PrescriptionSlot.unwrap(slot));
}

function nonce(PrescriptionSlot slot) pure returns (uint32) {
    return uint32(PrescriptionSlot.unwrap(slot) >> NONCE_SHIFT);
}

function cancelled(PrescriptionSlot slot) pure returns (uint32) {
    return uint32(PrescriptionSlot.unwrap(slot) >> CANCELLED_SHIFT);
}

/// @dev No bearer signs four billion words, and each is a transaction of its own.
function withNonceUsed(PrescriptionSlot slot) pure returns (PrescriptionSlot) {
    unchecked {
        return PrescriptionSlot.wrap(PrescriptionSlot.unwrap(slot) + (1 << NONCE_SHIFT));
    }
}

function withCancelled(PrescriptionSlot slot, uint32 lines) pure returns (PrescriptionSlot) {
    return PrescriptionSlot.wrap(PrescriptionSlot.unwrap(slot) | (uint256(lines) << CANCELLED_SHIFT));
}
