// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ByPseudonym} from "../health/ByPseudonym.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IEpisodes} from "../interfaces/cover/IEpisodes.sol";
import {IEscrow} from "../interfaces/cover/IEscrow.sol";
import {IPolicies} from "../interfaces/cover/IPolicies.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {IRecords} from "../interfaces/health/IRecords.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {INSURER, PROVIDERS} from "../types/Roles.sol";

/// @title Episodes
/// @notice Payment by outcome: a price of which a part is withheld until another member has seen what came of it.
contract Episodes is IEpisodes, ByPseudonym {
    bytes32 private constant AGREEMENT_TYPEHASH = keccak256(
        "Agreement(bytes32 plan,address pseudonym,uint32 provider,address signer,uint32 assessor,uint64 price,uint64 withheld,uint40 ends,bytes32 document,uint32 era,uint40 deadline)"
    );
    bytes32 private constant OUTCOME_TYPEHASH = keccak256(
        "Outcome(bytes32 episode,bytes32 observation,uint16 achieved,address assessor,uint40 deadline)"
    );

    uint256 private constant AGREEMENT_WINDOW = 31 days;
    uint256 private constant OUTCOME_WINDOW = 7 days;
    uint256 private constant LONGEST = 400 days;
    uint256 private constant WHOLE = 10_000;

    IConsortium private immutable _consortium;
    IRecords private immutable _records;
    IPolicies private immutable _policies;
    IEscrow private immutable _escrow;

    mapping(bytes32 episode => Episode) private _episodeOf;
    mapping(bytes32 record => bool) private _isDelivered;

    constructor(
        IConsortium consortium,
        IKeys keys,
        IRecords records,
        IPolicies policies,
        IEscrow escrow
    ) EIP712("Theriac Episodes", "1") ByPseudonym(keys) {
        _consortium = consortium;
        _records = records;
        _policies = policies;
        _escrow = escrow;
    }

    /// @inheritdoc IEpisodes
    function episodeOf(bytes32 episode) external view returns (Episode memory) {
        return _episodeOf[episode];
    }

    /// @inheritdoc IEpisodes
    function idOf(Agreement calldata terms) public pure returns (bytes32 episode) {
        return keccak256(abi.encode(AGREEMENT_TYPEHASH, terms));
    }

    /// @inheritdoc IEpisodes
    function open(Agreement calldata terms, bytes calldata provider, bytes calldata patient) external {
        bytes32 id = idOf(terms);
        uint32 insurer = _checkInsurer(id, terms.plan);
        _checkAgreement(terms, id, insurer);
        _checkWindow(terms.deadline, AGREEMENT_WINDOW);
        _checkSigned(id, provider, terms.signer);
        _checkPatient(terms, id, patient);
        EpisodeStatus status = _episodeOf[id].status;
        if (status != EpisodeStatus.None) revert WrongStatus(id, status);

        _episodeOf[id] = Episode({
            status: EpisodeStatus.Open,
            provider: terms.provider,
            assessor: terms.assessor,
            opened: uint40(block.timestamp),
            ends: terms.ends,
            price: terms.price,
            withheld: terms.withheld,
            pseudonym: terms.pseudonym,
            plan: terms.plan
        });

        emit Opened(id, terms.plan, terms.pseudonym, terms.provider, terms.price);

        _escrow.hold(terms.plan, terms.price);
    }

    /// @inheritdoc IEpisodes
    function deliver(bytes32 episode, bytes32 evidence) external {
        Episode memory found = _episodeOf[episode];
        uint32 member = _memberOf(msg.sender);
        if (member != found.provider) revert NotAParty(episode, member);
        if (found.status != EpisodeStatus.Open) revert WrongStatus(episode, found.status);
        if (block.timestamp >= found.ends) revert TooLate(episode, found.ends);
        _checkEvidence(found, member, evidence);
        bytes32 record = keccak256(abi.encode(found.pseudonym, member, evidence));
        if (_isDelivered[record]) revert WrongEvidence(evidence);

        _isDelivered[record] = true;
        _episodeOf[episode].status = EpisodeStatus.Delivered;
        uint64 paid = found.price - found.withheld;

        emit Delivered(episode, evidence, paid);

        if (paid != 0) _escrow.release(found.plan, found.provider, paid);
    }

    /// @inheritdoc IEpisodes
    function assess(bytes32 episode, bytes32 observation, uint16 achieved) external {
        _assess(episode, observation, achieved, msg.sender);
    }

    /// @inheritdoc IEpisodes
    function assessBySig(Outcome calldata terms, bytes calldata signature) external {
        _checkWindow(terms.deadline, OUTCOME_WINDOW);
        _checkSigned(keccak256(abi.encode(OUTCOME_TYPEHASH, terms)), signature, terms.assessor);

        _assess(terms.episode, terms.observation, terms.achieved, terms.assessor);
    }

    /// @inheritdoc IEpisodes
    function expire(bytes32 episode) external {
        Episode memory found = _episodeOf[episode];
        bool lasts = found.status == EpisodeStatus.Open || found.status == EpisodeStatus.Delivered;
        if (!lasts) revert WrongStatus(episode, found.status);
        if (block.timestamp < found.ends) revert TooEarly(episode, found.ends);

        _episodeOf[episode].status = EpisodeStatus.Expired;
        uint64 returned = found.status == EpisodeStatus.Open ? found.price : found.withheld;

        emit Expired(episode, returned);

        if (returned != 0) _escrow.release(found.plan, 0, returned);
    }

    /// @dev The provider's own part is delivered first: an outcome of nothing is none.
    function _assess(bytes32 episode, bytes32 observation, uint16 achieved, address account) private {
        Episode memory found = _episodeOf[episode];
        uint32 member = _memberOf(account);
        if (member != found.assessor) revert NotAParty(episode, member);
        if (found.status != EpisodeStatus.Delivered) revert WrongStatus(episode, found.status);
        if (block.timestamp >= found.ends) revert TooLate(episode, found.ends);
        if (achieved > WHOLE) revert WrongShare(achieved);
        _checkEvidence(found, member, observation);

        _episodeOf[episode].status = EpisodeStatus.Settled;
        uint64 released = uint64((uint256(found.withheld) * achieved) / WHOLE);
        uint64 returned = found.withheld - released;

        emit Assessed(episode, observation, achieved, released, returned);

        if (released != 0) _escrow.release(found.plan, found.provider, released);
        if (returned != 0) _escrow.release(found.plan, 0, returned);
    }

    function _checkInsurer(bytes32 id, bytes32 plan) private view returns (uint32 insurer) {
        (, , insurer) = _policies.moneyOf(plan);
        uint32 member = _consortium.standing(msg.sender, INSURER);
        if (member == 0) revert NoStanding(msg.sender);
        if (member != insurer) revert NotAParty(id, member);
    }

    function _checkAgreement(Agreement calldata terms, bytes32 id, uint32 insurer) private view {
        uint32 provider = _memberOf(terms.signer);
        bool isRight = provider == terms.provider && terms.price != 0 && terms.withheld <= terms.price;
        isRight = isRight && terms.assessor != 0 && terms.assessor != provider && terms.assessor != insurer;
        isRight = isRight && terms.ends > block.timestamp && terms.ends <= block.timestamp + LONGEST;
        if (!isRight || terms.document == 0) revert WrongAgreement(id);
        IPolicies.Policy memory policy = _policies.policyOf(terms.plan, terms.pseudonym);
        if (block.timestamp >= policy.until) revert NotCovered(terms.plan, terms.pseudonym);
    }

    function _checkPatient(Agreement calldata terms, bytes32 id, bytes calldata signature) private view {
        IKeys.Authority memory authority = _keys.authorityOf(terms.pseudonym);
        if (terms.era != authority.era) revert IKeys.WrongEra(terms.era, authority.era);
        if (authority.frozen) revert IKeys.Frozen(terms.pseudonym);
        _checkSigned(id, signature, authority.controller);
    }

    function _checkSigned(bytes32 hash, bytes calldata signature, address signer) private view {
        if (!Signatures.isSignedBy(_hashTypedDataV4(hash), signature, signer)) revert WrongSignature(signer);
    }

    function _checkWindow(uint40 deadline, uint256 window) private view {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        uint256 latest = block.timestamp + window;
        if (deadline > latest) revert DeadlineTooFar(deadline, latest);
    }

    /// @dev Written by the member itself since the episode was opened: nothing from before counts for it.
    function _checkEvidence(Episode memory found, uint32 member, bytes32 evidence) private view {
        IRecords.Record memory record = _records.recordOf(found.pseudonym, member, evidence);
        bool counts = record.status == IRecords.RecordStatus.Current && record.time >= found.opened;
        if (!counts) revert WrongEvidence(evidence);
    }

    function _memberOf(address account) private view returns (uint32 member) {
        member = _consortium.standing(account, PROVIDERS);
        if (member == 0) revert NoStanding(account);
    }
}
