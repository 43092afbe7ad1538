// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRules} from "./IRules.sol";

/// @title IPolicies
/// @notice Which plans insurers have published, and who is enrolled in them until when.
/// @dev A plan is never changed: other terms are another plan. A policy is a pseudonym's place in a plan for one policy
/// year; all claims under it can be linked to each other, and to nothing else.
interface IPolicies {
    /// @notice A plan, as its insurer publishes it. Times are in days.
    /// @param adjudicator The contract that decides its claims and moves its money.
    /// @param insurer The member that published it.
    /// @param premiumDays For how long a premium covers.
    /// @param graceDays For how long after that a premium still reinstates.
    /// @param filingDays How old evidence may be that is claimed for.
    /// @param refuteDays For how long after a decision the insurer may refute what was claimed.
    /// @param token The ERC-20 it pays in, of at most six decimals.
    /// @param arbiter The member that decides what is disputed.
    /// @param appealDays For how long after a decision it may be appealed, and within how many an appeal is answered.
    /// @param reversalDays For how long after a decision the provider may reverse it.
    /// @param appeals The contract that appeals and refutations come through.
    /// @param premium What a period costs; zero where there is none.
    /// @param schedule The root of the benefit schedule.
    /// @param document The digest of the plan as people read it.
    /// @param limits The amounts.
    struct Plan {
        address adjudicator;
        uint32 insurer;
        uint16 premiumDays;
        uint16 graceDays;
        uint16 filingDays;
        uint16 refuteDays;
        address token;
        uint32 arbiter;
        uint16 appealDays;
        uint16 reversalDays;
        address appeals;
        uint64 premium;
        bytes32 schedule;
        bytes32 document;
        IRules.Limits limits;
    }

    /// @notice A policy; one slot.
    /// @param family The family whose limits it shares; zero for none.
    /// @param since The second since which goods are covered and evidence counts.
    /// @param until The second from which it has lapsed, unless a premium is paid.
    /// @param ends The second at which the policy year is over.
    /// @param first The first day that is covered, counted from a secret origin.
    /// @param last The last day that is covered.
    /// @param ended Whether it was ended before its year was over.
    struct Policy {
        uint96 family;
        uint40 since;
        uint40 until;
        uint40 ends;
        uint16 first;
        uint16 last;
        bool ended;
    }

    /// @notice What a patient and an insurer sign to agree on a policy.
    /// @param pseudonym The policy year's pseudonym.
    /// @param plan The plan.
    /// @param family A random number that a family shares; zero for none.
    /// @param first The first day that is covered, counted from the secret origin.
    /// @param last The last.
    /// @param ends The second at which the policy year is over.
    /// @param lifetime What was paid under earlier policies.
    /// @param underwriter The insurer's account that signs.
    /// @param era The pseudonym's era.
    /// @param deadline The last second at which the signatures count, at most 31 days ahead.
    struct Enrol {
        address pseudonym;
        bytes32 plan;
        uint96 family;
        uint16 first;
        uint16 last;
        uint40 ends;
        uint64 lifetime;
        address underwriter;
        uint32 era;
        uint40 deadline;
    }

    /// @notice What a patient signs to end a policy.
    /// @param pseudonym The policy year's pseudonym.
    /// @param plan The plan.
    /// @param era The pseudonym's era.
    /// @param deadline The last second at which the signature counts, at most an hour ahead.
    struct EndPolicy {
        address pseudonym;
        bytes32 plan;
        uint32 era;
        uint40 deadline;
    }

    /// @notice What an adjudicator has to know.
    /// @param adjudicator The plan's.
    /// @param insurer The plan's.
    /// @param filingDays The plan's.
    /// @param schedule The plan's.
    /// @param limits The plan's.
    /// @param policy The policy.
    struct Cover {
        address adjudicator;
        uint32 insurer;
        uint16 filingDays;
        bytes32 schedule;
        IRules.Limits limits;
        Policy policy;
    }

    /// @notice A plan was published.
    event PlanPublished(bytes32 indexed plan, uint32 indexed insurer, bytes32 document);

    /// @notice Nobody is enrolled in a plan any more.
    event PlanClosed(bytes32 indexed plan);

    /// @notice A policy began.
    event Enrolled(bytes32 indexed plan, address indexed pseudonym, uint96 family, uint40 until, uint40 ends);

    /// @notice A premium was paid; the policy lasts until then.
    event PremiumPaid(bytes32 indexed plan, address indexed pseudonym, address payer, uint256 amount, uint40 until);

    /// @notice The insurer took a lapsed policy up again; the waiting days of goods begin anew, and what was covered before
    /// it lapsed stays covered.
    event Reinstated(bytes32 indexed plan, address indexed pseudonym, uint40 until);

