// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../interfaces/IConsortium.sol";
import {Roles} from "./Roles.sol";

/// @notice A member as it lies in storage: account 160 | roles 32 | expiry 40 | tier 8 | status 8, lowest bits first.
type MemberSlot is uint256;

using {unpack, accountOf, roles, inStandingAt} for MemberSlot global;

function packMember(IConsortium.Member memory member) pure returns (MemberSlot) {
    uint256 word = uint160(member.account);
    word |= uint256(Roles.unwrap(member.roles)) << 160;
    word |= uint256(member.expiry) << 192;
    word |= uint256(member.tier) << 232;
    word |= uint256(member.status) << 240;
    return MemberSlot.wrap(word);
}

function unpack(MemberSlot slot) pure returns (IConsortium.Member memory found) {
    uint256 word = MemberSlot.unwrap(slot);
    found.account = address(uint160(word));
    found.roles = Roles.wrap(uint32(word >> 160));
    found.expiry = uint40(word >> 192);
    found.tier = uint8(word >> 232);
    found.status = IConsortium.MemberStatus(uint8(word >> 240));
}

function accountOf(MemberSlot slot) pure returns (address) {
    return address(uint160(MemberSlot.unwrap(slot)));
}

function roles(MemberSlot slot) pure returns (Roles) {
    return Roles.wrap(uint32(MemberSlot.unwrap(slot) >> 160));
}

/// @dev Admitted, and the licence has not run out.
function inStandingAt(MemberSlot slot, uint256 time) pure returns (bool) {
    uint256 word = MemberSlot.unwrap(slot);
    if (word >> 240 != uint256(IConsortium.MemberStatus.Admitted)) return false;
    return time < uint40(word >> 192);
}
