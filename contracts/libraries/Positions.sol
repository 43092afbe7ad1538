// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Positions
/// @notice Places in a batch: a binary tree of depth 20 whose leaves are packs.
/// @dev A node is a number: the batch is 1, a node's children are 2n and 2n+1, the pack at index i is 2^20 | i. So a node
/// names its place by itself, and which pallet and case carry it. A proof is bound to the index: bit i of the index says
/// whether the way up comes from the left or the right, so that nothing can be proven at another place than its own. A
/// leaf hashes one word and a node two, so that neither is ever the other.
library Positions {
    uint256 internal constant DEPTH = 20;

    /// @notice The batch as a whole.
    uint32 internal constant BATCH = 1;

    /// @notice The height of what is no node.
    uint256 internal constant NOWHERE = type(uint256).max;

    /// @notice The node of the pack at an index.
    function packAt(uint32 index) internal pure returns (uint32) {
        return uint32((1 << DEPTH) | index);
    }

    /// @notice How many levels lie below a node that is a batch, a pallet, a case or a pack; NOWHERE for any other number.
    /// @dev A node of height h is one bit followed by 20 - h others. The sizes must not exceed the tree's depth.
    function heightOf(uint256 node, uint256 palletBits, uint256 caseBits) internal pure returns (uint256) {
        unchecked {
            if (node >> DEPTH == 1) return 0;
            if (node >> (DEPTH - caseBits) == 1) return caseBits;
            if (node >> (DEPTH - palletBits) == 1) return palletBits;
        }
        return node == BATCH ? DEPTH : NOWHERE;
    }

    /// @notice The root that a pack at an index has with these siblings, lowest first.
    function rootOf(uint32 index, bytes32 pack, bytes32[20] calldata siblings) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            mstore(0x00, pack)
            root := keccak256(0x00, 0x20)
            for {
                let level := 0
            } lt(level, 20) {
                level := add(level, 1)
            } {
                // The node goes into the left word or the right one, its sibling into the other.
                let side := shl(5, and(shr(level, index), 1))
                mstore(side, root)
                mstore(xor(side, 0x20), calldataload(add(siblings, shl(5, level))))
                root := keccak256(0x00, 0x40)
            }
        }
    }

    /// @notice The packs of a word of 256 that lie in a case, as a mask; none where the word lies elsewhere.
    function packsOf(uint32 case_, uint256 caseBits, uint256 word) internal pure returns (uint256) {
        uint256 first = (uint256(case_) << caseBits) & ((1 << DEPTH) - 1);
        if (caseBits >= 8) return word >> (caseBits - 8) == first >> caseBits ? type(uint256).max : 0;
        if (word != first >> 8) return 0;

        return ((1 << (1 << caseBits)) - 1) << (first & 0xff);
    }
}
