// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IGrants} from "../interfaces/health/IGrants.sol";
import {Purpose} from "../types/Purpose.sol";
import {Purposes} from "./Purposes.sol";
import {ScopeWords} from "./ScopeWords.sol";

/// @title GrantHashes
/// @notice The EIP-712 struct hashes of what is signed about a grant: by a controller for Grants, by a delegate for
/// Delegations, whose domains differ.
library GrantHashes {
    using Purposes for Purpose;

    bytes32 private constant GRANT_TYPEHASH = keccak256(
        "Grant(address pseudonym,address reader,string purpose,string[] classes,uint40 start,uint40 expiry,uint16 by,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant NARROW_TYPEHASH = keccak256(
        "Narrow(address pseudonym,address reader,string purpose,string[] classes,uint40 expiry,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant REVOKE_TYPEHASH = keccak256(
        "Revoke(address pseudonym,address reader,string purpose,uint32 nonce,uint32 era,uint40 deadline)"
    );
    /// @dev A signed Grant as EIP-712 encodes it: one word a field, so that the struct in memory is what is hashed.
    struct GrantWords {
        bytes32 typeHash;
        address pseudonym;
        address reader;
        bytes32 purpose;
        bytes32 classes;
        uint40 start;
        uint40 expiry;
        uint16 by;
        uint32 nonce;
        uint32 era;
        uint40 deadline;
    }

    /// @dev The fields of a signed Narrow, its words hashed, in the order of its type.
    struct NarrowWords {
        address pseudonym;
        address reader;
        bytes32 purpose;
        bytes32 classes;
        uint40 expiry;
        IGrants.Freshness freshness;
    }

    /// @notice A signed Grant.
    function ofGrant(
        IGrants.Terms memory terms,
        IGrants.Freshness calldata freshness
    ) internal pure returns (bytes32 hash) {
        GrantWords memory words = GrantWords(
            GRANT_TYPEHASH,
            terms.pseudonym,
            terms.reader,
            terms.purpose.hashOf(),
            ScopeWords.hashOf(terms.scope),
            terms.start,
            terms.expiry,
            terms.by,
            freshness.nonce,
            freshness.era,
            freshness.deadline
        );
        assembly ("memory-safe") {
            hash := keccak256(words, 0x160)
        }
    }

    /// @notice A signed Narrow.
    function ofNarrow(
        IGrants.Terms calldata terms,
        IGrants.Freshness calldata freshness
    ) internal pure returns (bytes32) {
        NarrowWords memory words = NarrowWords(
            terms.pseudonym,
            terms.reader,
            terms.purpose.hashOf(),
            ScopeWords.hashOf(terms.scope),
            terms.expiry,
            freshness
        );
        return keccak256(abi.encode(NARROW_TYPEHASH, words));
    }

    /// @notice A signed Revoke.
    function ofRevoke(
        address pseudonym,
        address reader,
        Purpose purpose,
        IGrants.Freshness calldata freshness
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOKE_TYPEHASH, pseudonym, reader, purpose.hashOf(), freshness));
    }
}
