// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Claim} from "../../types/Claim.sol";
import {Reasons} from "../../types/Reasons.sol";
import {IRules} from "./IRules.sol";

/// @title IBenefits
/// @notice What a claim gets of a policy's benefits, and what was used of them: once a day, once a piece of evidence.
/// @dev The plan's adjudicator says that a claim counts; what it comes to is decided here, by `Rules`, and by nobody.
interface IBenefits {
    /// @notice What a claim waits for.
    enum Missing {
        Nothing,
        Evidence,
        Review,
        Funds
    }

    /// @notice A row of the plan's schedule.
    /// @param benefit The row.
    /// @param proof The nodes beside its path, lowest first, of a tree with sorted pairs and twice hashed leaves.
    struct Row {
        IRules.Benefit benefit;
        bytes32[] proof;
    }

    /// @notice What a claim is asked with.
    /// @param id The claim's number.
    /// @param time When it was submitted first.
    /// @param isGoods Whether it is for goods, which are their own evidence.
    /// @param agreed Whether a reviewer agreed to it.
    /// @param refused Whether a reviewer refused it, or, where it is undone, an arbiter.
    /// @param most The most that may be paid: what an earlier payer left.
    /// @param funds What there is to pay it from.
    struct Query {
        bytes32 id;
        uint40 time;
        bool isGoods;
        bool agreed;
        bool refused;
        uint64 most;
        uint256 funds;
    }

    /// @notice What a claim comes to. Where something is missing nothing was changed.
    /// @param missing What it waits for.
    /// @param paid What the insurer pays.
    /// @param share What the patient owes.
    /// @param facts The hash of the rows and the outcomes: see `factsOf`.
    struct Verdict {
        Missing missing;
        uint64 paid;
        uint64 share;
        bytes32 facts;
    }

    /// @notice What was decided about a claim's lines, and what is used of the policy's limits since.
    event Assessed(bytes32 indexed claim, IRules.Outcome[] outcomes, IRules.Used person, IRules.Used family);

    /// @notice What a claim had used was given back.
    event Unused(bytes32 indexed claim, IRules.Used person, IRules.Used family);

    /// @notice Only the plan's adjudicator does this.
    error NotTheAdjudicator(address sender, address adjudicator);

    /// @notice The rows are not those of the lines in the plan's schedule.
    error WrongRow(bytes32 service);

    /// @notice There is one row, and one waiver, for each line.
    error LengthsDiffer(uint256 lines, uint256 others);

    /// @notice What was used of a person's limits, and of the family's.
    function usedOf(
        bytes32 plan,
        address pseudonym
    ) external view returns (IRules.Used memory person, IRules.Used memory family);

    /// @notice Whether some evidence was claimed for under a policy, or under another as the first payer's.
    function isClaimed(bytes32 plan, address pseudonym, bytes32 evidence) external view returns (bool);

    /// @notice The claim that used an authorization; zero for none.
    function usedBy(bytes32 authorization) external view returns (bytes32 claim);

    /// @notice How many units of a service were paid in a policy year; counted where the schedule limits them.
    function unitsOf(bytes32 plan, address pseudonym, bytes32 service) external view returns (uint256);

    /// @notice The days, 256 a word, for which a service, or a bundle, was paid.
    function daysOf(bytes32 plan, address pseudonym, bytes32 key, uint256 word) external view returns (uint256);

    /// @notice The hash of rows and outcomes that a decision stands on.
    function factsOf(
        IRules.Benefit[] calldata benefits,
        IRules.Outcome[] calldata outcomes
    ) external pure returns (bytes32 facts);

    /// @notice What would be decided now, and from what.
    function quote(
        Claim calldata claim,
        Row[] calldata rows,
        Query calldata query
    ) external view returns (IRules.Item[] memory items, IRules.Decision memory decision, Missing missing);

    /// @notice Decides a claim. Only the plan's adjudicator.
    /// @param rows The schedule's rows of the lines, in order.
    function decide(
        Claim calldata claim,
        Row[] calldata rows,
        Query calldata query
    ) external returns (Verdict memory verdict);

    /// @notice Decides a claim again by the rows it was decided by, without what was set aside. Only the plan's adjudicator.
    /// @param waived What is set aside, for each line.
    function redecide(
        Claim calldata claim,
        IRules.Benefit[] calldata benefits,
        Reasons[] calldata waived,
        Query calldata query
    ) external returns (Verdict memory verdict);

    /// @notice Gives back what a claim has used; but not the evidence of one that was refused. Only the plan's adjudicator,
    /// which knows that this is what was decided.
    function undo(
        Claim calldata claim,
        IRules.Benefit[] calldata benefits,
        IRules.Outcome[] calldata outcomes,
        Query calldata query
    ) external;
}
