// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../interfaces/IConsortium.sol";
import {Roles} from "./Roles.sol";

/// @notice An affiliation as it lies in storage: member 32 | roles 32 | nonce 32, lowest bits first.
type AffiliationSlot is uint256;

using {unpack, member, roles, nonce} for AffiliationSlot global;

function packAffiliation(uint32 number, Roles given, uint32 count) pure returns (AffiliationSlot) {
    return AffiliationSlot.wrap(number | (uint256(Roles.unwrap(given)) << 32) | (uint256(count) << 64));
}

function unpack(AffiliationSlot slot) pure returns (IConsortium.Affiliation memory) {
    return IConsortium.Affiliation(member(slot), roles(slot), nonce(slot));
}

function member(AffiliationSlot slot) pure returns (uint32) {
    return uint32(AffiliationSlot.unwrap(slot));
}

function roles(AffiliationSlot slot) pure returns (Roles) {
    return Roles.wrap(uint32(AffiliationSlot.unwrap(slot) >> 32));
}

function nonce(AffiliationSlot slot) pure returns (uint32) {
    return uint32(AffiliationSlot.unwrap(slot) >> 64);
}
