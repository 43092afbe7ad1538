// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Claim} from "../../types/Claim.sol";
import {Reasons} from "../../types/Reasons.sol";
import {IClaims} from "./IClaims.sol";

/// @title IAppeals
/// @notice What was said against a decision: by the patient or the provider, who appeal, or by the insurer, which refutes.
/// @dev A pack that is not what the line prescribed cannot be seen on the chain, and opening it there would name a batch's
/// product and so every claim on it. So the openings are sealed to the arbiter, and the chain has its word alone.
interface IAppeals {
    /// @notice Where an appeal stands.
    enum AppealStatus {
        None,
        Open,
        Dismissed,
        Granted,
        Closed
    }

    /// @notice Where a refutation stands.
    enum RefutationStatus {
        None,
        Open,
        Upheld,
        Rejected
    }

    /// @notice An appeal; one slot.
    /// @param status Where it stands.
    /// @param time When it came there.
    struct AppealState {
        AppealStatus status;
        uint40 time;
    }

    /// @notice A refutation.
    /// @param status Where it stands.
    /// @param time When it came there.
    /// @param openings The digest of what was sealed to the arbiter.
    struct Refutation {
        RefutationStatus status;
        uint40 time;
        bytes32 openings;
    }

    /// @notice What a patient signs to appeal.
    /// @param pseudonym The policy year's pseudonym.
    /// @param claim The claim's number.
    /// @param document The digest of the sealed reasons.
    /// @param era The pseudonym's era.
    /// @param deadline The last second at which the signature counts, at most an hour ahead.
    struct Appeal {
        address pseudonym;
        bytes32 claim;
        bytes32 document;
        uint32 era;
        uint40 deadline;
    }

    /// @notice What an arbiter signs.
    /// @param claim The claim's number.
    /// @param openings The digest of what it has read.
    /// @param forInsurer Whether the insurer is right.
    /// @param arbiter The account that signs, of the plan's arbiter.
    /// @param deadline The last second at which the signature counts, at most seven days ahead.
    struct Ruling {
        bytes32 claim;
        bytes32 openings;
        bool forInsurer;
        address arbiter;
        uint40 deadline;
    }

    /// @notice Somebody appealed: the provider's member, or where that is zero the patient.
    event Appealed(bytes32 indexed claim, uint32 indexed member, bytes32 document);

    /// @notice An appeal was answered by an account of a member.
    event Answered(bytes32 indexed claim, uint32 indexed member, bool granted, bytes32 document);

    /// @notice The insurer refuted a claim.
    event Refuted(bytes32 indexed claim, uint32 indexed insurer, uint16 ground, bytes32 openings);

    /// @notice The arbiter ruled; or did not in time, and the provider is right, where the account is zero.
    event RefutationEnded(bytes32 indexed claim, address indexed arbiter, bool forInsurer);

    /// @notice The account holds no such role for a member in standing.
    error NoStanding(address account);

    /// @notice Neither the claim's provider nor its patient, or not the plan's insurer or arbiter at that time.
    error NotAParty(bytes32 claim, uint32 member);

    /// @notice The account reviewed this claim itself.
    error SameReviewer(address account);

    /// @notice The appeal's status does not allow this.
    error WrongStatus(bytes32 claim, AppealStatus status);

    /// @notice The refutation's status does not allow this.
    error WrongRefutation(bytes32 claim, RefutationStatus status);

    /// @notice The claim is not decided, or nothing was paid for it.
    error NotDecided(bytes32 claim);

    /// @notice It is too late.
    error TooLate(bytes32 claim, uint256 latest);

    /// @notice The time has not passed yet.
    error TooEarly(bytes32 claim, uint256 earliest);

    /// @notice A document is needed, or the one that is named is another.
    error WrongDocument(bytes32 document);

    /// @notice The signature is of another claim.
    error WrongClaim(bytes32 claim, bytes32 shown);

    /// @notice The signature's deadline has passed.
    error SignatureExpired(uint40 deadline);

    /// @notice The deadline is further ahead than this message may reach.
    error DeadlineTooFar(uint40 deadline, uint256 latest);

    /// @notice The signature is not that of the account it names.
    error WrongSignature(address signer);

    /// @notice The appeal against a claim's decision.
    function appealOf(bytes32 claim) external view returns (AppealState memory);

    /// @notice The refutation of a claim.
    function refutationOf(bytes32 claim) external view returns (Refutation memory);

    /// @notice Appeals. The claim's provider, or the pseudonym's controller.
    function appeal(Claim calldata claim, bytes32 document) external;

    /// @notice Appeals by the controller's signature; anyone may carry it.
    function appealBySig(Claim calldata claim, Appeal calldata terms, bytes calldata signature) external;

    /// @notice Answers an appeal: the plan's insurer, by another account than reviewed it; its arbiter where the insurer
    /// did not in time, or dismissed it.
    /// @param waived What is set aside, for each line; all zero where it is dismissed.
    function answer(
        IClaims.Settled calldata settled,
        Reasons[] calldata waived,
        bool granted,
        bytes32 document
    ) external;

    /// @notice Refutes a claim: what was paid is withheld until the arbiter rules. Only the plan's insurer.
    /// @param ground A code of docs/protocol/cover.md.
    /// @param openings The digest of what is sealed to the arbiter.
    function refute(IClaims.Settled calldata settled, uint16 ground, bytes32 openings) external;

    /// @notice Rules about a refuted claim. Only the plan's arbiter.
    function rule(IClaims.Settled calldata settled, bytes32 openings, bool forInsurer) external;

    /// @notice Rules by the signature of an account of the plan's arbiter; anyone may carry it.
    function ruleBySig(IClaims.Settled calldata settled, Ruling calldata terms, bytes calldata signature) external;

    /// @notice Ends a refutation that no arbiter ruled on in time, for the provider. Anyone.
    function lapse(IClaims.Settled calldata settled) external;
}