    /// @notice A policy was ended, by the insurer's member or, where that is zero, by the patient.
    event PolicyEnded(bytes32 indexed plan, address indexed pseudonym, uint32 member);

    /// @notice The account holds no such role for a member in standing.
    error NoStanding(address account);

    /// @notice Another member published the plan.
    error NotTheInsurer(bytes32 plan, uint32 member, uint32 insurer);

    /// @notice There is no such plan.
    error NoSuchPlan(bytes32 plan);

    /// @notice A plan needs a schedule, a document, an adjudicator, a contract for appeals and days for each act.
    error EmptyPlan();

    /// @notice The plan is published or was closed.
    error AlreadyPublished(bytes32 plan);

    /// @notice The plan takes nobody any more.
    error PlanIsClosed(bytes32 plan);

    /// @notice The arbiter is a member in standing, and not the insurer.
    error WrongArbiter(uint32 arbiter);

    /// @notice The token tells no decimals, or more than six.
    error WrongToken(address token);

    /// @notice Other than the amount arrived: the token keeps something back.
    error WrongTransfer(address token, uint256 arrived, uint256 amount);

    /// @notice The pseudonym has no policy of this plan.
    error NoSuchPolicy(bytes32 plan, address pseudonym);

    /// @notice The pseudonym has a policy of this plan.
    error AlreadyEnrolled(bytes32 plan, address pseudonym);

    /// @notice The days begin after zero, and a policy year has at most 366.
    error WrongDays(uint16 first, uint16 last);

    /// @notice A policy ends after now, and within 400 days.
    error WrongEnd(uint40 ends, uint256 latest);

    /// @notice Nothing is due: the plan has no premium, no period was named, or the policy year is over before the last.
    error NothingDue(bytes32 plan, address pseudonym);

    /// @notice The policy lapsed, and the days of grace are over: the insurer may reinstate it.
    error Lapsed(bytes32 plan, address pseudonym, uint256 until);

    /// @notice The policy has not lapsed, or its year is over.
    error NotLapsed(bytes32 plan, address pseudonym, uint256 until);

    /// @notice What a plan is: all zero where there is none.
    function planOf(bytes32 plan) external view returns (Plan memory);

    /// @notice What a plan pays in, and who moves its money; zero for no such plan.
    function moneyOf(bytes32 plan) external view returns (address token, address adjudicator, uint32 insurer);

    /// @notice Whether nobody is enrolled any more.
    function isClosed(bytes32 plan) external view returns (bool);

    /// @notice A policy; all zero where there is none.
    function policyOf(bytes32 plan, address pseudonym) external view returns (Policy memory);

    /// @notice When a policy covered before it was taken up again last: [since, until).
    function formerOf(bytes32 plan, address pseudonym) external view returns (uint40 since, uint40 until);

    /// @notice What had been paid under earlier policies when a policy began.
    function lifetimeOf(bytes32 plan, address pseudonym) external view returns (uint64);

    /// @notice What decides how a claim ends after it was decided: who hears appeals, who rules, and for how many days.
    function disputesOf(
        bytes32 plan
    )
        external
        view
        returns (
            address appeals,
            uint32 insurer,
            uint32 arbiter,
            uint16 refuteDays,
            uint16 appealDays,
            uint16 reversalDays
        );

    /// @notice What an adjudicator has to know of a policy.
    function coverOf(bytes32 plan, address pseudonym) external view returns (Cover memory);

    /// @notice The number of a plan: keccak256(abi.encode(plan)).
    function idOf(Plan calldata terms) external pure returns (bytes32 plan);

    /// @notice Publishes a plan. Only its insurer.
    function publish(Plan calldata terms) external returns (bytes32 plan);

    /// @notice Takes nobody into a plan any more; its policies go on. Only its insurer.
    function close(bytes32 plan) external;

    /// @notice Enrols the sender's pseudonym, with the insurer's signature.
    function enrol(Enrol calldata terms, bytes calldata underwriting) external;

    /// @notice Enrols what a patient and an insurer signed; anyone may carry it.
    function enrolBySig(Enrol calldata terms, bytes calldata underwriting, bytes calldata signature) external;

    /// @notice Pays premiums, from the sender's account to the insurer's. Anyone, for anyone.
    function payPremium(bytes32 plan, address pseudonym, uint16 periods) external;

    /// @notice Takes up a policy again that lapsed beyond grace, as far as one premium reaches. Only its insurer.
    function reinstate(bytes32 plan, address pseudonym) external;

    /// @notice Ends a policy now. Its insurer, or the pseudonym's controller.
    function endPolicy(bytes32 plan, address pseudonym) external;

    /// @notice Ends a policy by the controller's signature; anyone may carry it.
    function endPolicyBySig(EndPolicy calldata terms, bytes calldata signature) external;
}
