// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IDelegations} from "../interfaces/health/IDelegations.sol";
import {IGrants} from "../interfaces/health/IGrants.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {GrantHashes} from "../libraries/GrantHashes.sol";
import {Purposes} from "../libraries/Purposes.sol";
import {Quorums} from "../libraries/Quorums.sol";
import {ScopeWords} from "../libraries/ScopeWords.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Windows} from "../libraries/Windows.sol";
import {Purpose} from "../types/Purpose.sol";
import {Scope} from "../types/Scope.sol";
import {ByPseudonym} from "./ByPseudonym.sol";

/// @title Delegations
/// @notice Who may grant for a pseudonym besides its controller, and what they grant, narrow and end.
contract Delegations is IDelegations, ByPseudonym {
    using Purposes for Purpose;

    bytes32 private constant APPOINT_TYPEHASH = keccak256(
        "Appoint(address pseudonym,uint16 by,address holder,string[] purposes,string[] classes,uint8 threshold,uint40 expiry,uint32 generation,uint32 era,uint40 deadline)"
    );

    /// @dev The fields of a signed Appoint, its words hashed, in the order of its type.
    struct AppointWords {
        address pseudonym;
        uint16 by;
        address holder;
        bytes32 purposes;
        bytes32 classes;
        uint8 threshold;
        uint40 expiry;
        IGrants.Freshness freshness;
    }

    IGrants private immutable _grants;

    mapping(address pseudonym => mapping(uint16 by => Mandate)) private _mandateOf;

    constructor(IGrants grants, IKeys keys) EIP712("Theriac Delegations", "1") ByPseudonym(keys) {
        _grants = grants;
    }

    /// @inheritdoc IDelegations
    function mandateOf(address pseudonym, uint16 by) external view returns (Mandate memory) {
        return _mandateOf[pseudonym][by];
    }

    /// @inheritdoc IDelegations
    function appoint(Appointment calldata terms) external {
        uint32 era = _checkFreeController(terms.pseudonym, msg.sender);

        _appoint(terms, era);
    }

    /// @inheritdoc IDelegations
    function appointBySig(
        Appointment calldata terms,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external {
        bytes32 hash = _hashAppoint(terms, freshness);
        _checkFreeSignature(terms.pseudonym, freshness.era, freshness.deadline, hash, signature);
        _checkNonce(freshness.nonce, _grants.parentOf(terms.pseudonym, terms.by).generation);

        _appoint(terms, freshness.era);
    }

    /// @inheritdoc IDelegations
    function grant(IGrants.Terms calldata terms) external {
        (uint32 era, Mandate memory mandate) = _asSender(terms.pseudonym, terms.by, false);

        _grant(terms, era, mandate);
    }

    /// @inheritdoc IDelegations
    function grantBySig(
        IGrants.Terms calldata terms,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external {
        bytes32 hash = GrantHashes.ofGrant(terms, freshness);
        Mandate memory mandate = _asSigner(terms.pseudonym, terms.by, freshness, hash, signature, false);
        _checkNonce(freshness.nonce, _grants.grantOf(terms.pseudonym, terms.reader, terms.purpose).nonce);

        _grant(terms, freshness.era, mandate);
    }

    /// @inheritdoc IDelegations
    function narrow(address pseudonym, address reader, Purpose purpose, Scope scope, uint40 expiry) external {
        IGrants.Grant memory current = _grants.grantOf(pseudonym, reader, purpose);
        (uint32 era, ) = _asSender(pseudonym, current.by, false);

        _grants.narrowFor(IGrants.Terms(pseudonym, reader, purpose, scope, 0, expiry, 0), era);
    }

    /// @inheritdoc IDelegations
    function narrowBySig(
        IGrants.Terms calldata terms,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external {
        if (terms.start != 0) revert IGrants.NotAFullHour(terms.start);
        if (terms.by != 0) revert IGrants.WrongParent(terms.by, terms.expiry);
        IGrants.Grant memory current = _grants.grantOf(terms.pseudonym, terms.reader, terms.purpose);
        bytes32 hash = GrantHashes.ofNarrow(terms, freshness);
        _asSigner(terms.pseudonym, current.by, freshness, hash, signature, false);
        _checkNonce(freshness.nonce, current.nonce);

        _grants.narrowFor(terms, freshness.era);
    }

    /// @inheritdoc IDelegations
    function revoke(address pseudonym, address reader, Purpose purpose) external {
        _asSender(pseudonym, _grants.grantOf(pseudonym, reader, purpose).by, true);

        _grants.revokeFor(pseudonym, reader, purpose);
    }

    /// @inheritdoc IDelegations
    function revokeBySig(
        address pseudonym,
        address reader,
        Purpose purpose,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external {
        IGrants.Grant memory current = _grants.grantOf(pseudonym, reader, purpose);
        bytes32 hash = GrantHashes.ofRevoke(pseudonym, reader, purpose, freshness);
        _asSigner(pseudonym, current.by, freshness, hash, signature, true);
        _checkNonce(freshness.nonce, current.nonce);

        _grants.revokeFor(pseudonym, reader, purpose);
    }

    function _appoint(Appointment calldata terms, uint32 era) private {
        if (terms.holder == address(0) || terms.expiry == 0) revert WrongHolder(terms.holder, terms.expiry);
        if (!Purposes.areKnown(terms.purposes)) revert NoSuchPurposes(terms.purposes);
        if (terms.scope.isEmpty() || !ScopeWords.CLASSES.includes(terms.scope)) {
            revert IGrants.WrongScope(terms.scope, ScopeWords.CLASSES);
        }

        uint32 generation = _grants.setParentFor(terms.pseudonym, terms.by, terms.holder, terms.expiry);
        _mandateOf[terms.pseudonym][terms.by] = Mandate(terms.scope, terms.purposes, terms.threshold, generation, era);

        emit MandateSet(terms.pseudonym, terms.by, terms.scope, terms.purposes, terms.threshold);
    }

    function _grant(IGrants.Terms calldata terms, uint32 era, Mandate memory mandate) private {
        if (!mandate.scope.includes(terms.scope) || !terms.purpose.isIn(mandate.purposes)) {
            revert BeyondMandate(terms.scope, mandate.scope, terms.purpose, mandate.purposes);
        }

        _grants.grantFor(terms, era);
    }

    /// @dev The sender is the delegate that lives at this number. While a recovery is pending it may revoke.
    function _asSender(
        address pseudonym,
        uint16 by,
        bool whileFrozen
    ) private view returns (uint32 era, Mandate memory mandate) {
        IKeys.Authority memory authority = _keys.authorityOf(pseudonym);
        address holder;
        (mandate, holder) = _mandateIn(pseudonym, by, authority.era);
        if (mandate.threshold != 0 || msg.sender != holder) revert NotTheDelegate(msg.sender, holder);
        if (authority.frozen && !whileFrozen) revert IKeys.Frozen(pseudonym);

        return (authority.era, mandate);
    }

    /// @dev As above for who signed: a delegate, or a quorum by its proof.
    function _asSigner(
        address pseudonym,
        uint16 by,
        IGrants.Freshness calldata freshness,
        bytes32 structHash,
        bytes calldata signature,
        bool whileFrozen
    ) private view returns (Mandate memory mandate) {
        Windows.check(freshness.deadline);
        IKeys.Authority memory authority = _keys.authorityOf(pseudonym);
        if (freshness.era != authority.era) revert IKeys.WrongEra(freshness.era, authority.era);
        address holder;
        (mandate, holder) = _mandateIn(pseudonym, by, authority.era);
        bytes32 hash = _hashTypedDataV4(structHash);
        bool signed =
            mandate.threshold == 0
                ? Signatures.isSignedBy(hash, signature, holder)
                : Quorums.isSignedBy(hash, signature, pseudonym, holder, mandate.threshold);
        if (!signed) revert IKeys.WrongSignature(holder);
        if (authority.frozen && !whileFrozen) revert IKeys.Frozen(pseudonym);
    }

    /// @dev The mandate that lives at a number in this era; nobody's where none does, which no sender or signer is.
    function _mandateIn(
        address pseudonym,
        uint16 by,
        uint32 era
    ) private view returns (Mandate memory mandate, address holder) {
        Mandate memory kept = _mandateOf[pseudonym][by];
        IGrants.Parent memory parent = _grants.parentOf(pseudonym, by);
        bool lives = kept.generation == parent.generation && block.timestamp < parent.expiry;
        if (!lives || kept.era != era) return (mandate, address(0));

        return (kept, parent.holder);
    }

    function _checkNonce(uint32 nonce, uint32 current) private pure {
        if (nonce != current) revert IGrants.WrongNonce(nonce, current);
    }

    function _hashAppoint(
        Appointment calldata terms,
        IGrants.Freshness calldata freshness
    ) private pure returns (bytes32) {
        AppointWords memory words = AppointWords(
            terms.pseudonym,
            terms.by,
            terms.holder,
            Purposes.hashOf(terms.purposes),
            ScopeWords.hashOf(terms.scope),
            terms.threshold,
            terms.expiry,
            freshness
        );
        return keccak256(abi.encode(APPOINT_TYPEHASH, words));
    }
}
