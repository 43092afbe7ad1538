// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ILetters} from "../../interfaces/health/ILetters.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Letters
/// @notice Used by tests and the bench only.
contract LettersFloor is Floor {
    bytes32 private constant LETTER_TYPEHASH = keccak256(
        "Letter(address from,address to,bytes32 letter,uint32 nonce,uint32 era,uint40 deadline)"
    );

    address private immutable _keys;

    uint256[2] private _names;
    mapping(address from => uint256 nonce) private _nonceOf;

    constructor(address place, address keys) Floor("Theriac Letters", place) {
        _keys = keys;
    }

    function send(address from, address to, bytes32 letter) external {
        _checkSender(_keys, from);

        emit ILetters.Sent(to, from, letter);
    }

    function sendMany(address from, ILetters.Addressed[] calldata letters) external {
        _checkSender(_keys, from);

        unchecked {
            for (uint256 i = 0; i < letters.length; ++i) {
                emit ILetters.Sent(letters[i].to, from, letters[i].letter);
            }
        }
    }

    function sendBySig(ILetters.Letter calldata terms, bytes calldata signature) external {
        address from = terms.from;
        _checkSigned(_keys, from, _hash(LETTER_TYPEHASH, 0x04, 6), signature);

        unchecked {
            _nonceOf[from] += 1;
        }

        emit ILetters.Sent(terms.to, from, terms.letter);
    }
}
