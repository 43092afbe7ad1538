// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IGrants} from "../interfaces/health/IGrants.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {Purposes} from "../libraries/Purposes.sol";
import {ScopeWords} from "../libraries/ScopeWords.sol";
import {GrantSlot, pack} from "../types/GrantSlot.sol";
import {Purpose} from "../types/Purpose.sol";
import {Roles} from "../types/Roles.sol";
import {Scope} from "../types/Scope.sol";
import {ByPseudonym} from "./ByPseudonym.sol";

/// @title Grants
/// @notice Who may read which classes of a pseudonym's records, for which purpose and in which window.
contract Grants is IGrants, ByPseudonym {
    using Purposes for Purpose;

    bytes32 private constant GRANT_TYPEHASH = keccak256(
        "Grant(address pseudonym,address reader,string purpose,string[] classes,uint40 start,uint40 expiry,uint16 by,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant NARROW_TYPEHASH = keccak256(
        "Narrow(address pseudonym,address reader,string purpose,string[] classes,uint40 expiry,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant REVOKE_TYPEHASH = keccak256(
        "Revoke(address pseudonym,address reader,string purpose,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant SET_PARENT_TYPEHASH = keccak256(
        "SetParent(address pseudonym,uint16 by,address holder,uint40 expiry,uint32 generation,uint32 era,uint40 deadline)"
    );

    /// @dev A signed Grant as EIP-712 encodes it: one word a field, so that the struct in memory is what is hashed.
    struct GrantWords {
        bytes32 typeHash;
        address pseudonym;
        address reader;
        bytes32 purpose;
        bytes32 classes;
        uint40 start;
        uint40 expiry;
        uint16 by;
        uint32 nonce;
        uint32 era;
        uint40 deadline;
    }

    /// @dev The fields of a signed Narrow, its words hashed, in the order of its type.
    struct NarrowWords {
        address pseudonym;
        address reader;
        bytes32 purpose;
        bytes32 classes;
        uint40 expiry;
        Freshness freshness;
    }

    IConsortium private immutable _consortium;

    mapping(address pseudonym => mapping(address reader => mapping(Purpose purpose => GrantSlot))) private _grantOf;
    mapping(address pseudonym => mapping(uint16 by => Parent)) private _parentOf;

    constructor(IConsortium consortium, IKeys keys) EIP712("Theriac Grants", "1") ByPseudonym(keys) {
        _consortium = consortium;
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
        bytes32 hash = _hashGrant(terms, freshness);
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
        bytes32 hash = _hashNarrow(terms, freshness);
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
        bytes32 hash = keccak256(abi.encode(REVOKE_TYPEHASH, pseudonym, reader, purpose.hashOf(), freshness));
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
        if (by == 0) revert WrongParent(by, expiry);
        if (expiry != 0 && expiry <= block.timestamp) revert WrongParent(by, expiry);

        uint32 generation = _parentOf[pseudonym][by].generation + 1;
        _parentOf[pseudonym][by] = Parent(holder, generation, expiry);

        emit ParentSet(pseudonym, by, holder, generation, expiry);
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
        if (granted.by != 0) {
            Parent memory parent = _parentOf[pseudonym][granted.by];
            if (parent.generation != granted.generation || block.timestamp >= parent.expiry) {
                return Refusal.ParentEnded;
            }
        }
        if (block.timestamp < granted.start) return Refusal.NotStarted;
        if (block.timestamp >= granted.expiry) return Refusal.Expired;

        return granted.scope.includes(scope) ? Refusal.None : Refusal.OutOfScope;
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
        if (scope.isEmpty() || !ScopeWords.KNOWN.includes(scope)) revert WrongScope(scope, ScopeWords.KNOWN);
    }

    function _checkFullHour(uint40 time) private pure {
        if (time % 1 hours != 0) revert NotAFullHour(time);
    }

    function _hashGrant(Terms memory terms, Freshness calldata freshness) private pure returns (bytes32 hash) {
        GrantWords memory words = GrantWords(
            GRANT_TYPEHASH,
            terms.pseudonym,
            terms.reader,
            terms.purpose.hashOf(),
            ScopeWords.hashOf(terms.scope),
            terms.start,
            terms.expiry,
            terms.by,
            freshness.nonce,
            freshness.era,
            freshness.deadline
        );
        assembly ("memory-safe") {
            hash := keccak256(words, 0x160)
        }
    }

    function _hashNarrow(Terms calldata terms, Freshness calldata freshness) private pure returns (bytes32) {
        NarrowWords memory words = NarrowWords(
            terms.pseudonym,
            terms.reader,
            terms.purpose.hashOf(),
            ScopeWords.hashOf(terms.scope),
            terms.expiry,
            freshness
        );
        return keccak256(abi.encode(NARROW_TYPEHASH, words));
    }
}
