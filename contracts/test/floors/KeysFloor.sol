// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IKeys} from "../../interfaces/health/IKeys.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Keys
/// @notice Used by tests and the bench only.
contract KeysFloor is Floor {
    bytes32 private constant PUBLISH_TYPEHASH = keccak256(
        "Publish(address pseudonym,uint32 version,bytes32 bundle,uint32 era,uint40 deadline)"
    );
    bytes32 private constant ROTATE_TYPEHASH = keccak256(
        "Rotate(address pseudonym,uint32 version,bytes32 bundle,address publisher,uint32 nonce,uint32 era,uint40 deadline)"
    );

    /// @dev A word each as Keys keeps them: controller 160 | era 32 | version 32 | frozen 8, and account 160 | nonce 32.
    struct Entry {
        uint256 authority;
        uint256 publisher;
        bytes32 digest;
    }

    uint256 private constant VERSION = uint256(type(uint32).max) << 192;

    uint256[2] private _names;
    mapping(address pseudonym => Entry) private _entryOf;

    constructor(address place) Floor("Theriac Keys", place) {}

    function authorityOf(
        address pseudonym
    ) external view returns (address controller, uint256 era, uint256 version, uint256 frozen) {
        uint256 word = _entryOf[pseudonym].authority;
        return (_controllerIn(word, pseudonym), uint32(word >> 160), uint32(word >> 192), uint8(word >> 224));
    }

    function eraOf(address pseudonym) external view returns (uint32) {
        return uint32(_entryOf[pseudonym].authority >> 160);
    }

    function publish(address pseudonym, uint32 version, bytes32 bundle) external {
        Entry storage entry = _entryOf[pseudonym];
        uint256 authority = entry.authority;
        _checkMayPublish(entry, authority, pseudonym, msg.sender);

        _publish(entry, authority, pseudonym, version, bundle, msg.sender);
    }

    function publishBySig(IKeys.Publication calldata terms, bytes calldata signature) external {
        address pseudonym = terms.pseudonym;
        Entry storage entry = _entryOf[pseudonym];
        uint256 authority = entry.authority;
        address signer = _signerOf(_hash(PUBLISH_TYPEHASH, 0x04, 5), signature);
        _checkMayPublish(entry, authority, pseudonym, signer);

        _publish(entry, authority, pseudonym, terms.version, terms.bundle, signer);
    }

    function rotateBySig(IKeys.Rotation calldata terms, bytes calldata signature) external {
        (address pseudonym, address publisher) = (terms.pseudonym, terms.publisher);
        Entry storage entry = _entryOf[pseudonym];
        uint256 authority = entry.authority;
        address signer = _signerOf(_hash(ROTATE_TYPEHASH, 0x04, 7), signature);
        if (signer != _controllerIn(authority, pseudonym)) revert NotTheirs();

        _publish(entry, authority, pseudonym, terms.version, terms.bundle, signer);
        unchecked {
            entry.publisher = uint160(publisher) | (((entry.publisher >> 160) + 1) << 160);
        }

        emit IKeys.PublisherSet(pseudonym, publisher);
    }

    function _publish(
        Entry storage entry,
        uint256 authority,
        address pseudonym,
        uint32 version,
        bytes32 bundle,
        address by
    ) private {
        entry.authority = (authority & ~VERSION) | (uint256(version) << 192);
        entry.digest = bundle;

        emit IKeys.Published(pseudonym, version, bundle, by);
    }

    function _checkMayPublish(Entry storage entry, uint256 authority, address pseudonym, address by) private view {
        if (by == _controllerIn(authority, pseudonym)) return;

        if (by != address(uint160(entry.publisher))) revert NotTheirs();
    }

    function _controllerIn(uint256 authority, address pseudonym) private pure returns (address controller) {
        controller = address(uint160(authority));
        if (controller == address(0)) controller = pseudonym;
    }
}
