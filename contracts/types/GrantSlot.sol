// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IGrants} from "../interfaces/health/IGrants.sol";
import {Scope} from "./Scope.sol";

/// @notice A grant as it lies in storage: one word, read and written at once.
type GrantSlot is uint256;

using {unpack, nonceOf} for GrantSlot global;

/// @notice scope 64 | start 40 | expiry 40 | nonce 32 | era 32 | by 16 | generation 32, lowest bits first.
function pack(IGrants.Grant memory granted) pure returns (GrantSlot) {
    uint256 word = Scope.unwrap(granted.scope);
    word |= uint256(granted.start) << 64;
    word |= uint256(granted.expiry) << 104;
    word |= uint256(granted.nonce) << 144;
    word |= uint256(granted.era) << 176;
    word |= uint256(granted.by) << 208;
    word |= uint256(granted.generation) << 224;
    return GrantSlot.wrap(word);
}

function unpack(GrantSlot slot) pure returns (IGrants.Grant memory granted) {
    uint256 word = GrantSlot.unwrap(slot);
    granted.scope = Scope.wrap(uint64(word));
    granted.start = uint40(word >> 64);
    granted.expiry = uint40(word >> 104);
    granted.nonce = uint32(word >> 144);
    granted.era = uint32(word >> 176);
    granted.by = uint16(word >> 208);
    granted.generation = uint32(word >> 224);
}

function nonceOf(GrantSlot slot) pure returns (uint32) {
    return uint32(GrantSlot.unwrap(slot) >> 144);
}
