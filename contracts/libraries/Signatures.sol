// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title Signatures
/// @notice Says whether an account signed a hash: a key first, a wallet contract (ERC-1271) second.
/// @dev The key is asked first because an account delegated by EIP-7702 has code and yet signs with its key.
library Signatures {
    /// @dev What a wallet contract may use to answer. A wallet that burns more has not signed.
    uint256 internal constant WALLET_GAS = 200_000;

    /// @notice The account whose key made the signature, or zero. Malleable and 64-byte signatures recover nothing.
    function recover(bytes32 hash, bytes calldata signature) internal pure returns (address signer) {
        (signer, , ) = ECDSA.tryRecoverCalldata(hash, signature);
    }

    /// @notice Whether `signer` signed `hash`, by its key or by its code.
    function isSignedBy(bytes32 hash, bytes calldata signature, address signer) internal view returns (bool) {
        if (signer == address(0)) return false;
        if (recover(hash, signature) == signer) return true;

        return isAcceptedBy(hash, signature, signer);
    }

    /// @notice Whether the code of `wallet` accepts the signature, within a bounded amount of gas and of returned bytes.
    function isAcceptedBy(bytes32 hash, bytes calldata signature, address wallet) internal view returns (bool) {
        if (wallet.code.length == 0) return false;

        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (hash, signature));
        bool answered;
        bytes32 answer;
        uint256 size;
        assembly ("memory-safe") {
            // Only the first word of the answer is copied, so that a wallet cannot make the caller pay for a long one.
            answered := staticcall(WALLET_GAS, wallet, add(question, 0x20), mload(question), 0x00, 0x20)
            size := returndatasize()
            answer := mload(0x00)
        }
        return answered && size >= 32 && answer == bytes32(IERC1271.isValidSignature.selector);
    }
}
