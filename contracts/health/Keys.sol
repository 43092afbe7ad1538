// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Windows} from "../libraries/Windows.sol";

/// @title Keys
/// @notice Who controls a pseudonym and which document of its keys is the current one.
contract Keys is IKeys, EIP712 {
    bytes32 private constant PUBLISH_TYPEHASH = keccak256(
        "Publish(address pseudonym,uint32 version,bytes32 bundle,uint32 era,uint40 deadline)"
    );
    bytes32 private constant ROTATE_TYPEHASH = keccak256(
        "Rotate(address pseudonym,uint32 version,bytes32 bundle,address publisher,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant SET_PUBLISHER_TYPEHASH = keccak256(
        "SetPublisher(address pseudonym,address publisher,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant RAISE_ERA_TYPEHASH = keccak256(
        "RevokeEverything(address pseudonym,uint32 era,uint40 deadline)"
    );
    bytes32 private constant HAND_OVER_TYPEHASH = keccak256(
        "HandOver(address pseudonym,address controller,address publisher,bool keepGrants,uint32 nonce,uint32 era,uint40 deadline)"
    );

    /// @dev Three slots side by side, so that a pseudonym's place is computed once.
    struct Entry {
        Authority authority;
        Publisher publisher;
        bytes32 digest;
    }

    /// @inheritdoc IKeys
    address public immutable recovery;

    mapping(address pseudonym => Entry) private _entryOf;

    constructor(address recovery_) EIP712("Theriac Keys", "1") {
        recovery = recovery_;
    }

    modifier onlyRecovery() {
        if (recovery == address(0) || msg.sender != recovery) revert NotTheRecovery(msg.sender, recovery);
        _;
    }

    /// @inheritdoc IKeys
    function authorityOf(address pseudonym) external view returns (Authority memory) {
        return _authorityOf(pseudonym);
    }

    /// @inheritdoc IKeys
    function eraOf(address pseudonym) external view returns (uint32) {
        return _entryOf[pseudonym].authority.era;
    }

    /// @inheritdoc IKeys
    function versionOf(address pseudonym) external view returns (uint32) {
        return _entryOf[pseudonym].authority.version;
    }

    /// @inheritdoc IKeys
    function publisherOf(address pseudonym) external view returns (Publisher memory) {
        return _entryOf[pseudonym].publisher;
    }

    /// @inheritdoc IKeys
    function digestOf(address pseudonym) external view returns (bytes32) {
        return _entryOf[pseudonym].digest;
    }

    /// @inheritdoc IKeys
    function publish(address pseudonym, uint32 version, bytes32 bundle) external {
        _checkMayPublish(pseudonym, msg.sender);

        _publish(pseudonym, version, bundle, msg.sender);
    }

    /// @inheritdoc IKeys
    function publishBySig(Publication calldata terms, bytes calldata signature) external {
        bytes32 hash = _hashTypedDataV4(keccak256(abi.encode(PUBLISH_TYPEHASH, terms)));
        Authority memory authority = _authorityOf(terms.pseudonym);
        _checkSigned(authority, terms.era, terms.deadline);
        address signer = _publisherWhoSigned(terms.pseudonym, authority.controller, hash, signature);

        _publish(terms.pseudonym, terms.version, terms.bundle, signer);
    }

    /// @inheritdoc IKeys
    function rotate(address pseudonym, uint32 version, bytes32 bundle, address publisher) external {
        _checkController(pseudonym, msg.sender);

        _rotate(pseudonym, version, bundle, publisher, msg.sender);
    }

    /// @inheritdoc IKeys
    function rotateBySig(Rotation calldata terms, bytes calldata signature) external {
        bytes32 structHash = keccak256(abi.encode(ROTATE_TYPEHASH, terms));
        address signer = _checkSignature(terms.pseudonym, terms.era, terms.deadline, structHash, signature);
        _checkNonce(terms.pseudonym, terms.nonce);

        _rotate(terms.pseudonym, terms.version, terms.bundle, terms.publisher, signer);
    }

    /// @inheritdoc IKeys
    function setPublisher(address pseudonym, address publisher) external {
        _checkController(pseudonym, msg.sender);

        _setPublisher(pseudonym, publisher);
    }

    /// @inheritdoc IKeys
    function setPublisherBySig(Appointment calldata terms, bytes calldata signature) external {
        bytes32 structHash = keccak256(abi.encode(SET_PUBLISHER_TYPEHASH, terms));
        _checkSignature(terms.pseudonym, terms.era, terms.deadline, structHash, signature);
        _checkNonce(terms.pseudonym, terms.nonce);

        _setPublisher(terms.pseudonym, terms.publisher);
    }

    /// @inheritdoc IKeys
    function raiseEra(address pseudonym) external {
        _checkController(pseudonym, msg.sender);

        _raiseEra(pseudonym);
    }

    /// @inheritdoc IKeys
    function raiseEraBySig(EraEnd calldata terms, bytes calldata signature) external {
        bytes32 structHash = keccak256(abi.encode(RAISE_ERA_TYPEHASH, terms));
        _checkSignature(terms.pseudonym, terms.era, terms.deadline, structHash, signature);

        _raiseEra(terms.pseudonym);
    }

    /// @inheritdoc IKeys
    function handOver(HandOver calldata terms, bytes calldata signature, bytes calldata acceptance) external {
        bytes32 structHash = keccak256(abi.encode(HAND_OVER_TYPEHASH, terms));
        address former = _checkSignature(terms.pseudonym, terms.era, terms.deadline, structHash, signature);
        if (!Signatures.isSignedBy(_hashTypedDataV4(structHash), acceptance, terms.controller)) {
            revert WrongSignature(terms.controller);
        }
        _checkNonce(terms.pseudonym, terms.nonce);
        if (terms.controller == former) revert WrongController(terms.controller);

        if (!terms.keepGrants) _raiseEra(terms.pseudonym);
        _setPublisher(terms.pseudonym, terms.publisher);
        _move(terms.pseudonym, terms.controller, former);
    }

    /// @inheritdoc IKeys
    function setFrozen(address pseudonym, bool frozen) external onlyRecovery {
        _setFrozen(pseudonym, frozen);
    }

    /// @inheritdoc IKeys
    function recover(address pseudonym, address controller) external onlyRecovery {
        address former = _authorityOf(pseudonym).controller;
        if (controller == address(0) || controller == former) revert WrongController(controller);

        _setFrozen(pseudonym, false);
        _raiseEra(pseudonym);
        _move(pseudonym, controller, former);
    }

    function _publish(address pseudonym, uint32 version, bytes32 bundle, address by) private {
        Entry storage entry = _entryOf[pseudonym];
        uint32 current = entry.authority.version;
        if (bundle == bytes32(0)) revert NoDigest();
        if (version == 0 || version - 1 != current) revert WrongVersion(version, current);

        entry.authority.version = version;
        entry.digest = bundle;

        emit Published(pseudonym, version, bundle, by);
    }

    function _rotate(address pseudonym, uint32 version, bytes32 bundle, address publisher, address by) private {
        _publish(pseudonym, version, bundle, by);
        _setPublisher(pseudonym, publisher);
    }

    /// @dev A frozen pseudonym keeps the publisher it has: who is about to lose it must not appoint another.
    function _setPublisher(address pseudonym, address publisher) private {
        Entry storage entry = _entryOf[pseudonym];
        if (entry.authority.frozen) revert Frozen(pseudonym);

        entry.publisher = Publisher(publisher, entry.publisher.nonce + 1);

        emit PublisherSet(pseudonym, publisher);
    }

    /// @dev The publisher was appointed by a signature too; after this only the controller publishes.
    function _raiseEra(address pseudonym) private {
        Entry storage entry = _entryOf[pseudonym];

        uint32 era = ++entry.authority.era;
        entry.publisher = Publisher(address(0), entry.publisher.nonce + 1);

        emit EraRaised(pseudonym, era);
    }

    function _setFrozen(address pseudonym, bool frozen) private {
        _entryOf[pseudonym].authority.frozen = frozen;

        emit FrozenSet(pseudonym, frozen);
    }

    function _move(address pseudonym, address controller, address former) private {
        _entryOf[pseudonym].authority.controller = controller;

        emit HandedOver(pseudonym, controller, former);
    }

    function _authorityOf(address pseudonym) private view returns (Authority memory authority) {
        authority = _entryOf[pseudonym].authority;
        if (authority.controller == address(0)) authority.controller = pseudonym;
    }

    function _checkController(address pseudonym, address sender) private view {
        address controller = _authorityOf(pseudonym).controller;
        if (sender != controller) revert NotTheController(sender, controller);
    }

    function _checkMayPublish(address pseudonym, address sender) private view {
        if (sender == _authorityOf(pseudonym).controller) return;

        address publisher = _entryOf[pseudonym].publisher.account;
        if (sender != publisher) revert NotThePublisher(sender, publisher);
    }

    /// @dev A key is recovered once and compared with both who may publish; code is asked only for the controller.
    function _publisherWhoSigned(
        address pseudonym,
        address controller,
        bytes32 hash,
        bytes calldata signature
    ) private view returns (address) {
        address signer = Signatures.recover(hash, signature);
        if (signer != address(0)) {
            if (signer == controller || signer == _entryOf[pseudonym].publisher.account) return signer;
        }
        if (!Signatures.isAcceptedBy(hash, signature, controller)) revert WrongSignature(controller);

        return controller;
    }

    function _checkSignature(
        address pseudonym,
        uint32 era,
        uint40 deadline,
        bytes32 structHash,
        bytes calldata signature
    ) private view returns (address controller) {
        Authority memory authority = _authorityOf(pseudonym);
        _checkSigned(authority, era, deadline);

        controller = authority.controller;
        if (!Signatures.isSignedBy(_hashTypedDataV4(structHash), signature, controller)) {
            revert WrongSignature(controller);
        }
    }

    function _checkSigned(Authority memory authority, uint32 era, uint40 deadline) private view {
        Windows.check(deadline);
        if (era != authority.era) revert WrongEra(era, authority.era);
    }

    function _checkNonce(address pseudonym, uint32 nonce) private view {
        uint32 current = _entryOf[pseudonym].publisher.nonce;
        if (nonce != current) revert WrongNonce(nonce, current);
    }
}
