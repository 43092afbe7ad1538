// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IGrants} from "../interfaces/health/IGrants.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {GrantHashes} from "../libraries/GrantHashes.sol";
import {Purposes} from "../libraries/Purposes.sol";
import {ScopeWords} from "../libraries/ScopeWords.sol";
import {GrantSlot, pack} from "../types/GrantSlot.sol";
import {Purpose} from "../types/Purpose.sol";
import {CLINICIAN, Roles} from "../types/Roles.sol";
import {Scope} from "../types/Scope.sol";
import {ByPseudonym} from "./ByPseudonym.sol";
import {Delegations} from "./Delegations.sol";

/// @title Grants
/// @notice Who may read which classes of a pseudonym's records, for which purpose and in which window.
contract Grants is IGrants, ByPseudonym {
    using Purposes for Purpose;

    bytes32 private constant SET_PARENT_TYPEHASH = keccak256(
        "SetParent(address pseudonym,uint16 by,address holder,uint40 expiry,uint32 generation,uint32 era,uint40 deadline)"
    );

    /// @dev Stands in a grant for its parent where that is another grant: the referrer's, of which the grant's
    /// generation is the nonce. No parent has this number.
    uint16 private constant REFERRED = type(uint16).max;

    /// @inheritdoc IGrants
    address public immutable delegations;

    IConsortium private immutable _consortium;

    mapping(address pseudonym => mapping(address reader => mapping(Purpose purpose => GrantSlot))) private _grantOf;
    mapping(address pseudonym => mapping(uint16 by => Parent)) private _parentOf;
    mapping(address pseudonym => mapping(address reader => mapping(Purpose purpose => address))) private _referrerOf;

    constructor(IConsortium consortium, IKeys keys) EIP712("Theriac Grants", "1") ByPseudonym(keys) {
        _consortium = consortium;
        delegations = address(new Delegations(this, keys));
    }

    modifier onlyDelegations() {
        if (msg.sender != delegations) revert NotDelegations(msg.sender, delegations);
        _;
    }

    /// @inheritdoc IGrants
    function grantOf(address pseudonym, address reader, Purpose purpose) external view returns (Grant memory) {
        return _grantOf[pseudonym][reader][purpose].unpack();
    }

    /// @inheritdoc IGrants
    function parentOf(address pseudonym, uint16 by) external view returns (Parent memory) {
        return _parentOf[pseudonym][by];
    }

    /// @inheritdoc IGrants
    function referrerOf(address pseudonym, address reader, Purpose purpose) external view returns (address) {
        return _referrerOf[pseudonym][reader][purpose];
    }

    /// @inheritdoc IGrants
    function allowed(address pseudonym, address reader, Scope scope, Purpose purpose) external view returns (bool) {
        return _explain(pseudonym, reader, scope, purpose) == Refusal.None;
    }

    /// @inheritdoc IGrants
    function explain(address pseudonym, address reader, Scope scope, Purpose purpose) external view returns (Refusal) {
        return _explain(pseudonym, reader, scope, purpose);
    }

    /// @inheritdoc IGrants
    function grant(Terms memory terms) external {
        uint32 era = _checkFreeController(terms.pseudonym, msg.sender);

        _grant(terms, era);
    }

    /// @inheritdoc IGrants
    function grantBySig(Terms memory terms, Freshness calldata freshness, bytes calldata signature) external {
        bytes32 hash = GrantHashes.ofGrant(terms, freshness);
        _checkFreeSignature(terms.pseudonym, freshness.era, freshness.deadline, hash, signature);
        _checkNonce(terms.pseudonym, terms.reader, terms.purpose, freshness.nonce);

        _grant(terms, freshness.era);
    }

    /// @inheritdoc IGrants
    function narrow(address pseudonym, address reader, Purpose purpose, Scope scope, uint40 expiry) external {
        uint32 era = _checkFreeController(pseudonym, msg.sender);

        _narrow(Terms(pseudonym, reader, purpose, scope, 0, expiry, 0), era);
    }

    /// @inheritdoc IGrants
    function narrowBySig(Terms calldata terms, Freshness calldata freshness, bytes calldata signature) external {
        if (terms.start != 0) revert NotAFullHour(terms.start);
        if (terms.by != 0) revert WrongParent(terms.by, terms.expiry);
        bytes32 hash = GrantHashes.ofNarrow(terms, freshness);
        _checkFreeSignature(terms.pseudonym, freshness.era, freshness.deadline, hash, signature);
        _checkNonce(terms.pseudonym, terms.reader, terms.purpose, freshness.nonce);

        _narrow(terms, freshness.era);
    }

    /// @inheritdoc IGrants
    function revoke(address pseudonym, address reader, Purpose purpose) external {
        _checkController(pseudonym, msg.sender);

        _revoke(pseudonym, reader, purpose);
    }

    /// @inheritdoc IGrants
    function revokeBySig(
        address pseudonym,
        address reader,
        Purpose purpose,
        Freshness calldata freshness,
        bytes calldata signature
    ) external {
        bytes32 hash = GrantHashes.ofRevoke(pseudonym, reader, purpose, freshness);
        _checkSignature(pseudonym, freshness.era, freshness.deadline, hash, signature);
        _checkNonce(pseudonym, reader, purpose, freshness.nonce);

        _revoke(pseudonym, reader, purpose);
    }

    /// @inheritdoc IGrants
    function setParent(address pseudonym, uint16 by, address holder, uint40 expiry) external {
        _checkFreeController(pseudonym, msg.sender);

        _setParent(pseudonym, by, holder, expiry);
    }

    /// @inheritdoc IGrants
    function setParentBySig(
        address pseudonym,
        uint16 by,
        address holder,
        uint40 expiry,
        Freshness calldata freshness,
        bytes calldata signature
    ) external {
        bytes32 hash = keccak256(abi.encode(SET_PARENT_TYPEHASH, pseudonym, by, holder, expiry, freshness));
        _checkFreeSignature(pseudonym, freshness.era, freshness.deadline, hash, signature);
        uint32 current = _parentOf[pseudonym][by].generation;
        if (freshness.nonce != current) revert WrongNonce(freshness.nonce, current);

        _setParent(pseudonym, by, holder, expiry);
    }

    /// @inheritdoc IGrants
    function refer(Terms memory terms, address from) external {
        IKeys.Authority memory authority = _keys.authorityOf(terms.pseudonym);
        if (authority.frozen) revert IKeys.Frozen(terms.pseudonym);
        _checkReferrer(from, terms.purpose, msg.sender);

        _refer(terms, from, authority.era);
    }

    /// @inheritdoc IGrants
    function withdraw(address pseudonym, address reader, Purpose purpose) external {
        mapping(Purpose => GrantSlot) storage grants = _grantOf[pseudonym][reader];
        Grant memory current = grants[purpose].unpack();
        if (current.by != REFERRED || current.scope.isEmpty()) revert NotGranted(pseudonym, reader, purpose);
        address from = _referrerOf[pseudonym][reader][purpose];
        if (msg.sender != from) _checkReferrer(from, purpose, msg.sender);

        // The classes stay, for an emptied place is one that the patient revoked: nobody refers to it again.
        current.expiry = 0;
        current.nonce += 1;
        grants[purpose] = pack(current);

        emit Revoked(pseudonym, reader, purpose);
    }

    /// @inheritdoc IGrants
    function setParentFor(
        address pseudonym,
        uint16 by,
        address holder,
        uint40 expiry
    ) external onlyDelegations returns (uint32 generation) {
        _setParent(pseudonym, by, holder, expiry);

        return _parentOf[pseudonym][by].generation;
    }

    /// @inheritdoc IGrants
    function grantFor(Terms memory terms, uint32 era) external onlyDelegations {
        Grant memory current = _slotAt(terms.pseudonym, terms.reader, terms.purpose).unpack();
        if (current.by != terms.by && _isLive(terms.pseudonym, terms.reader, terms.purpose, current, era)) {
            revert Occupied(terms.reader, current.by);
        }

        _grant(terms, era);
    }

    /// @inheritdoc IGrants
    function narrowFor(Terms memory terms, uint32 era) external onlyDelegations {
        _narrow(terms, era);
    }

    /// @inheritdoc IGrants
    function revokeFor(address pseudonym, address reader, Purpose purpose) external onlyDelegations {
        _revoke(pseudonym, reader, purpose);
    }

    function _grant(Terms memory terms, uint32 era) private {
        if (!terms.purpose.exists()) revert NoSuchPurpose(terms.purpose);
        if (terms.reader == address(0) || terms.reader == terms.pseudonym) revert WrongReader(terms.reader);
        _checkScope(terms.scope);
        _checkFullHour(terms.start);
        _checkFullHour(terms.expiry);
        if (terms.expiry <= block.timestamp || terms.expiry <= terms.start) {
            revert WrongWindow(terms.start, terms.expiry);
        }
        uint32 generation = _generationFor(terms.pseudonym, terms.by, terms.expiry);

        mapping(Purpose => GrantSlot) storage grants = _grantOf[terms.pseudonym][terms.reader];
        uint32 nonce = grants[terms.purpose].nonceOf() + 1;
        grants[terms.purpose] = pack(Grant(terms.scope, terms.start, terms.expiry, nonce, era, terms.by, generation));

        emit Granted(terms.pseudonym, terms.reader, terms.purpose, terms.scope, terms.start, terms.expiry, terms.by);
    }

    function _narrow(Terms memory terms, uint32 era) private {
        mapping(Purpose => GrantSlot) storage grants = _grantOf[terms.pseudonym][terms.reader];
        Grant memory current = grants[terms.purpose].unpack();
        if (current.scope.isEmpty() || current.era != era || current.expiry <= block.timestamp) {
            revert NotGranted(terms.pseudonym, terms.reader, terms.purpose);
        }
        _checkScope(terms.scope);
        _checkFullHour(terms.expiry);
        if (terms.expiry <= block.timestamp || terms.expiry <= current.start) {
            revert WrongWindow(current.start, terms.expiry);
        }
        if (!current.scope.includes(terms.scope) || terms.expiry > current.expiry) {
            revert Wider(terms.scope, current.scope, terms.expiry, current.expiry);
        }

        current.scope = terms.scope;
        current.expiry = terms.expiry;
        current.nonce += 1;
        grants[terms.purpose] = pack(current);

        emit Narrowed(terms.pseudonym, terms.reader, terms.purpose, terms.scope, terms.expiry);
    }

    /// @dev Ends a grant that was not sent yet as well: the nonce moves even where nothing is live.
    function _revoke(address pseudonym, address reader, Purpose purpose) private {
        if (!purpose.exists()) revert NoSuchPurpose(purpose);

        mapping(Purpose => GrantSlot) storage grants = _grantOf[pseudonym][reader];
        uint32 nonce = grants[purpose].nonceOf() + 1;
        grants[purpose] = pack(Grant(Scope.wrap(0), 0, 0, nonce, 0, 0, 0));

        emit Revoked(pseudonym, reader, purpose);
    }

    function _setParent(address pseudonym, uint16 by, address holder, uint40 expiry) private {
        if (by == 0 || by == REFERRED) revert WrongParent(by, expiry);
        if (expiry != 0 && expiry <= block.timestamp) revert WrongParent(by, expiry);

        uint32 generation = _parentOf[pseudonym][by].generation + 1;
        _parentOf[pseudonym][by] = Parent(holder, generation, expiry);

        emit ParentSet(pseudonym, by, holder, generation, expiry);
    }

    /// @dev One hop: what may be passed on is marked, and what was passed on cannot be. It ends with the grant that
    /// it came from, whatever ends that: its nonce counts every change.
    function _refer(Terms memory terms, address from, uint32 era) private {
        _checkScope(terms.scope);
        Scope asked = terms.scope.with(ScopeWords.REFERRAL);
        Refusal refusal = _explainGrant(terms.pseudonym, from, asked, terms.purpose, era);
        if (refusal != Refusal.None) revert MayNotRefer(from, refusal);
        if (terms.reader == address(0) || terms.reader == terms.pseudonym || terms.reader == from) {
            revert WrongReader(terms.reader);
        }
        if (terms.reader == msg.sender) revert WrongReader(terms.reader);
        if (terms.by != 0) revert WrongParent(terms.by, terms.expiry);
        _checkFullHour(terms.start);
        _checkFullHour(terms.expiry);
        if (terms.expiry <= block.timestamp || terms.expiry <= terms.start) {
            revert WrongWindow(terms.start, terms.expiry);
        }
        Grant memory parent = _slotAt(terms.pseudonym, from, terms.purpose).unpack();
        if (asked == terms.scope || terms.expiry > parent.expiry) {
            revert Wider(terms.scope, parent.scope, terms.expiry, parent.expiry);
        }
        _checkPlaceFor(terms, from, era);

        _writeReferral(terms, from, era, parent.nonce);
    }

    function _writeReferral(Terms memory terms, address from, uint32 era, uint32 parentNonce) private {
        mapping(Purpose => GrantSlot) storage grants = _grantOf[terms.pseudonym][terms.reader];
        uint32 nonce = grants[terms.purpose].nonceOf() + 1;
        grants[terms.purpose] = pack(Grant(terms.scope, terms.start, terms.expiry, nonce, era, REFERRED, parentNonce));
        _referrerOf[terms.pseudonym][terms.reader][terms.purpose] = from;

        emit Granted(terms.pseudonym, terms.reader, terms.purpose, terms.scope, terms.start, terms.expiry, REFERRED);
        emit Referred(terms.pseudonym, terms.reader, from, terms.purpose, msg.sender);
    }

    function _explain(address pseudonym, address reader, Scope scope, Purpose purpose) private view returns (Refusal) {
        if (!purpose.exists()) return Refusal.UnknownPurpose;
        if (scope.isEmpty()) return Refusal.EmptyScope;
        Roles role = purpose.roleOf();
        uint32 member;
        if (!role.isNone()) {
            member = _consortium.standing(reader, role);
            if (member == 0) return Refusal.NoStanding;
        }

        uint32 era = _keys.eraOf(pseudonym);
        Refusal own = _explainGrant(pseudonym, reader, scope, purpose, era);
        if (own == Refusal.None || member == 0) return own;

        Refusal members = _explainGrant(pseudonym, address(uint160(member)), scope, purpose, era);
        return own == Refusal.NoGrant || members == Refusal.None ? members : own;
    }

    function _explainGrant(
        address pseudonym,
        address reader,
        Scope scope,
        Purpose purpose,
        uint32 era
    ) private view returns (Refusal) {
        Grant memory granted = _grantOf[pseudonym][reader][purpose].unpack();
        if (granted.scope.isEmpty()) return Refusal.NoGrant;
        if (granted.era != era) return Refusal.EraRaised;
        if (granted.by != 0 && !_parentStands(pseudonym, reader, purpose, granted)) return Refusal.ParentEnded;
        if (block.timestamp < granted.start) return Refusal.NotStarted;
        if (block.timestamp >= granted.expiry) return Refusal.Expired;

        return granted.scope.includes(scope) ? Refusal.None : Refusal.OutOfScope;
    }

    /// @dev A referral asks one grant more, and that one's parent: never further, for what was referred is not again.
    function _parentStands(
        address pseudonym,
        address reader,
        Purpose purpose,
        Grant memory granted
    ) private view returns (bool) {
        if (granted.by != REFERRED) return _parentLives(pseudonym, granted.by, granted.generation);

        Grant memory referrers = _slotAt(pseudonym, _referrerOf[pseudonym][reader][purpose], purpose).unpack();
        if (referrers.nonce != granted.generation || block.timestamp >= referrers.expiry) return false;

        return referrers.by == 0 || _parentLives(pseudonym, referrers.by, referrers.generation);
    }

    function _parentLives(address pseudonym, uint16 by, uint32 generation) private view returns (bool) {
        Parent memory parent = _parentOf[pseudonym][by];

        return parent.generation == generation && block.timestamp < parent.expiry;
    }

    function _slotAt(address pseudonym, address reader, Purpose purpose) private view returns (GrantSlot) {
        return _grantOf[pseudonym][reader][purpose];
    }

    /// @dev A referral takes no place of another's grant, nor one that the patient emptied: what she revoked, only she
    /// grants again.
    function _checkPlaceFor(Terms memory terms, address from, uint32 era) private view {
        Grant memory current = _slotAt(terms.pseudonym, terms.reader, terms.purpose).unpack();
        if (current.nonce == 0) return;
        bool same = current.by == REFERRED && _referrerOf[terms.pseudonym][terms.reader][terms.purpose] == from;
        bool taken = !same && _isLive(terms.pseudonym, terms.reader, terms.purpose, current, era);
        if (taken || current.scope.isEmpty()) revert Occupied(terms.reader, current.by);
    }

    function _isLive(
        address pseudonym,
        address reader,
        Purpose purpose,
        Grant memory current,
        uint32 era
    ) private view returns (bool) {
        if (current.scope.isEmpty() || current.era != era || block.timestamp >= current.expiry) return false;

        return current.by == 0 || _parentStands(pseudonym, reader, purpose, current);
    }

    /// @dev Clinicians refer, each on its own grant or on that of its member.
    function _checkReferrer(address from, Purpose purpose, address sender) private view {
        if (!purpose.exists() || !(purpose.roleOf() == CLINICIAN)) revert NoSuchPurpose(purpose);
        uint32 member = _consortium.standing(sender, CLINICIAN);
        if (member == 0 || (from != sender && from != address(uint160(member)))) revert NotTheReader(sender, from);
    }

    /// @dev What stands under a parent ends no later than the parent.
    function _generationFor(address pseudonym, uint16 by, uint40 expiry) private view returns (uint32) {
        if (by == 0) return 0;

        Parent memory parent = _parentOf[pseudonym][by];
        if (block.timestamp >= parent.expiry || expiry > parent.expiry) revert WrongParent(by, parent.expiry);

        return parent.generation;
    }

    function _checkNonce(address pseudonym, address reader, Purpose purpose, uint32 nonce) private view {
        uint32 current = _grantOf[pseudonym][reader][purpose].nonceOf();
        if (nonce != current) revert WrongNonce(nonce, current);
    }

    function _checkScope(Scope scope) private pure {
        if (ScopeWords.REFERRAL.includes(scope) || !ScopeWords.KNOWN.includes(scope)) {
            revert WrongScope(scope, ScopeWords.KNOWN);
        }
    }

    function _checkFullHour(uint40 time) private pure {
        if (time % 1 hours != 0) revert NotAFullHour(time);
    }
}
