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
        uint256 start;
        assembly ("memory-safe") {
            start := mload(0x40)
        }
        uint256 end = start;

        end = _append(end, roles, CLINICIAN, keccak256("clinician"));
        end = _append(end, roles, PRESCRIBER, keccak256("prescriber"));
        end = _append(end, roles, PHARMACIST, keccak256("pharmacist"));
        end = _append(end, roles, MAKER, keccak256("maker"));
        end = _append(end, roles, DISTRIBUTOR, keccak256("distributor"));
        end = _append(end, roles, INSURER, keccak256("insurer"));
        end = _append(end, roles, REGULATOR, keccak256("regulator"));
        end = _append(end, roles, AUDITOR, keccak256("auditor"));
        end = _append(end, roles, CUSTODIAN, keccak256("custodian"));
        end = _append(end, roles, LABORATORY, keccak256("laboratory"));
        end = _append(end, roles, DEVICE, keccak256("device"));
        end = _append(end, roles, GATEWAY, keccak256("gateway"));

        assembly ("memory-safe") {
            hash := keccak256(start, sub(end, start))
        }
    }

    /// @dev Writes the word's hash beyond the end, and moves the end over it where the set has the role. The memory beyond
    /// the free pointer is scratch space here: nothing allocates while the list is built.
    function _append(uint256 end, Roles roles, Roles role, bytes32 word) private pure returns (uint256 next) {
        assembly ("memory-safe") {
            mstore(end, word)
            next := add(end, shl(5, iszero(iszero(and(roles, role)))))
        }
    }
}
