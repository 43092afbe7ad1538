// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Claim} from "../../types/Claim.sol";
import {Reasons} from "../../types/Reasons.sol";
import {IPrescriptions} from "../medicine/IPrescriptions.sol";
import {IAdjudicator} from "./IAdjudicator.sol";
import {IBenefits} from "./IBenefits.sol";
import {IRules} from "./IRules.sol";

/// @title IClaims
/// @notice What providers claim from insurers, decided in the transaction that submits it.
/// @dev A claim's content is the EIP-712 hash of what the patient consented to; its number is the hash of plan and content,
/// so a consent counts once. Only what a plan's schedule says is used, and only what stands on the chain is evidence.
interface IClaims is IAdjudicator {
    /// @notice Where a claim stands.
    enum ClaimStatus {
        None,
        Pended,
        Decided,
        Disputed,
        Reversed
    }

    /// @notice A pack that is dispensed, and the line that is filled with it.
    /// @param batch The pack's batch.
    /// @param index Its place.
    /// @param pack Its commitment.
    /// @param siblings The nodes beside its path, lowest first.
    /// @param take The bearer's word that the pharmacy may have the line.
    /// @param word The signature of that word; empty where the pharmacy holds the line.
    /// @param filling The line and what is given.
    struct Goods {
        bytes32 batch;
        uint32 index;
        bytes32 pack;
        bytes32[20] siblings;
        IPrescriptions.Take take;
        bytes word;
        IPrescriptions.Filling filling;
    }

    /// @notice A claim as it was decided; the chain keeps its hash.
    /// @param claim The claim.
    /// @param batch The pack's batch; zero for services.
    /// @param index The pack's place.
    /// @param benefits The rows it was decided by.
    /// @param outcomes What was decided about the lines.
    struct Settled {
        Claim claim;
        bytes32 batch;
        uint32 index;
        IRules.Benefit[] benefits;
        IRules.Outcome[] outcomes;
    }

    /// @notice What is known of a claim; two slots.
    /// @param status Where it stands.
    /// @param missing What it waits for.
    /// @param marks What is special about it: 1 a later payer has decided on it too, 2 it is for goods, 4 a reviewer agreed
    /// to it, or an appeal was granted, 8 a reviewer refused it.
    /// @param provider The member that claims.
    /// @param time When it was submitted first.
    /// @param decided When it was decided last.
    /// @param paid What the insurer paid.
    /// @param share What the patient owes still.
    /// @param facts The hash of the claim as it was decided.
    struct State {
        ClaimStatus status;
        IBenefits.Missing missing;
        uint8 marks;
        uint32 provider;
        uint32 time;
        uint32 decided;
        uint64 paid;
        uint64 share;
        bytes32 facts;
    }

    /// @notice A claim was submitted; the batch is zero for services.
    event Submitted(
        bytes32 indexed claim,
        bytes32 indexed plan,
        address indexed pseudonym,
        uint32 provider,
        bytes32 evidence,
        bytes32 primary,
        bytes32 batch,
        uint32 index
    );

    /// @notice The patient consented to a claim by a transaction.
    event Consented(bytes32 indexed claim, bytes32 indexed plan, address indexed pseudonym);

    /// @notice A claim waits for something.
    event ClaimPended(bytes32 indexed claim, IBenefits.Missing missing);

    /// @notice A claim was decided.
    event Decided(bytes32 indexed claim, uint64 paid, uint64 share);

    /// @notice An insurer's reviewer decided about what the schedule leaves to one.
    event Reviewed(bytes32 indexed claim, address indexed reviewer, bool agreed);

    /// @notice A claim was reversed, by its provider, or since an arbiter ruled so.
    event Reversed(bytes32 indexed claim, uint64 paid);

    /// @notice The insurer refuted a claim.
    event Withheld(bytes32 indexed claim, uint64 paid);

    /// @notice An arbiter ruled about a refuted claim, for the insurer or for the provider.
    event Ruled(bytes32 indexed claim, bool forInsurer);

    /// @notice The patient's share could not be taken back from the provider after a ruling.
    event ShareKept(bytes32 indexed claim);

    /// @notice The provider says that it got the patient's share.
    event ShareReceived(bytes32 indexed claim, uint64 amount);

    /// @notice The account holds no such role for a member in standing.
    error NoStanding(address account);

    /// @notice Another member claims.
    error NotTheProvider(uint32 member, uint32 provider);

    /// @notice Another member is the plan's insurer.
    error NotTheInsurer(uint32 member, uint32 insurer);

    /// @notice Only the plan's contract for appeals does this.
    error NotTheAppeals(address sender, address appeals);

    /// @notice Only the escrow does this.
    error NotTheEscrow(address sender);

