// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Keys} from "../../contracts/health/Keys.sol";
import {Recovery} from "../../contracts/health/Recovery.sol";
import {IKeys} from "../../contracts/interfaces/health/IKeys.sol";
import {IRecovery} from "../../contracts/interfaces/health/IRecovery.sol";
import {Handler} from "../Handler.sol";
import {World} from "../World.sol";

/// @title KeysHandler
/// @notice What pseudonyms do with their keys, publishers, wallets and guardians, and what guardians do for them.
contract KeysHandler is Handler {
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
    bytes32 private constant SET_GUARDIANS_TYPEHASH = keccak256(
        "SetGuardians(address pseudonym,bytes32 guardians,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant TAKE_OVER_TYPEHASH = keccak256(
        "TakeOver(address pseudonym,address controller,uint32 round,uint40 deadline)"
    );
    bytes32 private constant OBJECT_TYPEHASH = keccak256(
        "Object(address pseudonym,uint32 round,uint32 era,uint40 deadline)"
    );
    bytes32 private constant WITHDRAW_TYPEHASH = keccak256(
        "Withdraw(address pseudonym,address guardian,uint32 round,uint40 deadline)"
    );

    uint256 private constant MOST_SPENT = 16;

    /// @dev What the pseudonym's keys have come to.
    struct Key {
        address controller;
        uint32 era;
        uint32 version;
        bytes32 digest;
        address publisher;
        uint32 nonce;
    }

    /// @dev Who guards it: the number of the set that counts, of the one that was named last, and when that one does.
    struct Guard {
        uint8 counts;
        uint8 named;
        uint40 since;
        uint40 firstStart;
        uint32 namings;
        uint32 rounds;
    }

    /// @dev A recovery that is pending; nobody's heir for none.
    struct Attempt {
        address heir;
        uint40 started;
        uint8 set;
        bool objected;
        uint16 confirmed;
        uint16 withdrawn;
    }

    /// @dev A signed message that has counted.
    struct Spent {
        address target;
        bytes data;
    }

    Keys private immutable _keys;
    Recovery private immutable _recovery;
    address private immutable _stranger;

    address[] private _patients;
    address[] private _wallets;
    address[] private _publishers;
    address[] private _guardians;

    mapping(address pseudonym => Key) private _keyOf;
    mapping(address pseudonym => Guard) private _guardOf;
    mapping(address pseudonym => Attempt) private _attemptOf;
    mapping(address pseudonym => address) private _formerOf;

    Spent[] private _spent;
    address private _touched;

    constructor(World world_) Handler(world_) {
        _keys = world_.keys();
        _recovery = world_.recovery();
        _stranger = world_.stranger();
        _patients = world_.patients();
        _wallets = world_.wallets();
        _publishers = world_.publishers();
        _guardians = world_.guardians();

        for (uint256 i = 0; i < _patients.length; ++i) {
            address patient = _patients[i];
            uint8 set = uint8(1 + (i % 4));
            _keyOf[patient].controller = patient;
            _do(
                patient,
                address(_recovery),
                abi.encodeCall(_recovery.setGuardians, (patient, _hashOfSet(patient, set)))
            );
            _guardOf[patient].counts = set;
            _guardOf[patient].namings = 1;
            _do(patient, address(_keys), abi.encodeCall(_keys.publish, (patient, 1, _digest(patient, 1))));
            _keyOf[patient].version = 1;
            _keyOf[patient].digest = _digest(patient, 1);
        }
    }

    /// @notice The controller or the publisher publishes, by a transaction or a signature.
    function publish(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        Key storage key = _keyOf[patient];
        uint32 version = key.version + 1;
        bytes32 digest = _digest(patient, how);
        address by = how % 3 == 0 && key.publisher != address(0) ? key.publisher : key.controller;
        if ((how / 3) % 2 == 0) {
            _do(by, address(_keys), abi.encodeCall(_keys.publish, (patient, version, digest)));
        } else {
            IKeys.Publication memory terms = IKeys.Publication(patient, version, digest, key.era, _soon(how));
            bytes memory signature = _sign(by, address(_keys), keccak256(abi.encode(PUBLISH_TYPEHASH, terms)));
            _send(address(_keys), abi.encodeCall(_keys.publishBySig, (terms, signature)));
        }
        key.version = version;
        key.digest = digest;
    }

    /// @notice The controller publishes and appoints a publisher in one act. Not while a recovery is pending.
    function rotate(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        Key storage key = _keyOf[patient];
        uint32 version = key.version + 1;
        bytes32 digest = _digest(patient, how);
        address publisher = _one(_publishers, how / 2);
        bytes memory data;
        if (how % 2 == 0) {
            data = abi.encodeCall(_keys.rotate, (patient, version, digest, publisher));
        } else {
            IKeys.Rotation memory terms = IKeys.Rotation(
                patient,
                version,
                digest,
                publisher,
                key.nonce,
                key.era,
                _soon(how)
            );
            bytes32 hash = keccak256(abi.encode(ROTATE_TYPEHASH, terms));
            data = abi.encodeCall(_keys.rotateBySig, (terms, _sign(key.controller, address(_keys), hash)));
        }
        if (!_unlessFrozen(patient, how % 2 == 0 ? key.controller : _stranger, address(_keys), data, how % 2 != 0))
            return;

        key.version = version;
        key.digest = digest;
        key.publisher = publisher;
        ++key.nonce;
    }

    /// @notice The controller appoints a publisher, or nobody. Not while a recovery is pending.
    function appointPublisher(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        Key storage key = _keyOf[patient];
        address publisher = how % 5 == 0 ? address(0) : _one(_publishers, how / 2);
        bytes memory data;
        if (how % 2 == 0) {
            data = abi.encodeCall(_keys.setPublisher, (patient, publisher));
        } else {
            IKeys.Appointment memory terms = IKeys.Appointment(patient, publisher, key.nonce, key.era, _soon(how));
            bytes32 hash = keccak256(abi.encode(SET_PUBLISHER_TYPEHASH, terms));
            data = abi.encodeCall(_keys.setPublisherBySig, (terms, _sign(key.controller, address(_keys), hash)));
        }
        if (!_unlessFrozen(patient, how % 2 == 0 ? key.controller : _stranger, address(_keys), data, how % 2 != 0))
            return;

        key.publisher = publisher;
        ++key.nonce;
    }

    /// @notice The controller voids everything, also while a recovery is pending.
    function raiseEra(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        Key storage key = _keyOf[patient];
        if (how % 2 == 0) {
            _do(key.controller, address(_keys), abi.encodeCall(_keys.raiseEra, (patient)));
        } else {
            IKeys.EraEnd memory terms = IKeys.EraEnd(patient, key.era, _soon(how));
            bytes32 hash = keccak256(abi.encode(RAISE_ERA_TYPEHASH, terms));
            _send(
                address(_keys),
                abi.encodeCall(_keys.raiseEraBySig, (terms, _sign(key.controller, address(_keys), hash)))
            );
        }
        _raised(key);
    }

    /// @notice A patient moves to another wallet, or back to her first. Not while a recovery is pending.
    function handOver(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        Key storage key = _keyOf[patient];
        address next = _otherWallet(patient, key.controller, how);
        IKeys.HandOver memory terms = IKeys.HandOver(
            patient,
            next,
            _one(_publishers, how / 7),
            how % 2 == 0,
            key.nonce,
            key.era,
            _soon(how)
        );
        bytes32 hash = keccak256(abi.encode(HAND_OVER_TYPEHASH, terms));
        bytes memory data = abi.encodeCall(
            _keys.handOver,
            (terms, _sign(key.controller, address(_keys), hash), _sign(next, address(_keys), hash))
        );
        if (!_unlessFrozen(patient, _stranger, address(_keys), data, true)) return;

        if (!terms.keepGrants) _raised(key);
        key.publisher = terms.publisher;
        ++key.nonce;
        _formerOf[patient] = key.controller;
        key.controller = next;
    }

    /// @notice The controller names guardians. Not while a recovery is pending.
    function nameGuardians(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        Guard storage guard = _guardOf[patient];
        address controller = _keyOf[patient].controller;
        uint8 set = uint8(1 + ((how / 2) % 4));
        bytes memory data;
        if (how % 2 == 0) {
            data = abi.encodeCall(_recovery.setGuardians, (patient, _hashOfSet(patient, set)));
        } else {
            IRecovery.Appointment memory terms = IRecovery.Appointment(
                patient,
                _hashOfSet(patient, set),
                guard.namings,
                _keyOf[patient].era,
                _soon(how)
            );
            bytes32 hash = keccak256(abi.encode(SET_GUARDIANS_TYPEHASH, terms));
            data = abi.encodeCall(_recovery.setGuardiansBySig, (terms, _sign(controller, address(_recovery), hash)));
        }
        if (!_unlessFrozen(patient, how % 2 == 0 ? controller : _stranger, address(_recovery), data, how % 2 != 0))
            return;

        _settle(patient);
        guard.named = set;
        guard.since = uint40(block.timestamp + 30 days);
        ++guard.namings;
    }

    /// @notice Guardians start a recovery, as many as are needed or more.
    function start(uint256 who, uint256 how) external acting {
        address patient = _withAttempt(who, false);
        Guard storage guard = _guardOf[patient];
        _settle(patient);
        IRecovery.Guardians memory set = _set(patient, guard.counts);
        address heir = _otherWallet(patient, _keyOf[patient].controller, how);
        IRecovery.TakeOver memory terms = IRecovery.TakeOver(
            patient,
            heir,
            guard.rounds + 1,
            uint40(block.timestamp + (how % 7 days))
        );
        uint16 signers = _someOf(set.accounts.length, set.threshold, how / 3);
        bytes32 hash = keccak256(abi.encode(TAKE_OVER_TYPEHASH, terms));
        (bool done, ) = _try(
            _stranger,
            address(_recovery),
            abi.encodeCall(
                _recovery.start,
                (terms, set, signers, _signedBy(set.accounts, signers, hash), _sign(heir, address(_recovery), hash))
            )
        );
        uint256 first = guard.firstStart;
        bool rested = first == 0 || block.timestamp < first + 14 days || block.timestamp >= first + 80 days;
        // property V11: one set freezes a pseudonym for at most 42 of any 80 days.
        _must(done == rested, "V11");
        if (!done) return;

        if (first == 0 || block.timestamp >= first + 80 days) guard.firstStart = uint40(block.timestamp);
        ++guard.rounds;
        _attemptOf[patient] = Attempt(heir, uint40(block.timestamp), guard.counts, false, signers, 0);
    }

    /// @notice More guardians confirm a recovery that is pending.
    function confirm(uint256 who, uint256 how) external acting {
        address patient = _withAttempt(who, true);
        Attempt storage attempt = _attemptOf[patient];
        IRecovery.Guardians memory set = _set(patient, attempt.set);
        uint16 open = uint16((1 << set.accounts.length) - 1) & ~(attempt.confirmed | attempt.withdrawn);
        if (open == 0) revert NothingToDo();
        uint16 signers = open & uint16(how);
        if (signers == 0) signers = open;
        IRecovery.TakeOver memory terms = IRecovery.TakeOver(
            patient,
            attempt.heir,
            _guardOf[patient].rounds,
            uint40(block.timestamp + (how % 7 days))
        );
        bytes32 hash = keccak256(abi.encode(TAKE_OVER_TYPEHASH, terms));
        _send(
            address(_recovery),
            abi.encodeCall(_recovery.confirm, (terms, set, signers, _signedBy(set.accounts, signers, hash)))
        );
        attempt.confirmed |= signers;
    }

    /// @notice The controller objects, once and within 14 days.
    function object(uint256 who, uint256 how) external acting {
        address patient = _withAttempt(who, true);
        Attempt storage attempt = _attemptOf[patient];
        address controller = _keyOf[patient].controller;
        bool may = !attempt.objected && block.timestamp < attempt.started + 14 days;
        bool done;
        if (how % 2 == 0) {
            (done, ) = _try(controller, address(_recovery), abi.encodeCall(_recovery.object, (patient)));
        } else {
            IRecovery.Objection memory terms = IRecovery.Objection(
                patient,
                _guardOf[patient].rounds,
                _keyOf[patient].era,
                _soon(how)
            );
            bytes memory signature = _sign(
                controller,
                address(_recovery),
                keccak256(abi.encode(OBJECT_TYPEHASH, terms))
            );
            (done, ) = _try(_stranger, address(_recovery), abi.encodeCall(_recovery.objectBySig, (terms, signature)));
        }
        // property V7: the controller objects once a round, within 14 days.
        _must(done == may, "V7");
        if (done) attempt.objected = true;
    }

    /// @notice A guardian takes back what she confirmed; fewer than started it end it.
    function withdraw(uint256 who, uint256 how) external acting {
        address patient = _withAttempt(who, true);
        Attempt storage attempt = _attemptOf[patient];
        IRecovery.Guardians memory set = _set(patient, attempt.set);
        uint256 place = how % set.accounts.length;
        while ((attempt.confirmed >> place) & 1 == 0) place = (place + 1) % set.accounts.length;
        IRecovery.Withdrawal memory terms = IRecovery.Withdrawal(
            patient,
            set.accounts[place],
            _guardOf[patient].rounds,
            uint40(block.timestamp + (how % 7 days))
        );
        bytes32 hash = keccak256(abi.encode(WITHDRAW_TYPEHASH, terms));
        _send(
            address(_recovery),
            abi.encodeCall(_recovery.withdraw, (terms, set, _sign(terms.guardian, address(_recovery), hash)))
        );
        attempt.confirmed &= ~uint16(1 << place);
        attempt.withdrawn |= uint16(1 << place);
        if (_count(attempt.confirmed) < set.threshold) delete _attemptOf[patient];
    }

    /// @notice Anyone finishes a recovery, which works from its fourteenth day on and with as many as are needed.
    function finish(uint256 who) external acting {
        address patient = _withAttempt(who, true);
        Attempt memory attempt = _attemptOf[patient];
        Key storage key = _keyOf[patient];
        bool due = block.timestamp >= attempt.started + 14 days;
        bool enough = _count(attempt.confirmed) >= _needed(patient, attempt);
        address heir = attempt.heir;
        (bool done, ) = _try(_stranger, address(_recovery), abi.encodeCall(_recovery.finish, (patient)));
        // properties V8, V10: no earlier than 14 days after its start, and only with as many guardians as are needed.
        _must(!done || (due && enough), "V8");
        // property V9: nothing that the controller does keeps guardians who are as many as are needed from finishing.
        _must(done || !due || !enough, "V9");
        if (!done) return;

        delete _attemptOf[patient];
        (_guardOf[patient].named, _guardOf[patient].since) = (0, 0);
        _raised(key);
        _formerOf[patient] = key.controller;
        key.controller = heir;
    }

    /// @notice Anyone ends a recovery that lasted for 28 days.
    function lapse(uint256 who) external acting {
        address patient = _withAttempt(who, true);
        bool over = block.timestamp >= _attemptOf[patient].started + 28 days;
        (bool done, ) = _try(_stranger, address(_recovery), abi.encodeCall(_recovery.lapse, (patient)));
        // property V12: nobody else ends what enough guardians started.
        _must(done == over, "V12");
        if (done) delete _attemptOf[patient];
    }

    /// @notice A signature that has counted is sent again.
    function hostileReplay(uint256 which) external acting {
        if (_spent.length == 0) revert NothingToDo();
        Spent memory spent = _spent[which % _spent.length];
        // properties H11, V5: what was signed counts once.
        _refused(_stranger, spent.target, spent.data, "H11");
    }

    /// @notice Who does not control a pseudonym, be it that it once did, or that it publishes for it, acts for it.
    function hostileActor(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        address intruder = _intruder(patient, how);
        Key memory key = _keyOf[patient];
        if (intruder == key.controller) revert NothingToDo();

        bytes memory data;
        uint256 kind = (how / 8) % 6;
        if (kind == 0) data = abi.encodeCall(_keys.raiseEra, (patient));
        if (kind == 1) data = abi.encodeCall(_keys.setPublisher, (patient, intruder));
        if (kind == 2) data = abi.encodeCall(_keys.rotate, (patient, key.version + 1, _digest(patient, how), intruder));
        if (kind == 3) data = abi.encodeCall(_keys.setFrozen, (patient, true));
        if (kind == 4) data = abi.encodeCall(_keys.recover, (patient, intruder));
        if (kind == 5) data = abi.encodeCall(_recovery.setGuardians, (patient, _hashOfSet(patient, 1)));
        // properties K2, K5: only the controller acts for a pseudonym, and no former one does.
        _refused(intruder, kind == 5 ? address(_recovery) : address(_keys), data, "K2");
    }

    /// @notice Who does not control a pseudonym signs for it, or publishes what is not the next version.
    function hostileSigner(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        address intruder = _intruder(patient, how);
        Key memory key = _keyOf[patient];
        if (intruder == key.controller || intruder == key.publisher) revert NothingToDo();

        IKeys.Publication memory terms = IKeys.Publication(
            patient,
            key.version + 1,
            _digest(patient, how),
            key.era,
            _soon(how)
        );
        uint256 kind = (how / 8) % 4;
        address by = kind == 0 ? intruder : key.controller;
        if (kind == 1) terms.era += 1;
        if (kind == 2) terms.deadline = uint40(block.timestamp + 1 hours + 1 + (how % 1 days));
        if (kind == 3) terms.version = how % 2 == 0 ? key.version : key.version + 2;
        bytes memory signature = _sign(by, address(_keys), keccak256(abi.encode(PUBLISH_TYPEHASH, terms)));
        // properties H11, K1, K2
        _refused(_stranger, address(_keys), abi.encodeCall(_keys.publishBySig, (terms, signature)), "H11");
    }

    /// @notice Too few guardians, of another set, or without the heir's word, start a recovery.
    function hostileStart(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        Guard memory guard = _guardOf[patient];
        uint8 number = how % 3 == 0 ? uint8(1 + (guard.counts % 4)) : _counting(patient);
        if (how % 3 == 0 && number == _counting(patient)) revert NothingToDo();
        IRecovery.Guardians memory set = _set(patient, number);
        uint16 signers = _someOf(set.accounts.length, set.threshold, how / 3);
        if (how % 3 == 1) signers &= signers - 1;
        if (how % 3 == 1 && _count(signers) >= set.threshold) revert NothingToDo();
        address heir = _otherWallet(patient, _keyOf[patient].controller, how);
        IRecovery.TakeOver memory terms = IRecovery.TakeOver(patient, heir, guard.rounds + 1, _soon(how));
        bytes32 hash = keccak256(abi.encode(TAKE_OVER_TYPEHASH, terms));
        address accepts = how % 3 == 2 ? _stranger : heir;
        bytes memory data = abi.encodeCall(
            _recovery.start,
            (terms, set, signers, _signedBy(set.accounts, signers, hash), _sign(accepts, address(_recovery), hash))
        );
        // property V4: only with as many guardians of the set that counts as it asks for, and the new one's signature.
        _refused(_stranger, address(_recovery), data, "V4");
    }

    /// @notice A guardian who withdrew confirms again.
    function hostileConfirm(uint256 who, uint256 how) external acting {
        address patient = _withAttempt(who, true);
        Attempt memory attempt = _attemptOf[patient];
        uint16 signers = attempt.withdrawn | (how % 2 == 0 ? attempt.confirmed : 0);
        if (signers == 0) revert NothingToDo();
        IRecovery.Guardians memory set = _set(patient, attempt.set);
        IRecovery.TakeOver memory terms = IRecovery.TakeOver(
            patient,
            attempt.heir,
            _guardOf[patient].rounds,
            _soon(how)
        );
        bytes32 hash = keccak256(abi.encode(TAKE_OVER_TYPEHASH, terms));
        bytes memory data = abi.encodeCall(
            _recovery.confirm,
            (terms, set, signers, _signedBy(set.accounts, signers, hash))
        );
        // properties V5, V12: who withdrew confirms that round no more.
        _refused(_stranger, address(_recovery), data, "V12");
    }

    /// property K1
    function property_K1_version_and_digest_grow_by_publications_alone() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address patient = _looked(i);
            Key storage key = _keyOf[patient];
            if (_keys.versionOf(patient) != key.version || _keys.digestOf(patient) != key.digest) return false;
        }
        return true;
    }

    /// property K2
    function property_K2_nobody_else_acts_for_a_pseudonym() external view returns (bool) {
        return _held("K2");
    }

    /// property K3
    function property_K3_the_era_counts_what_was_raised_and_no_publisher_outlives_it() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address patient = _looked(i);
            if (_keys.eraOf(patient) != _keyOf[patient].era) return false;
            if (_keys.publisherOf(patient).account != _keyOf[patient].publisher) return false;
        }
        return true;
    }

    /// property K4
    function property_K4_one_controller_by_hand_over_or_recovery() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address patient = _looked(i);
            if (_keys.authorityOf(patient).controller != _keyOf[patient].controller) return false;
        }
        return true;
    }

    /// property K6
    function property_K6_frozen_it_appoints_nobody() external view returns (bool) {
        return _held("K6");
    }

    /// property K7
    function property_K7_nothing_changes_another_pseudonym() external view returns (bool) {
        address patient = _patients[turn % _patients.length];
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        Key storage key = _keyOf[patient];
        return
            authority.controller == key.controller &&
            authority.era == key.era &&
            authority.version == key.version &&
            _keys.digestOf(patient) == key.digest &&
            _recovery.guardOf(patient).nonce == _guardOf[patient].namings &&
            _recovery.pendingOf(patient).round == _guardOf[patient].rounds;
    }

    /// property K8
    function property_K8_the_nonce_counts_appointments_alone() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address patient = _looked(i);
            if (_keys.publisherOf(patient).nonce != _keyOf[patient].nonce) return false;
        }
        return true;
    }

    /// property H11
    function property_H11_a_signature_counts_once() external view returns (bool) {
        return _held("H11");
    }

    /// property V1
    function property_V1_only_the_controller_names_guardians() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address patient = _looked(i);
            if (_recovery.guardOf(patient).nonce != _guardOf[patient].namings) return false;
        }
        return _held("K2");
    }

    /// property V2
    function property_V2_a_set_counts_after_thirty_days() external view looking returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address patient = _looked(i);
            if (_recovery.guardOf(patient).guardians != _hashOfSet(patient, _counting(patient))) return false;
        }
        return true;
    }

    /// property V4
    function property_V4_no_recovery_starts_with_too_few() external view returns (bool) {
        return _held("V4");
    }

    /// property V6
    function property_V6_frozen_while_a_recovery_is_pending_and_never_else() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address patient = _looked(i);
            bool pending = _attemptOf[patient].heir != address(0);
            if (_keys.authorityOf(patient).frozen != pending) return false;
            if (_recovery.pendingOf(patient).controller != _attemptOf[patient].heir) return false;
        }
        return true;
    }

    /// property V7
    function property_V7_after_an_objection_all_are_needed() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address patient = _looked(i);
            Attempt memory attempt = _attemptOf[patient];
            if (attempt.heir == address(0)) continue;
            IRecovery.Pending memory pending = _recovery.pendingOf(patient);
            if (pending.objected != attempt.objected || pending.needed != _needed(patient, attempt)) return false;
        }
        return _held("V7");
    }

    /// properties V8, V10
    function property_V8_no_recovery_is_finished_early_or_by_too_few() external view returns (bool) {
        return _held("V8");
    }

    /// property V9
    function property_V9_enough_guardians_finish() external view returns (bool) {
        return _held("V9");
    }

    /// property V11
    function property_V11_a_set_rests_after_it_froze() external view returns (bool) {
        return _held("V11");
    }

    /// property V12
    function property_V12_who_confirmed_or_withdrew_is_remembered() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address patient = _looked(i);
            Attempt memory attempt = _attemptOf[patient];
            if (attempt.heir == address(0)) continue;
            IRecovery.Pending memory pending = _recovery.pendingOf(patient);
            if (pending.confirmed != attempt.confirmed || pending.withdrawn != attempt.withdrawn) return false;
        }
        return _held("V12");
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](17);
        all[0] = "property_K1_version_and_digest_grow_by_publications_alone()";
        all[1] = "property_K2_nobody_else_acts_for_a_pseudonym()";
        all[2] = "property_K3_the_era_counts_what_was_raised_and_no_publisher_outlives_it()";
        all[3] = "property_K4_one_controller_by_hand_over_or_recovery()";
        all[4] = "property_K6_frozen_it_appoints_nobody()";
        all[5] = "property_K7_nothing_changes_another_pseudonym()";
        all[6] = "property_K8_the_nonce_counts_appointments_alone()";
        all[7] = "property_H11_a_signature_counts_once()";
        all[8] = "property_V1_only_the_controller_names_guardians()";
        all[9] = "property_V2_a_set_counts_after_thirty_days()";
        all[10] = "property_V4_no_recovery_starts_with_too_few()";
        all[11] = "property_V6_frozen_while_a_recovery_is_pending_and_never_else()";
        all[12] = "property_V7_after_an_objection_all_are_needed()";
        all[13] = "property_V8_no_recovery_is_finished_early_or_by_too_few()";
        all[14] = "property_V9_enough_guardians_finish()";
        all[15] = "property_V11_a_set_rests_after_it_froze()";
        all[16] = "property_V12_who_confirmed_or_withdrew_is_remembered()";
    }

    function _choose(uint256 who) private returns (address patient) {
        patient = _patients[who % _patients.length];
        _touched = patient;
    }

    /// @dev A pseudonym with or without a recovery that is pending, if there is one.
    function _withAttempt(uint256 who, bool pending) private returns (address patient) {
        for (uint256 i = 0; i < _patients.length; ++i) {
            patient = _patients[(who + i) % _patients.length];
            if ((_attemptOf[patient].heir != address(0)) == pending) {
                _touched = patient;
                return patient;
            }
        }
        revert NothingToDo();
    }

    /// @dev Who looks, looks at the pseudonym that was touched last and at one more in turn.
    function _looked(uint256 index) private view returns (address) {
        if (index == 0 && _touched != address(0)) return _touched;
        return _patients[turn % _patients.length];
    }

    function _intruder(address patient, uint256 how) private view returns (address) {
        uint256 kind = how % 4;
        address former = _formerOf[patient];
        if (kind == 0 && former != address(0)) return former;
        if (kind == 1 && _keyOf[patient].publisher != address(0)) return _keyOf[patient].publisher;
        if (kind == 2) return world.board();
        return how % 8 == 3 ? world.accountOf(1) : _stranger;
    }

    function _otherWallet(address patient, address controller, uint256 how) private view returns (address next) {
        uint256 choice = how % (_wallets.length + 1);
        next = choice == 0 ? patient : _wallets[choice - 1];
        if (next == controller) next = _wallets[choice % _wallets.length];
        if (next == controller) next = patient;
    }

    /// @dev Sends what was signed, and keeps it to send it again.
    function _send(address target, bytes memory data) private {
        _do(_stranger, target, data);
        _spend(target, data);
    }

    function _spend(address target, bytes memory data) private {
        if (_spent.length < MOST_SPENT) _spent.push(Spent(target, data));
        else _spent[turn % MOST_SPENT] = Spent(target, data);
    }

    /// @dev Makes an act which a pending recovery forbids, and says whether it was made.
    function _unlessFrozen(
        address patient,
        address sender,
        address target,
        bytes memory data,
        bool signed
    ) private returns (bool done) {
        bool frozen = _attemptOf[patient].heir != address(0);
        if (frozen) {
            // property K6: while it is frozen it publishes, revokes and raises the era, and does nothing else.
            _refused(sender, target, data, "K6");
            return false;
        }
        _do(sender, target, data);
        if (signed) _spend(target, data);
        return true;
    }

    function _raised(Key storage key) private {
        ++key.era;
        key.publisher = address(0);
        ++key.nonce;
    }

    function _settle(address patient) private {
        Guard storage guard = _guardOf[patient];
        uint8 counts = _counting(patient);
        if (guard.since == 0 || block.timestamp < guard.since || _attemptOf[patient].heir != address(0)) return;

        (guard.counts, guard.named, guard.since, guard.firstStart) = (counts, 0, 0, 0);
    }

    /// @dev The set that counts now.
    function _counting(address patient) private view returns (uint8) {
        Guard storage guard = _guardOf[patient];
        bool due = guard.since != 0 && block.timestamp >= guard.since && _attemptOf[patient].heir == address(0);
        return due ? guard.named : guard.counts;
    }

    function _needed(address patient, Attempt memory attempt) private view returns (uint256) {
        IRecovery.Guardians memory set = _set(patient, attempt.set);
        if (!attempt.objected) return set.threshold;
        return set.accounts.length > 3 ? set.accounts.length - 1 : set.accounts.length;
    }

    /// @dev Four sets of two to five of the guardians. The salt is another for each pseudonym.
    function _set(address patient, uint8 number) private view returns (IRecovery.Guardians memory set) {
        uint256 size = uint256(number) + 1;
        set.salt = keccak256(abi.encode(patient, number));
        set.threshold = uint8(size / 2);
        set.accounts = new address[](size);
        for (uint256 i = 0; i < size; ++i) set.accounts[i] = _guardians[i];
    }

    function _hashOfSet(address patient, uint8 number) private view returns (bytes32) {
        return keccak256(abi.encode(_set(patient, number)));
    }

    /// @dev At least so many of a group, as bits.
    function _someOf(uint256 size, uint256 least, uint256 how) private pure returns (uint16 some) {
        some = uint16(how & ((1 << size) - 1));
        for (uint256 i = how % size; _count(some) < least; i = (i + 1) % size) some |= uint16(1 << i);
    }

    function _signedBy(
        address[] memory accounts,
        uint16 signers,
        bytes32 structHash
    ) private view returns (bytes[] memory signatures) {
        signatures = new bytes[](_count(signers));
        uint256 count = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            if ((signers >> i) & 1 == 1) signatures[count++] = _sign(accounts[i], address(_recovery), structHash);
        }
    }

    function _count(uint16 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) ++count;
    }

    function _digest(address patient, uint256 seed) private pure returns (bytes32) {
        return keccak256(abi.encode(patient, seed));
    }
}
