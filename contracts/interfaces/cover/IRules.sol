// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Reasons} from "../../types/Reasons.sol";

/// @title IRules
/// @notice How a claim is decided: a function of the plan's limits, what was used of them, and the claim's lines.
/// @dev Amounts are whole numbers of the token's smallest unit. The one amount that is divided, the coinsurance, is
/// rounded down, in the patient's favour. `theriac.cover.rules` is the same function in Python.
interface IRules {
    /// @notice What a schedule says of a service. Goods are covered where a pack was dispensed, and nothing else is then.
    enum Kind {
        Covered,
        NotCovered,
        Excluded,
        Goods
    }

    /// @notice The amounts of a plan. A limit of 2^64 - 1 is none.
    /// @param deductible What a person pays before the plan does, a policy year.
    /// @param familyDeductible The same for a family: met by the first of the two that is.
    /// @param outOfPocket The most that a person pays of what is covered, a policy year.
    /// @param familyOutOfPocket The same for a family.
    /// @param annual The most that is paid for a person in a policy year.
    /// @param familyAnnual The same for a family.
    /// @param lifetime The most that is paid for a person under all policies.
    struct Limits {
        uint64 deductible;
        uint64 familyDeductible;
        uint64 outOfPocket;
        uint64 familyOutOfPocket;
        uint64 annual;
        uint64 familyAnnual;
        uint64 lifetime;
    }

    /// @notice What was used: of a person, or of a family.
    /// @param deductible What was paid towards the deductible.
    /// @param outOfPocket What fell to the patient of what is covered, whoever bore it then.
    /// @param paid What was paid in the policy year.
    /// @param lifetime What was paid under all policies; zero for a family.
    struct Used {
        uint64 deductible;
        uint64 outOfPocket;
        uint64 paid;
        uint64 lifetime;
    }

    /// @notice A row of a benefit schedule.
    /// @param service The service's salted id.
    /// @param bundle A group of which one service is paid a day; zero for none.
    /// @param kind Whether it is covered.
    /// @param price The allowed amount of a unit.
    /// @param copay What the patient pays of a line in any case.
    /// @param coinsurance What the patient pays of the rest, in hundredths of a percent.
    /// @param deductible Whether the deductible comes first.
    /// @param authorization Whether it has to be authorized before.
    /// @param review Whether a reviewer decides it.
    /// @param waitingDays For how many days of cover it is not covered yet.
    /// @param mostUnits How many units a line may have; zero for any number.
    /// @param yearlyUnits How many units a policy year may have; zero for any number.
    /// @param grade The least grade (the member's tier) of a provider.
    struct Benefit {
        bytes32 service;
        bytes32 bundle;
        Kind kind;
        uint64 price;
        uint64 copay;
        uint16 coinsurance;
        bool deductible;
        bool authorization;
        bool review;
        uint16 waitingDays;
        uint16 mostUnits;
        uint16 yearlyUnits;
        uint8 grade;
    }

    /// @notice A line, with what the chain knows about it.
    /// @param benefit Its row of the schedule.
    /// @param day The service's day, counted from the policy's secret origin; zero for goods.
    /// @param units How many units.
    /// @param charged What the provider asks for all of them.
    /// @param waited How many days the policy had lasted.
    /// @param tier The provider's grade.
    /// @param usedUnits How many units of the service were paid in the policy year.
    /// @param authorization The authorization it names; zero for none.
    /// @param authorizedUnits How many units that allows; zero where it does not count.
    /// @param authorizedAmount The most it allows for the line; zero for no such limit.
    /// @param found What the chain's state speaks against it with, of the reasons for which a line is denied.
    /// @param waived What an appeal has set aside.
    struct Item {
        Benefit benefit;
        uint16 day;
        uint16 units;
        uint64 charged;
        uint32 waited;
        uint8 tier;
        uint32 usedUnits;
        bytes32 authorization;
        uint32 authorizedUnits;
        uint64 authorizedAmount;
        Reasons found;
        Reasons waived;
    }

    /// @notice What was decided about a line. Where it is denied all amounts are zero; else allowed = deductible + copay +
    /// coinsurance + over + paid.
    /// @param reasons Why it is denied: below bit 16; or what limited it: from bit 16 on.
    /// @param allowed What the schedule allows of the charge.
    /// @param deductible What of it goes to the deductible.
    /// @param copay The patient's fixed part.
    /// @param coinsurance The patient's share of the rest.
    /// @param over What a limit left unpaid: the patient's, or, where an earlier payer has paid it, nobody's.
    /// @param paid What the insurer pays.
    struct Outcome {
        Reasons reasons;
        uint64 allowed;
        uint64 deductible;
        uint64 copay;
        uint64 coinsurance;
        uint64 over;
        uint64 paid;
    }

    /// @notice A decision.
    /// @param outcomes One a line.
    /// @param person What is used of the person's limits then.
    /// @param family What is used of the family's limits then.
    /// @param paid What the insurer pays.
    /// @param share What the patient owes: what is allowed and not paid, but no more than an earlier payer left.
    struct Decision {
        Outcome[] outcomes;
        Used person;
        Used family;
        uint64 paid;
        uint64 share;
    }

    /// @notice A coinsurance is at most the whole.
    error WrongCoinsurance(uint16 coinsurance);

    /// @notice Decides.
    /// @dev Line by line; what was denied counts for nothing that comes after it. Of the allowed amount the copay is taken
    /// first, then the deductible, then the coinsurance of the rest. They fill what is left out of pocket in the same order,
    /// and what does not fit is the insurer's. The rest is paid as far as every limit goes; where several end at the same
    /// amount, an earlier payer is told before the lifetime limit, and that before a policy year's. A sum that does not fit
    /// 64 bits reverts.
    /// @param limits The plan's.
    /// @param person What was used before, of the person's.
    /// @param family What was used before, of the family's.
    /// @param items The lines, in order.
    /// @param most The most that may be paid: what an earlier payer left; 2^64 - 1 where there is none.
    function decide(
        Limits calldata limits,
        Used calldata person,
        Used calldata family,
        Item[] calldata items,
        uint64 most
    ) external pure returns (Decision memory decision);
}
