// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Signatures} from "./Signatures.sol";

/// @title Quorums
/// @notice Says whether enough of a group signed, of which the chain knows a salted commitment until it acts.
library Quorums {
    /// @notice Who is in the group and what each signed: an empty signature for who did not.
    /// @dev Encoded by `abi.encode`, it stands where one account's signature would.
    struct Proof {
        bytes32 salt;
        address[] members;
        bytes[] signatures;
    }

    /// @notice What stands for a group: 20 bytes, different for every pseudonym.
    function holderOf(address pseudonym, bytes32 salt, address[] calldata members) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(pseudonym, salt, members)))));
    }

    /// @notice Whether at least `threshold` members of the group signed.
    /// @dev Members ascend, so that nobody counts twice.
    function isSignedBy(
        bytes32 hash,
        bytes calldata proof,
        address pseudonym,
        address holder,
        uint8 threshold
    ) internal view returns (bool) {
        // What does not begin as a proof does is somebody's signature.
        if (proof.length < 0xa0 || bytes32(proof[:0x20]) != bytes32(uint256(0x20))) return false;
        Proof calldata shown;
        assembly ("memory-safe") {
            shown := add(proof.offset, 0x20)
        }
        if (shown.signatures.length != shown.members.length) return false;
        if (holderOf(pseudonym, shown.salt, shown.members) != holder) return false;

        uint256 signed = 0;
        address former = address(0);
        for (uint256 i = 0; i < shown.members.length; ++i) {
            if (shown.members[i] <= former) return false;
            former = shown.members[i];
            if (shown.signatures[i].length == 0) continue;
            if (Signatures.isSignedBy(hash, shown.signatures[i], former)) ++signed;
        }
        return signed >= threshold;
    }
}
