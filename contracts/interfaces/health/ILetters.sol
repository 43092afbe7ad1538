// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title ILetters
/// @notice Tells an account that a sealed document is waiting for it: a request, a share, a receipt.
/// @dev Nothing is kept but a count of what each account sent by signature.
interface ILetters {
    /// @notice A letter that a pseudonym signed.
    /// @param from Who sends it.
    /// @param to Who can open it.
    /// @param letter The sha2-256 digest of the sealed document's CID.
    /// @param nonce How many letters the sender has sent by signature.
    /// @param era The sender's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Letter {
        address from;
        address to;
        bytes32 letter;
        uint32 nonce;
        uint32 era;
        uint40 deadline;
    }

    /// @notice One of many letters of one sender.
    /// @param to Who can open it.
    /// @param letter The sha2-256 digest of the sealed document's CID.
    struct Addressed {
        address to;
        bytes32 letter;
    }

    /// @notice A letter was sent.
    event Sent(address indexed to, address indexed from, bytes32 letter);

    /// @notice A letter needs a document and someone to open it.
    error EmptyLetter(address to, bytes32 letter);

    /// @notice A signature names another nonce than the sender's.
    error WrongNonce(uint32 nonce, uint32 current);

    /// @notice How many letters an account has sent by signature.
    function nonceOf(address from) external view returns (uint32);

    /// @notice Sends a letter. Only the sender's controller.
    function send(address from, address to, bytes32 letter) external;

    /// @notice Sends letters of one sender, each to its own, all or none. Only the sender's controller.
    function sendMany(address from, Addressed[] calldata letters) external;

    /// @notice Sends a letter by the controller's signature; anyone may carry it.
    function sendBySig(Letter calldata terms, bytes calldata signature) external;
}
