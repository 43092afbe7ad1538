// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRules} from "../interfaces/cover/IRules.sol";
import {
    ANNUAL_LIMIT,
    BEYOND_AUTHORIZATION,
    BUNDLED,
    DENIALS,
    DUPLICATE,
    EXCLUDED,
    FREQUENCY,
    GRADE,
    LIFETIME_LIMIT,
    NOT_COVERED,
    OTHER_PAYER,
    QUANTITY,
    Reasons,
    UNAUTHORIZED,
    WAITING,
    WAIVABLE
} from "../types/Reasons.sol";

/// @title Rules
/// @notice How a claim is decided: a function of the plan's limits, what was used of them, and the claim's lines.
contract Rules is IRules {
    uint256 private constant WHOLE = 10_000;

    /// @inheritdoc IRules
    function decide(
        Limits calldata limits,
        Used calldata person,
        Used calldata family,
        Item[] calldata items,
        uint64 most
    ) external pure returns (Decision memory decision) {
        decision.outcomes = new Outcome[](items.length);
        decision.person = person;
        decision.family = family;

        for (uint256 i = 0; i < items.length; ++i) {
            Outcome memory outcome = decision.outcomes[i];
            outcome.reasons = _denial(items, i, decision.outcomes);
            if (outcome.reasons.denies()) continue;

            _price(items[i], outcome);
            _share(items[i].benefit, limits, decision, outcome);
            _cap(limits, decision, outcome, most - decision.paid);
            _use(decision, outcome);
        }
        decision.share = _least(decision.share, most - decision.paid);
    }

    /// @dev Everything that speaks against a line, and was not set aside.
    function _denial(
        Item[] calldata items,
        uint256 i,
        Outcome[] memory outcomes
    ) private pure returns (Reasons reasons) {
        Item calldata item = items[i];
        Benefit calldata benefit = item.benefit;
        if (benefit.coinsurance > WHOLE) revert WrongCoinsurance(benefit.coinsurance);

        (Reasons before, uint256 used) = _among(items, i, outcomes);
        reasons = (item.found & DENIALS) | before;
        if (benefit.kind == Kind.NotCovered) reasons = reasons | NOT_COVERED;
        if (benefit.kind == Kind.Excluded) reasons = reasons | EXCLUDED;
        if (item.waited < benefit.waitingDays) reasons = reasons | WAITING;
        if (item.tier < benefit.grade) reasons = reasons | GRADE;
        if (benefit.authorization) {
            if (item.authorizedUnits == 0) reasons = reasons | UNAUTHORIZED;
            else if (item.units > item.authorizedUnits) reasons = reasons | BEYOND_AUTHORIZATION;
        }
        if (benefit.mostUnits != 0 && item.units > benefit.mostUnits) reasons = reasons | QUANTITY;
        if (benefit.yearlyUnits != 0 && used + item.units > benefit.yearlyUnits) reasons = reasons | FREQUENCY;
        reasons = reasons.without(item.waived & WAIVABLE);
    }

    /// @dev What the lines before it say of a line: the same service twice a day, two of a bundle, an authorization twice.
    function _among(
        Item[] calldata items,
        uint256 i,
        Outcome[] memory outcomes
    ) private pure returns (Reasons reasons, uint256 used) {
        Item calldata item = items[i];
        used = item.usedUnits;

        for (uint256 j = 0; j < i; ++j) {
            if (outcomes[j].reasons.denies()) continue;

            Item calldata other = items[j];
            if (other.benefit.service == item.benefit.service) {
                used += other.units;
                if (other.day == item.day) reasons = reasons | DUPLICATE;
            } else if (item.benefit.bundle != 0 && other.benefit.bundle == item.benefit.bundle) {
                if (other.day == item.day) reasons = reasons | BUNDLED;
            }
            if (item.authorization != 0 && other.authorization == item.authorization) reasons = reasons | UNAUTHORIZED;
        }
    }

    function _price(Item calldata item, Outcome memory outcome) private pure {
        uint256 allowed = uint256(item.benefit.price) * item.units;
        if (allowed > item.charged) allowed = item.charged;
        bool isBounded = item.benefit.authorization && item.authorizedAmount != 0;
        if (isBounded && allowed > item.authorizedAmount) allowed = item.authorizedAmount;

        outcome.allowed = uint64(allowed);
    }

    /// @dev The patient's part: copay, deductible, coinsurance, and no more of it than is left out of pocket.
    function _share(
        Benefit calldata benefit,
        Limits calldata limits,
        Decision memory decision,
        Outcome memory outcome
    ) private pure {
        uint64 rest = outcome.allowed;
        outcome.copay = _least(benefit.copay, rest);
        rest -= outcome.copay;
        if (benefit.deductible) {
            uint64 open = _left(limits.deductible, decision.person.deductible);
            outcome.deductible = _least(rest, _least(open, _left(limits.familyDeductible, decision.family.deductible)));
            rest -= outcome.deductible;
        }
        outcome.coinsurance = uint64((uint256(rest) * benefit.coinsurance) / WHOLE);

        uint64 bearable = _left(limits.outOfPocket, decision.person.outOfPocket);
        bearable = _least(bearable, _left(limits.familyOutOfPocket, decision.family.outOfPocket));
        outcome.copay = _least(outcome.copay, bearable);
        bearable -= outcome.copay;
        outcome.deductible = _least(outcome.deductible, bearable);
        bearable -= outcome.deductible;
        outcome.coinsurance = _least(outcome.coinsurance, bearable);
    }

    /// @dev What is left to the insurer, as far as no limit is reached.
    function _cap(Limits calldata limits, Decision memory decision, Outcome memory outcome, uint64 most) private pure {
        uint64 rest = outcome.allowed - outcome.copay - outcome.deductible - outcome.coinsurance;
        uint64 lifetime = _left(limits.lifetime, decision.person.lifetime);
        uint64 annual = _left(limits.annual, decision.person.paid);
        annual = _least(annual, _left(limits.familyAnnual, decision.family.paid));

        uint64 paid = _least(_least(rest, lifetime), _least(annual, most));
        if (paid < rest) {
            if (paid == most) outcome.reasons = OTHER_PAYER;
            else outcome.reasons = paid == lifetime ? LIFETIME_LIMIT : ANNUAL_LIMIT;
        }
        outcome.over = rest - paid;
        outcome.paid = paid;
    }

    function _use(Decision memory decision, Outcome memory outcome) private pure {
        uint64 borne = outcome.copay + outcome.deductible + outcome.coinsurance;
        decision.person.deductible += outcome.deductible;
        decision.family.deductible += outcome.deductible;
        decision.person.outOfPocket += borne;
        decision.family.outOfPocket += borne;
        decision.person.paid += outcome.paid;
        decision.family.paid += outcome.paid;
        decision.person.lifetime += outcome.paid;
        decision.paid += outcome.paid;
        decision.share += outcome.allowed - outcome.paid;
    }

    /// @dev A limit of 2^64 - 1 is never used up.
    function _left(uint64 limit, uint64 used) private pure returns (uint64) {
        if (limit == type(uint64).max) return limit;
        return limit > used ? limit - used : 0;
    }

    function _least(uint64 a, uint64 b) private pure returns (uint64) {
        return a < b ? a : b;
    }
}
