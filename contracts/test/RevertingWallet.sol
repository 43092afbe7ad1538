// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title A wallet that says yes while it reverts
/// @notice What it reverts with is the very word that would accept a signature. Used by tests only.
contract RevertingWallet {
    /// @notice Reverts with ERC-1271's word of acceptance.
    // solhint-disable-next-line no-complex-fallback
    fallback() external {
        bytes32 yes = bytes32(IERC1271.isValidSignature.selector);
        assembly ("memory-safe") {
            mstore(0x00, yes)
            revert(0x00, 0x20)
        }
    }
}
