// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {
    CAREMGT,
    CLMATTCH,
    COC,
    COVERAGE,
    ETREAT,
    FAMRQT,
    HPAYMT,
    HQUALIMP,
    PATRQT,
    PUBHLTH,
    PWATRNY,
    Purpose,
    TREAT
} from "../types/Purpose.sol";
import {AUDITOR, CLINICIAN, INSURER, NO_ROLE, REGULATOR, Roles} from "../types/Roles.sol";

/// @title Purposes
/// @notice What each purpose asks of its reader, and the word a wallet shows for it.
library Purposes {
    /// @notice Whether there is such a purpose.
    function exists(Purpose purpose) internal pure returns (bool) {
        return Purpose.unwrap(purpose) >= Purpose.unwrap(TREAT) && Purpose.unwrap(purpose) <= Purpose.unwrap(PWATRNY);
    }

    /// @notice The role that a reader for this purpose must hold; none for what a patient asks for herself.
    function roleOf(Purpose purpose) internal pure returns (Roles) {
        uint8 number = Purpose.unwrap(purpose);
        if (number <= Purpose.unwrap(COC)) return CLINICIAN;
        if (number <= Purpose.unwrap(CLMATTCH)) return INSURER;
        if (purpose == PUBHLTH) return REGULATOR;
        if (purpose == HQUALIMP) return AUDITOR;
        return NO_ROLE;
    }

    /// @notice The EIP-712 hash of the purpose's word.
    function hashOf(Purpose purpose) internal pure returns (bytes32) {
        if (purpose == TREAT) return keccak256("treatment");
        if (purpose == ETREAT) return keccak256("emergency treatment");
        if (purpose == CAREMGT) return keccak256("care management");
        if (purpose == COC) return keccak256("coordination of care");
        if (purpose == HPAYMT) return keccak256("payment");
        if (purpose == COVERAGE) return keccak256("coverage under policy");
        if (purpose == CLMATTCH) return keccak256("claim attachment");
        if (purpose == PUBHLTH) return keccak256("public health");
        if (purpose == HQUALIMP) return keccak256("quality improvement");
        if (purpose == FAMRQT) return keccak256("family requested");
        if (purpose == PATRQT) return keccak256("patient requested");
        return keccak256("power of attorney");
    }

    /// @notice Whether a set of purposes, a bit for each number, has some and only such that exist.
    function areKnown(uint16 purposes) internal pure returns (bool) {
        uint256 known = (1 << (Purpose.unwrap(PWATRNY) + 1)) - (1 << Purpose.unwrap(TREAT));
        return purposes != 0 && uint256(purposes) & ~known == 0;
    }

    /// @notice Whether the purpose is in a set.
    function isIn(Purpose purpose, uint16 purposes) internal pure returns (bool) {
        return (uint256(purposes) >> Purpose.unwrap(purpose)) & 1 == 1;
    }

    /// @notice The EIP-712 hash of the words of a set, as a `string[]` in the order of their numbers.
    function hashOf(uint16 purposes) internal pure returns (bytes32) {
        bytes memory words;
        for (uint8 number = Purpose.unwrap(TREAT); number <= Purpose.unwrap(PWATRNY); ++number) {
            Purpose purpose = Purpose.wrap(number);
            if (isIn(purpose, purposes)) words = bytes.concat(words, hashOf(purpose));
        }
        return keccak256(words);
    }
}
