// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {ILetters} from "../interfaces/health/ILetters.sol";
import {ByPseudonym} from "./ByPseudonym.sol";

/// @title Letters
/// @notice Tells an account that a sealed document is waiting for it.
contract Letters is ILetters, ByPseudonym {
    bytes32 private constant LETTER_TYPEHASH = keccak256(
        "Letter(address from,address to,bytes32 letter,uint32 nonce,uint32 era,uint40 deadline)"
    );

    /// @inheritdoc ILetters
    mapping(address from => uint32 nonce) public nonceOf;

    constructor(IKeys keys) EIP712("Theriac Letters", "1") ByPseudonym(keys) {}

    /// @inheritdoc ILetters
    function send(address from, address to, bytes32 letter) external {
        _checkFreeController(from, msg.sender);

        _send(from, to, letter);
    }

    /// @inheritdoc ILetters
    function sendMany(address from, Addressed[] calldata letters) external {
        _checkFreeController(from, msg.sender);

        for (uint256 i = 0; i < letters.length; ++i) {
            _send(from, letters[i].to, letters[i].letter);
        }
    }

    /// @inheritdoc ILetters
    function sendBySig(Letter calldata terms, bytes calldata signature) external {
        bytes32 hash = keccak256(abi.encode(LETTER_TYPEHASH, terms));
        _checkFreeSignature(terms.from, terms.era, terms.deadline, hash, signature);
        uint32 current = nonceOf[terms.from];
        if (terms.nonce != current) revert WrongNonce(terms.nonce, current);

        nonceOf[terms.from] = current + 1;
        _send(terms.from, terms.to, terms.letter);
    }

    function _send(address from, address to, bytes32 letter) private {
        if (to == address(0) || letter == bytes32(0)) revert EmptyLetter(to, letter);

        emit Sent(to, from, letter);
    }
}
