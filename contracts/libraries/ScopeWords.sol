// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Scope} from "../types/Scope.sol";

/// @title ScopeWords
/// @notice The words a wallet shows for a scope, as EIP-712 hashes them in a `string[]`. docs/scopes.md has the table.
library ScopeWords {
    /// @notice Every bit that stands for classes of records.
    Scope internal constant CLASSES = Scope.wrap(((1 << 17) - 1) + (1 << 60) + (1 << 61) + (1 << 62));

    /// @notice The bit by which a patient says that the reader may pass the grant on for a referral.
    Scope internal constant REFERRAL = Scope.wrap(1 << 63);

    /// @notice Every bit that means something.
    Scope internal constant KNOWN = Scope.wrap(((1 << 17) - 1) + (1 << 60) + (1 << 61) + (1 << 62) + (1 << 63));

    /// @notice The EIP-712 hash of the scope's words, in the order of their bits.
    function hashOf(Scope scope) internal pure returns (bytes32 hash) {
        uint256 bits = Scope.unwrap(scope);
        uint256 start;
        assembly ("memory-safe") {
            start := mload(0x40)
        }
        uint256 end = start;

        end = _append(end, bits, 0, keccak256("allergies"));
        end = _append(end, bits, 1, keccak256("conditions"));
        end = _append(end, bits, 2, keccak256("medications"));
        end = _append(end, bits, 3, keccak256("immunizations"));
        end = _append(end, bits, 4, keccak256("laboratory"));
        end = _append(end, bits, 5, keccak256("imaging"));
        end = _append(end, bits, 6, keccak256("procedures"));
        end = _append(end, bits, 7, keccak256("encounters and notes"));
        end = _append(end, bits, 8, keccak256("vitals and devices"));
        end = _append(end, bits, 9, keccak256("checkups"));
        end = _append(end, bits, 10, keccak256("family history"));
        end = _append(end, bits, 11, keccak256("patient reported"));
        end = _append(end, bits, 12, keccak256("claims"));
        end = _append(end, bits, 13, keccak256("personal details"));
        end = _append(end, bits, 14, keccak256("care plans"));
        end = _append(end, bits, 15, keccak256("documents"));
        end = _append(end, bits, 16, keccak256("social history"));
        end = _append(end, bits, 60, keccak256("restricted"));
        end = _append(end, bits, 61, keccak256("very restricted"));
        end = _append(end, bits, 62, keccak256("single records"));
        end = _append(end, bits, 63, keccak256("may be referred on"));

        assembly ("memory-safe") {
            hash := keccak256(start, sub(end, start))
        }
    }

    /// @dev Writes the word's hash beyond the end, and moves the end over it where the bit is set. The memory beyond
    /// the free pointer is scratch space here: nothing allocates while the list is built.
    function _append(uint256 end, uint256 bits, uint256 bit, bytes32 word) private pure returns (uint256 next) {
        assembly ("memory-safe") {
            mstore(end, word)
            next := add(end, shl(5, and(shr(bit, bits), 1)))
        }
    }
}