    /// @notice The claim's status does not allow this.
    error WrongStatus(bytes32 claim, ClaimStatus status);

    /// @notice The claim waits for something else.
    error NotForReview(bytes32 claim, IBenefits.Missing missing);

    /// @notice A claim has one to 32 lines, each of some units and a charge below 2^56; goods have one line, no
    /// day and the units that were given.
    error WrongLines(uint256 count);

    /// @notice The evidence is not what is shown, or not what was filled, or not what was filled last.
    error WrongEvidence(bytes32 evidence);

    /// @notice What is shown of the claim is not what was decided.
    error WrongFacts(bytes32 claim);

    /// @notice The earlier payer's claim is another's, or for something else, or has nothing left to pay.
    error WrongPrimary(bytes32 primary);

    /// @notice A later payer has decided on it too; that claim is reversed first.
    error HasSecondary(bytes32 claim);

    /// @notice The patient did not consent to this claim.
    error NoConsent(address controller);

    /// @notice The consent counts no more.
    error ConsentExpired(uint40 deadline);

    /// @notice Less would be paid than the provider accepts.
    error BelowLeast(uint64 paid, uint64 least);

    /// @notice It is too late to reverse it.
    error TooLate(bytes32 claim, uint256 latest);

    /// @notice An adjustment, and an answer to an appeal, has to be decided at once.
    error StillMissing(IBenefits.Missing missing);

    /// @notice Nothing more would be paid.
    error NothingGained(uint64 paid, uint64 before);

    /// @notice Nothing is due.
    error NothingDue(bytes32 claim);

    /// @notice A claim's content: the EIP-712 hash of what the patient consents to.
    function contentOf(Claim calldata claim) external pure returns (bytes32 content);

    /// @notice A claim's number: the hash of the plan and the content.
    function idOf(Claim calldata claim) external pure returns (bytes32 id);

    /// @notice What is known of a claim.
    function stateOf(bytes32 claim) external view returns (State memory);

    /// @notice Who reviewed a claim; zero for nobody.
    function reviewerOf(bytes32 claim) external view returns (address);

    /// @notice Consents to a claim. Only the pseudonym's controller.
    function consent(Claim calldata claim) external;

    /// @notice Submits a claim for services. Only a provider, for its own member.
    /// @param rows The schedule's rows of the lines, in order.
    /// @param least Below this all reverts, unless the claim pends.
    /// @param signature The patient's consent; empty where it was given by a transaction.
    function submit(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        uint64 least,
        bytes calldata signature
    ) external returns (bytes32 id);

    /// @notice Dispenses a pack, fills the line and submits the claim for it. Only a pharmacist who lets this contract do so.
    function dispense(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        Goods calldata goods,
        uint64 least,
        bytes calldata signature
    ) external returns (bytes32 id);

    /// @notice Submits to a second payer what a first has decided: it pays no more than the patient owes still.
    function coordinate(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        Settled calldata primary,
        uint64 least,
        bytes calldata signature
    ) external returns (bytes32 id);

    /// @notice Decides a claim that was pended. Only its provider.
    function resume(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        bytes32 batch,
        uint32 index,
        uint64 least
    ) external;

    /// @notice Decides what the schedule leaves to a reviewer. Only the plan's insurer.
    function review(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        bytes32 batch,
        uint32 index,
        bool agreed
    ) external;

    /// @notice Reverses a claim, and gives back what was paid; of one that is pended nothing was decided, and none of that
    /// is shown. Only its provider.
    /// @param prescription The prescription whose line is unfilled, and the pack taken back into stock; zero where the
    /// goods stay given, as they do for a second payer. The line was filled last by as many units.
    function reverse(Settled calldata settled, bytes32 prescription, uint8 line) external;

    /// @notice Reverses a claim and submits another for the same evidence in its place; the difference is paid. What the
    /// provider received of the share counts for the other; what was paid of it through the escrow goes back.
    function adjust(
        Settled calldata settled,
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        uint64 least,
        bytes calldata signature
    ) external returns (bytes32 id);

    /// @notice Decides a claim again without what an appeal has set aside. Only the plan's contract for appeals.
    /// @param waived What is set aside, for each line.
    function redecide(Settled calldata settled, Reasons[] calldata waived) external;

    /// @notice Withholds what was paid for a refuted claim. Only the plan's contract for appeals.
    function withhold(Settled calldata settled) external;

    /// @notice Applies what an arbiter ruled about a refuted claim. Only the plan's contract for appeals.
    function conclude(Settled calldata settled, bool forInsurer) external;

    /// @notice Says that the patient's share was received. Only the claim's provider.
    function receiveShare(bytes32 plan, bytes32 content) external;
}
