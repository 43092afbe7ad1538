// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title PackTrees
/// @notice The tree of a batch with eight packs, written out once more from the protocol's words: depth 20, a leaf is
/// the hash of a pack's 32 bytes, a node of its two children, an empty place is 32 zero bytes.
library PackTrees {
    uint256 private constant DEPTH = 20;

    /// @notice The commitment to a pack.
    function packAt(uint256 batch, uint32 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("pack", batch, index));
    }

    function rootOf(uint256 batch, uint32 base) internal pure returns (bytes32 root) {
        bytes32[20] memory siblings = siblingsOf(batch, base, base);
        root = keccak256(abi.encode(packAt(batch, base)));
        for (uint256 level = 0; level < DEPTH; ++level) {
            bool isRight = (base >> level) & 1 == 1;
            root = isRight ? _join(siblings[level], root) : _join(root, siblings[level]);
        }
    }

    /// @notice The nodes beside the way up from the pack at an index, lowest first.
    function siblingsOf(uint256 batch, uint32 base, uint32 index) internal pure returns (bytes32[20] memory siblings) {
        bytes32[8] memory row;
        for (uint32 i = 0; i < 8; ++i) {
            row[i] = keccak256(abi.encode(packAt(batch, base + i)));
        }
        bytes32 empty = 0;
        for (uint256 level = 0; level < DEPTH; ++level) {
            uint256 at = ((index & 7) >> level) ^ 1;
            siblings[level] = level < 3 ? row[at] : empty;
            empty = _join(empty, empty);
            for (uint256 i = 0; level < 3 && i < 4 >> level; ++i) {
                row[i] = _join(row[2 * i], row[2 * i + 1]);
            }
        }
    }

    function _join(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encode(left, right));
    }
}
