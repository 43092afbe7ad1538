// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Scope} from "../types/Scope.sol";

/// @title ScopeWords
/// @notice The words a wallet shows for a scope, as EIP-712 hashes them in a `string[]`. docs/scopes.md has the table.
library ScopeWords {
    /// @notice Every bit that means something.
    Scope internal constant KNOWN = Scope.wrap(((1 << 17) - 1) + (1 << 60) + (1 << 61) + (1 << 62));

    /// @notice The EIP-712 hash of the scope's words, in the order of their bits.
    function hashOf(Scope scope) internal pure returns (bytes32 hash) {
        bytes32[20] memory words;
        uint256 count;
        uint256 bits = Scope.unwrap(scope);

        if (bits & (1 << 0) != 0) words[count++] = keccak256("allergies");
        if (bits & (1 << 1) != 0) words[count++] = keccak256("conditions");
        if (bits & (1 << 2) != 0) words[count++] = keccak256("medications");
        if (bits & (1 << 3) != 0) words[count++] = keccak256("immunizations");
        if (bits & (1 << 4) != 0) words[count++] = keccak256("laboratory");
        if (bits & (1 << 5) != 0) words[count++] = keccak256("imaging");
        if (bits & (1 << 6) != 0) words[count++] = keccak256("procedures");
        if (bits & (1 << 7) != 0) words[count++] = keccak256("encounters and notes");
        if (bits & (1 << 8) != 0) words[count++] = keccak256("vitals and devices");
        if (bits & (1 << 9) != 0) words[count++] = keccak256("checkups");
        if (bits & (1 << 10) != 0) words[count++] = keccak256("family history");
        if (bits & (1 << 11) != 0) words[count++] = keccak256("patient reported");
        if (bits & (1 << 12) != 0) words[count++] = keccak256("claims");
        if (bits & (1 << 13) != 0) words[count++] = keccak256("personal details");
        if (bits & (1 << 14) != 0) words[count++] = keccak256("care plans");
        if (bits & (1 << 15) != 0) words[count++] = keccak256("documents");
        if (bits & (1 << 16) != 0) words[count++] = keccak256("social history");
        if (bits & (1 << 60) != 0) words[count++] = keccak256("restricted");
        if (bits & (1 << 61) != 0) words[count++] = keccak256("very restricted");
        if (bits & (1 << 62) != 0) words[count++] = keccak256("single records");

        assembly ("memory-safe") {
            hash := keccak256(words, shl(5, count))
        }
    }
}
