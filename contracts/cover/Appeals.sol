// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ByPseudonym} from "../health/ByPseudonym.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IAppeals} from "../interfaces/cover/IAppeals.sol";
import {IClaims} from "../interfaces/cover/IClaims.sol";
import {IPolicies} from "../interfaces/cover/IPolicies.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Claim} from "../types/Claim.sol";
import {Reasons} from "../types/Reasons.sol";
import {AUDITOR, INSURER, PROVIDERS, REGULATOR, Roles} from "../types/Roles.sol";

/// @title Appeals
/// @notice What was said against a decision: by the patient or the provider, who appeal, or by the insurer, which refutes.
contract Appeals is IAppeals, ByPseudonym {
    bytes32 private constant APPEAL_TYPEHASH = keccak256(
        "Appeal(address pseudonym,bytes32 claim,bytes32 document,uint32 era,uint40 deadline)"
    );
    bytes32 private constant RULING_TYPEHASH = keccak256(
        "Ruling(bytes32 claim,bytes32 openings,bool forInsurer,address arbiter,uint40 deadline)"
    );

    /// @dev Who may rule for a member that is an arbiter.
    Roles private constant ARBITERS = Roles.wrap(Roles.unwrap(AUDITOR) | Roles.unwrap(REGULATOR));

    uint256 private constant RULING_WINDOW = 7 days;

    IConsortium private immutable _consortium;
    IPolicies private immutable _policies;
    IClaims private immutable _claims;

    mapping(bytes32 claim => AppealState) private _appealOf;
    mapping(bytes32 claim => Refutation) private _refutationOf;

    constructor(
        IConsortium consortium,
        IKeys keys,
        IPolicies policies,
        IClaims claims
    ) EIP712("Theriac Appeals", "1") ByPseudonym(keys) {
        _consortium = consortium;
        _policies = policies;
        _claims = claims;
    }

    /// @inheritdoc IAppeals
    function appealOf(bytes32 claim) external view returns (AppealState memory) {
        return _appealOf[claim];
    }

    /// @inheritdoc IAppeals
    function refutationOf(bytes32 claim) external view returns (Refutation memory) {
        return _refutationOf[claim];
    }

    /// @inheritdoc IAppeals
    function appeal(Claim calldata claim, bytes32 document) external {
        bytes32 id = _claims.idOf(claim);
        IKeys.Authority memory authority = _keys.authorityOf(claim.pseudonym);
        uint32 member = 0;
        if (msg.sender == authority.controller) {
            if (authority.frozen) revert IKeys.Frozen(claim.pseudonym);
        } else {
            member = _memberOf(msg.sender, PROVIDERS);
            if (member != claim.provider) revert NotAParty(id, member);
        }

        _appeal(id, claim.plan, document, member);
    }

    /// @inheritdoc IAppeals
    function appealBySig(Claim calldata claim, Appeal calldata terms, bytes calldata signature) external {
        bytes32 id = _claims.idOf(claim);
        if (terms.claim != id || terms.pseudonym != claim.pseudonym) revert WrongClaim(terms.claim, id);
        bytes32 hash = keccak256(abi.encode(APPEAL_TYPEHASH, terms));
        _checkFreeSignature(terms.pseudonym, terms.era, terms.deadline, hash, signature);

        _appeal(id, claim.plan, terms.document, 0);
    }

    /// @inheritdoc IAppeals
    function answer(
        IClaims.Settled calldata settled,
        Reasons[] calldata waived,
        bool granted,
        bytes32 document
    ) external {
        bytes32 id = _claims.idOf(settled.claim);
        if (document == 0) revert WrongDocument(document);
        uint32 member = _answererOf(id, settled.claim.plan);
        bool isFinal = granted || member != _insurerOf(settled.claim.plan);

        AppealStatus status = isFinal ? AppealStatus.Closed : AppealStatus.Dismissed;
        if (granted) status = AppealStatus.Granted;
        _appealOf[id] = AppealState(status, uint40(block.timestamp));

        emit Answered(id, member, granted, document);

        if (granted) _claims.redecide(settled, waived);
    }

    /// @inheritdoc IAppeals
    function refute(IClaims.Settled calldata settled, uint16 ground, bytes32 openings) external {
        bytes32 id = _claims.idOf(settled.claim);
        uint32 member = _memberOf(msg.sender, INSURER);
        (, uint32 insurer, , uint16 refuteDays, , ) = _policies.disputesOf(settled.claim.plan);
        if (member != insurer) revert NotAParty(id, member);
        if (openings == 0) revert WrongDocument(openings);
        RefutationStatus status = _refutationOf[id].status;
        if (status != RefutationStatus.None) revert WrongRefutation(id, status);
        IClaims.State memory state = _decided(id);
        if (state.paid == 0) revert NotDecided(id);
        _checkWithin(id, state.decided, refuteDays);

        _refutationOf[id] = Refutation(RefutationStatus.Open, uint40(block.timestamp), openings);

        emit Refuted(id, insurer, ground, openings);

        _claims.withhold(settled);
    }

    /// @inheritdoc IAppeals
    function rule(IClaims.Settled calldata settled, bytes32 openings, bool forInsurer) external {
        _rule(settled, openings, forInsurer, msg.sender);
    }

    /// @inheritdoc IAppeals
    function ruleBySig(IClaims.Settled calldata settled, Ruling calldata terms, bytes calldata signature) external {
        bytes32 id = _claims.idOf(settled.claim);
        if (terms.claim != id) revert WrongClaim(terms.claim, id);
        if (block.timestamp > terms.deadline) revert SignatureExpired(terms.deadline);
        uint256 latest = block.timestamp + RULING_WINDOW;
        if (terms.deadline > latest) revert DeadlineTooFar(terms.deadline, latest);
        bytes32 hash = _hashTypedDataV4(keccak256(abi.encode(RULING_TYPEHASH, terms)));
        if (!Signatures.isSignedBy(hash, signature, terms.arbiter)) revert WrongSignature(terms.arbiter);

        _rule(settled, terms.openings, terms.forInsurer, terms.arbiter);
    }

    /// @inheritdoc IAppeals
    function lapse(IClaims.Settled calldata settled) external {
        bytes32 id = _claims.idOf(settled.claim);
        Refutation memory refutation = _open(id);
        (, , , , uint16 appealDays, ) = _policies.disputesOf(settled.claim.plan);
        uint256 latest = refutation.time + uint256(appealDays) * 1 days;
        if (block.timestamp <= latest) revert TooEarly(id, latest + 1);

        _conclude(settled, id, false, address(0));
    }

    function _appeal(bytes32 id, bytes32 plan, bytes32 document, uint32 member) private {
        if (document == 0) revert WrongDocument(document);
        AppealStatus status = _appealOf[id].status;
        if (status != AppealStatus.None) revert WrongStatus(id, status);
        IClaims.State memory state = _decided(id);
        (, , , , uint16 appealDays, ) = _policies.disputesOf(plan);
        _checkWithin(id, state.decided, appealDays);

        _appealOf[id] = AppealState(AppealStatus.Open, uint40(block.timestamp));

        emit Appealed(id, member, document);
    }

    function _rule(IClaims.Settled calldata settled, bytes32 openings, bool forInsurer, address account) private {
        bytes32 id = _claims.idOf(settled.claim);
        uint32 member = _memberOf(account, ARBITERS);
        (, , uint32 arbiter, , uint16 appealDays, ) = _policies.disputesOf(settled.claim.plan);
        if (member != arbiter || member == settled.claim.provider) revert NotAParty(id, member);
        Refutation memory refutation = _open(id);
        if (openings != refutation.openings) revert WrongDocument(openings);
        _checkWithin(id, refutation.time, appealDays);

        _conclude(settled, id, forInsurer, account);
    }

    function _conclude(IClaims.Settled calldata settled, bytes32 id, bool forInsurer, address account) private {
        _refutationOf[id].status = forInsurer ? RefutationStatus.Upheld : RefutationStatus.Rejected;
        _refutationOf[id].time = uint40(block.timestamp);

        emit RefutationEnded(id, account, forInsurer);

        _claims.conclude(settled, forInsurer);
    }

    /// @dev In time the insurer, by an account that has not decided on it before; then the arbiter, which is not a party.
    function _answererOf(bytes32 id, bytes32 plan) private view returns (uint32 member) {
        AppealState memory state = _appealOf[id];
        (, uint32 insurer, uint32 arbiter, , uint16 appealDays, ) = _policies.disputesOf(plan);
        bool inTime = block.timestamp <= state.time + uint256(appealDays) * 1 days;
        bool isInsurers = state.status == AppealStatus.Open && inTime;
        bool isArbiters =
            state.status == AppealStatus.Dismissed ? inTime : state.status == AppealStatus.Open && !inTime;
        if (!isInsurers && !isArbiters) revert WrongStatus(id, state.status);

        member = _memberOf(msg.sender, isInsurers ? INSURER : ARBITERS);
        if (member != (isInsurers ? insurer : arbiter)) revert NotAParty(id, member);
        if (!isInsurers && member == _claims.stateOf(id).provider) revert NotAParty(id, member);
        if (_claims.reviewerOf(id) == msg.sender) revert SameReviewer(msg.sender);
    }

    function _open(bytes32 id) private view returns (Refutation memory refutation) {
        refutation = _refutationOf[id];
        if (refutation.status != RefutationStatus.Open) revert WrongRefutation(id, refutation.status);
    }

    function _decided(bytes32 id) private view returns (IClaims.State memory state) {
        state = _claims.stateOf(id);
        if (state.status != IClaims.ClaimStatus.Decided) revert NotDecided(id);
    }

    function _insurerOf(bytes32 plan) private view returns (uint32 insurer) {
        (, insurer, , , , ) = _policies.disputesOf(plan);
    }

    function _checkWithin(bytes32 id, uint256 since, uint256 days_) private view {
        uint256 latest = since + days_ * 1 days;
        if (block.timestamp > latest) revert TooLate(id, latest);
    }

    function _memberOf(address account, Roles roles) private view returns (uint32 member) {
        member = _consortium.standing(account, roles);
        if (member == 0) revert NoStanding(account);
    }
}
