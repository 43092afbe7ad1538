// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ByPseudonym} from "./ByPseudonym.sol";
import {Keys} from "./Keys.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {IRecovery} from "../interfaces/health/IRecovery.sol";
import {Signatures} from "../libraries/Signatures.sol";

/// @title Recovery
/// @notice Gives a pseudonym whose wallet is lost to a new wallet, by its guardians and against a thief.
/// @dev It makes Keys itself, so that neither needs the other's address before it is there.
contract Recovery is IRecovery, ByPseudonym {
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

    /// @dev A set counts so late, also the first of a pseudonym that is in use: whoever got one signature over a hash
    /// that says nothing has not won yet, and the guardians of before can take back what a thief of the wallet changed.
    uint256 private constant NOTICE = 30 days;

    /// @dev So long the controller may object.
    uint256 private constant DELAY = 14 days;

    /// @dev A recovery is over so long after its start: who objected on the last day still leaves guardians 14 days.
    uint256 private constant LASTS = 28 days;

    /// @dev The same set starts again within so long after its first start,
    uint256 private constant AGAIN = 14 days;

    /// @dev or only so long after it. Frozen for at most 42 days, a patient has 38 to let others count instead.
    uint256 private constant REST = 80 days;

    /// @dev Guardians are people who are asked one after the other.
    uint256 private constant LONGEST = 7 days;

    uint256 private constant MOST = 16;

    /// @dev One slot. `raised` is what an objection asks for, known since the set was shown.
    struct Attempt {
        address controller;
        uint40 started;
        uint16 confirmed;
        uint16 withdrawn;
        uint8 threshold;
        uint8 raised;
        bool objected;
    }

    struct Entry {
        bytes32 guardians;
        bytes32 successor;
        uint40 since;
        uint40 opened;
        uint32 nonce;
        uint32 round;
        Attempt attempt;
    }

    mapping(address pseudonym => Entry) private _entryOf;

    constructor() EIP712("Theriac Recovery", "1") ByPseudonym(new Keys(address(this))) {}

    /// @inheritdoc IRecovery
    function keys() external view returns (IKeys) {
        return _keys;
    }

    /// @inheritdoc IRecovery
    function guardOf(address pseudonym) external view returns (Guard memory guard) {
        Entry storage entry = _entryOf[pseudonym];
        guard = Guard(entry.guardians, entry.successor, entry.since, entry.nonce, entry.opened);
        if (_isDue(entry)) guard = Guard(guard.successor, bytes32(0), 0, guard.nonce, 0);
    }

    /// @inheritdoc IRecovery
    function pendingOf(address pseudonym) external view returns (Pending memory pending) {
        Entry storage entry = _entryOf[pseudonym];
        Attempt memory attempt = entry.attempt;
        pending.round = entry.round;
        if (attempt.controller == address(0)) return pending;

        pending.controller = attempt.controller;
        pending.ends = _ends(attempt);
        pending.lapses = _lapses(attempt);
        pending.confirmed = attempt.confirmed;
        pending.withdrawn = attempt.withdrawn;
        pending.needed = _needed(attempt);
        pending.objected = attempt.objected;
    }

    /// @inheritdoc IRecovery
    function hashOf(Guardians calldata guardians) external pure returns (bytes32) {
        return _hashOf(guardians);
    }

    /// @inheritdoc IRecovery
    function setGuardians(address pseudonym, bytes32 guardians) external {
        _checkFreeController(pseudonym, msg.sender);

        _setGuardians(pseudonym, guardians);
    }

    /// @inheritdoc IRecovery
    function setGuardiansBySig(Appointment calldata terms, bytes calldata signature) external {
        bytes32 structHash = keccak256(abi.encode(SET_GUARDIANS_TYPEHASH, terms));
        _checkFreeSignature(terms.pseudonym, terms.era, terms.deadline, structHash, signature);
        uint32 current = _entryOf[terms.pseudonym].nonce;
        if (terms.nonce != current) revert IKeys.WrongNonce(terms.nonce, current);

        _setGuardians(terms.pseudonym, terms.guardians);
    }

    /// @inheritdoc IRecovery
    function start(
        TakeOver calldata terms,
        Guardians calldata guardians,
        uint16 signers,
        bytes[] calldata signatures,
        bytes calldata acceptance
    ) external {
        Entry storage entry = _entryOf[terms.pseudonym];
        _checkDeadline(terms.deadline);
        if (entry.attempt.controller != address(0)) revert AlreadyPending(terms.pseudonym, entry.round);
        if (terms.round == 0 || terms.round - 1 != entry.round) revert WrongRound(terms.round, entry.round + 1);
        _settle(entry);
        _checkRested(terms.pseudonym, entry.opened);
        _checkShown(entry, guardians);
        _checkSet(guardians);
        bytes32 hash = _hashTypedDataV4(keccak256(abi.encode(TAKE_OVER_TYPEHASH, terms)));
        uint256 count = _checkSigners(guardians, signers, signatures, hash);
        if (count < guardians.threshold) revert TooFew(count, guardians.threshold);
        if (terms.controller == _keys.authorityOf(terms.pseudonym).controller) {
            revert IKeys.WrongController(terms.controller);
        }
        if (!Signatures.isSignedBy(hash, acceptance, terms.controller)) revert IKeys.WrongSignature(terms.controller);

        if (entry.opened == 0 || block.timestamp >= entry.opened + REST) entry.opened = uint40(block.timestamp);
        entry.round = terms.round;
        entry.attempt = Attempt({
            controller: terms.controller,
            started: uint40(block.timestamp),
            confirmed: signers,
            withdrawn: 0,
            threshold: guardians.threshold,
            raised: uint8(_raised(guardians.accounts.length)),
            objected: false
        });

        emit Started(terms.pseudonym, terms.controller, terms.round, uint40(block.timestamp + DELAY));
        emit Confirmed(terms.pseudonym, terms.round, signers);
        _keys.setFrozen(terms.pseudonym, true);
    }

    /// @inheritdoc IRecovery
    function confirm(
        TakeOver calldata terms,
        Guardians calldata guardians,
        uint16 signers,
        bytes[] calldata signatures
    ) external {
        Entry storage entry = _entryOf[terms.pseudonym];
        _checkDeadline(terms.deadline);
        Attempt memory attempt = _checkPending(entry, terms.pseudonym, terms.round);
        if (terms.controller != attempt.controller) revert IKeys.WrongController(terms.controller);
        uint16 answered = signers & (attempt.confirmed | attempt.withdrawn);
        if (answered != 0) revert AlreadyAnswered(answered);
        _checkShown(entry, guardians);
        bytes32 hash = _hashTypedDataV4(keccak256(abi.encode(TAKE_OVER_TYPEHASH, terms)));
        _checkSigners(guardians, signers, signatures, hash);

        entry.attempt.confirmed = attempt.confirmed | signers;

        emit Confirmed(terms.pseudonym, terms.round, signers);
    }

    /// @inheritdoc IRecovery
    function object(address pseudonym) external {
        _checkController(pseudonym, msg.sender);

        _object(pseudonym, _entryOf[pseudonym].round);
    }

    /// @inheritdoc IRecovery
    function objectBySig(Objection calldata terms, bytes calldata signature) external {
        bytes32 structHash = keccak256(abi.encode(OBJECT_TYPEHASH, terms));
        _checkSignature(terms.pseudonym, terms.era, terms.deadline, structHash, signature);

        _object(terms.pseudonym, terms.round);
    }

    /// @inheritdoc IRecovery
    function withdraw(Withdrawal calldata terms, Guardians calldata guardians, bytes calldata signature) external {
        Entry storage entry = _entryOf[terms.pseudonym];
        _checkDeadline(terms.deadline);
        Attempt memory attempt = _checkPending(entry, terms.pseudonym, terms.round);
        _checkShown(entry, guardians);
        uint16 place = _placeOf(guardians, terms.guardian);
        if (attempt.confirmed & place == 0) revert NotConfirmed(terms.guardian);
        bytes32 hash = _hashTypedDataV4(keccak256(abi.encode(WITHDRAW_TYPEHASH, terms)));
        if (!Signatures.isSignedBy(hash, signature, terms.guardian)) revert IKeys.WrongSignature(terms.guardian);

        attempt.confirmed &= ~place;
        entry.attempt.confirmed = attempt.confirmed;
        entry.attempt.withdrawn = attempt.withdrawn | place;

        emit Withdrawn(terms.pseudonym, terms.round, terms.guardian);
        if (_count(attempt.confirmed) < attempt.threshold) _end(terms.pseudonym, entry);
    }

    /// @inheritdoc IRecovery
    function finish(address pseudonym) external {
        Entry storage entry = _entryOf[pseudonym];
        Attempt memory attempt = _checkPending(entry, pseudonym, entry.round);
        if (block.timestamp < _ends(attempt)) revert TooEarly(_ends(attempt));
        uint256 count = _count(attempt.confirmed);
        if (count < _needed(attempt)) revert TooFew(count, _needed(attempt));

        // Guardians who were named but do not count yet may be a thief's.
        entry.successor = bytes32(0);
        entry.since = 0;
        delete entry.attempt;

        emit Finished(pseudonym, entry.round);
        _keys.recover(pseudonym, attempt.controller);
    }

    /// @inheritdoc IRecovery
    function lapse(address pseudonym) external {
        Entry storage entry = _entryOf[pseudonym];
        Attempt memory attempt = _checkPending(entry, pseudonym, entry.round);
        if (block.timestamp < _lapses(attempt)) revert TooEarly(_lapses(attempt));

        _end(pseudonym, entry);
    }

    function _setGuardians(address pseudonym, bytes32 guardians) private {
        Entry storage entry = _entryOf[pseudonym];
        _settle(entry);

        uint40 since = uint40(block.timestamp + (_isNew(pseudonym, entry) ? 0 : NOTICE));
        entry.successor = guardians;
        entry.since = since;
        entry.nonce++;

        emit GuardiansSet(pseudonym, guardians, since);
    }

    function _object(address pseudonym, uint32 round) private {
        Entry storage entry = _entryOf[pseudonym];
        Attempt memory attempt = _checkPending(entry, pseudonym, round);
        if (attempt.objected) revert AlreadyObjected(pseudonym, round);
        if (block.timestamp >= _ends(attempt)) revert TooLate(_ends(attempt));

        entry.attempt.objected = true;

        emit Objected(pseudonym, round, attempt.raised);
    }

    function _end(address pseudonym, Entry storage entry) private {
        delete entry.attempt;

        emit Ended(pseudonym, entry.round);
        _keys.setFrozen(pseudonym, false);
    }

    /// @dev Lets a set count whose notice is over. Not while a recovery is pending: that one's guardians go on with it.
    function _settle(Entry storage entry) private {
        if (!_isDue(entry)) return;

        entry.guardians = entry.successor;
        entry.successor = bytes32(0);
        entry.since = 0;
        entry.opened = 0;
    }

    /// @dev Nothing stands under it that could be stolen, so its guardians are there from the beginning.
    function _isNew(address pseudonym, Entry storage entry) private view returns (bool) {
        return entry.nonce == 0 && _keys.versionOf(pseudonym) == 0;
    }

    function _isDue(Entry storage entry) private view returns (bool) {
        return entry.since != 0 && block.timestamp >= entry.since && entry.attempt.controller == address(0);
    }

    function _checkDeadline(uint40 deadline) private view {
        if (block.timestamp > deadline) revert IKeys.SignatureExpired(deadline);
        uint256 latest = block.timestamp + LONGEST;
        if (deadline > latest) revert IKeys.DeadlineTooFar(deadline, latest);
    }

    /// @dev Guardians could otherwise keep a pseudonym frozen for ever, by one recovery after the other.
    function _checkRested(address pseudonym, uint40 opened) private view {
        if (opened == 0 || block.timestamp < opened + AGAIN) return;

        if (block.timestamp < opened + REST) revert TooSoon(pseudonym, opened + REST);
    }

    function _checkPending(
        Entry storage entry,
        address pseudonym,
        uint32 round
    ) private view returns (Attempt memory attempt) {
        attempt = entry.attempt;
        if (attempt.controller == address(0)) revert NothingPending(pseudonym);
        if (round != entry.round) revert WrongRound(round, entry.round);
    }

    function _checkShown(Entry storage entry, Guardians calldata guardians) private view {
        bytes32 shown = _hashOf(guardians);
        if (shown != entry.guardians) revert WrongGuardians(shown, entry.guardians);
    }

    /// @dev With a threshold that an objection does not raise, it would be no use to object.
    function _checkSet(Guardians calldata guardians) private pure {
        uint256 size = guardians.accounts.length;
        uint8 threshold = guardians.threshold;
        if (size > MOST || threshold == 0 || threshold >= _raised(size)) revert WrongThreshold(threshold, size);

        address former = address(0);
        for (uint256 i = 0; i < size; ++i) {
            address account = guardians.accounts[i];
            if (account <= former) revert NotAscending(account);
            former = account;
        }
    }

    function _checkSigners(
        Guardians calldata guardians,
        uint16 signers,
        bytes[] calldata signatures,
        bytes32 hash
    ) private view returns (uint256 count) {
        uint256 size = guardians.accounts.length;
        if (_count(signers) != signatures.length || signers >> size != 0) {
            revert WrongSigners(signers, signatures.length);
        }

        for (uint256 i = 0; i < size; ++i) {
            if ((signers >> i) & 1 == 0) continue;
            address guardian = guardians.accounts[i];
            if (!Signatures.isSignedBy(hash, signatures[count++], guardian)) revert IKeys.WrongSignature(guardian);
        }
    }

    function _placeOf(Guardians calldata guardians, address guardian) private pure returns (uint16) {
        for (uint256 i = 0; i < guardians.accounts.length; ++i) {
            if (guardians.accounts[i] == guardian) return uint16(1 << i);
        }
        revert NotConfirmed(guardian);
    }

    function _hashOf(Guardians calldata guardians) private pure returns (bytes32) {
        return keccak256(abi.encode(guardians));
    }

    function _ends(Attempt memory attempt) private pure returns (uint40) {
        return attempt.started + uint40(DELAY);
    }

    function _lapses(Attempt memory attempt) private pure returns (uint40) {
        return attempt.started + uint40(LASTS);
    }

    function _needed(Attempt memory attempt) private pure returns (uint8) {
        return attempt.objected ? attempt.raised : attempt.threshold;
    }

    /// @dev All of them; of more than three, one may be missing.
    function _raised(uint256 size) private pure returns (uint256) {
        return size > 3 ? size - 1 : size;
    }

    function _count(uint16 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) ++count;
    }
}
