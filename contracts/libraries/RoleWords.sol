// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {
    Roles,
    CLINICIAN,
    PRESCRIBER,
    PHARMACIST,
    MAKER,
    DISTRIBUTOR,
    INSURER,
    REGULATOR,
    AUDITOR,
    CUSTODIAN,
    LABORATORY,
    DEVICE,
    GATEWAY
} from "../types/Roles.sol";

/// @title RoleWords
/// @notice The words a wallet shows for a set of roles, as EIP-712 hashes them in a `string[]`.
library RoleWords {
    /// @notice The EIP-712 hash of the roles' words, in the order of their bits.
    function hashOf(Roles roles) internal pure returns (bytes32 hash) {
        bytes32[12] memory words;
        uint256 count;

        if (_has(roles, CLINICIAN)) words[count++] = keccak256("clinician");
        if (_has(roles, PRESCRIBER)) words[count++] = keccak256("prescriber");
        if (_has(roles, PHARMACIST)) words[count++] = keccak256("pharmacist");
        if (_has(roles, MAKER)) words[count++] = keccak256("maker");
        if (_has(roles, DISTRIBUTOR)) words[count++] = keccak256("distributor");
        if (_has(roles, INSURER)) words[count++] = keccak256("insurer");
        if (_has(roles, REGULATOR)) words[count++] = keccak256("regulator");
        if (_has(roles, AUDITOR)) words[count++] = keccak256("auditor");
        if (_has(roles, CUSTODIAN)) words[count++] = keccak256("custodian");
        if (_has(roles, LABORATORY)) words[count++] = keccak256("laboratory");
        if (_has(roles, DEVICE)) words[count++] = keccak256("device");
        if (_has(roles, GATEWAY)) words[count++] = keccak256("gateway");

        assembly ("memory-safe") {
            hash := keccak256(words, shl(5, count))
        }
    }

    function _has(Roles roles, Roles role) private pure returns (bool) {
        return !(roles & role).isNone();
    }
}
