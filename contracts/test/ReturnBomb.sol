// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title A wallet, or the target of a call, whose answer is so long that copying it costs its caller dearly
/// @notice The answer begins with ERC-1271's word of acceptance; the rest is zeros. Used by tests only.
contract ReturnBomb {
    uint256 public immutable size;
    bool public immutable reverts;

    /// @param size_ How many bytes it answers with.
    /// @param reverts_ Whether it reverts with them.
    constructor(uint256 size_, bool reverts_) {
        size = size_;
        reverts = reverts_;
    }

    /// @notice Answers every call, whatever is asked.
    // solhint-disable-next-line no-complex-fallback
    fallback() external {
        bytes32 yes = bytes32(IERC1271.isValidSignature.selector);
        uint256 length = size;
        bool failing = reverts;
        // Nothing is left to do after this, so the memory beyond the free pointer may be used without moving it.
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, yes)
            if failing {
                revert(start, length)
            }
            return(start, length)
        }
    }
}
