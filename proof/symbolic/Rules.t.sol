// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Rules} from "../../contracts/cover/Rules.sol";
import {IRules} from "../../contracts/interfaces/cover/IRules.sol";
import {
    ANNUAL_LIMIT,
    BEYOND_AUTHORIZATION,
    DENIALS,
    EXCLUDED,
    FREQUENCY,
    GRADE,
    LIFETIME_LIMIT,
    NOT_COVERED,
    NO_REASON,
    OTHER_PAYER,
    QUANTITY,
    Reasons,
    UNAUTHORIZED,
    WAITING,
    WAIVABLE
} from "../../contracts/types/Reasons.sol";
import {vm} from "./Cheats.sol";

/// @title RulesProofs
/// @notice What the deployed rules decide of one line.
/// @dev All limits at once are tens of millions of paths. So each proof leaves some at "none", and takes the others, what
/// was used, and the line as they come. A sum that does not fit has the rules revert, and then nothing is decided.
/// @custom:takes minutes
contract RulesProofs {
    uint64 private constant NONE = type(uint64).max;

    IRules private immutable _rules = new Rules();

    // property R1
    // property R3
    // property C4
    /// @dev Bound: one line without a limit, copay, deductible or coinsurance
    function check_price__allowed_is_the_price_for_the_units_or_the_charge(
        uint64 price,
        uint16 units,
        uint64 charged
    ) external view {
        IRules.Item memory item;
        item.benefit.price = price;
        item.units = units;
        item.charged = charged;

        IRules.Outcome memory found = _outcome(_unlimited(), item);

        uint256 priced = uint256(price) * units;
        assert(found.allowed == (priced < charged ? priced : charged));
        assert(found.paid == found.allowed);
    }

    // property R1
    /// @dev Bound: one line without a limit, copay, deductible or coinsurance
    function check_price__an_authorized_amount_bounds_it_where_one_is_needed(
        uint64 charged,
        uint64 amount,
        bool isNeeded
    ) external view {
        IRules.Item memory item = _line(charged);
        item.benefit.authorization = isNeeded;
        item.authorizedUnits = 1;
        item.authorizedAmount = amount;

        IRules.Outcome memory found = _outcome(_unlimited(), item);

        bool isBounded = isNeeded && amount != 0 && amount < charged;
        assert(found.allowed == (isBounded ? amount : charged));
    }

    // property R1
    // property R6
    // property C4
    /// @dev Bound: one line, the person's deductible and out of pocket, nothing used of them, the other limits none
    function check_patient__her_parts_and_what_is_paid_make_up_what_is_allowed(
        uint64 charged,
        uint64 copay,
        uint16 coinsurance,
        uint64 deductible,
        uint64 outOfPocket
    ) external view {
        IRules.Item memory item = _line(charged);
        (item.benefit.copay, item.benefit.coinsurance, item.benefit.deductible) = (copay, coinsurance, true);
        IRules.Limits memory limits = _unlimited();
        (limits.deductible, limits.outOfPocket) = (deductible, outOfPocket);

        IRules.Decision memory decision = _decide(limits, _nothing(), _nothing(), item, NONE);

        IRules.Outcome memory found = decision.outcomes[0];
        uint256 borne = uint256(found.deductible) + found.copay + found.coinsurance;
        assert(found.copay <= copay);
        assert(borne + found.paid == charged);
        assert(found.over == 0 && found.reasons == NO_REASON);
        assert(decision.paid == found.paid && decision.share == borne);
    }

    // property R4
    // property R5
    // property C5
    /// @dev Bound: one line without copay or coinsurance; the other limits none
    function check_patient__no_deductible_is_passed_and_each_grows_by_what_the_line_says(
        uint64 charged,
        bool deductible,
        uint64 limit,
        uint64 familyLimit,
        uint64 before,
        uint64 familyBefore
    ) external view {
        IRules.Item memory item = _line(charged);
        item.benefit.deductible = deductible;
        IRules.Limits memory limits = _unlimited();
        (limits.deductible, limits.familyDeductible) = (limit, familyLimit);

        IRules.Decision memory decision = _decide(limits, _used(before, 0, 0), _used(familyBefore, 0, 0), item, NONE);

        uint64 part = decision.outcomes[0].deductible;
        assert(deductible || part == 0);
        _assertGrown(decision.person.deductible, before, part, limit);
        _assertGrown(decision.family.deductible, familyBefore, part, familyLimit);
    }

    // property R4
    // property R5
    // property C5
    /// @dev Bound: one line of a copay and a coinsurance of the whole; the other limits none
    function check_patient__no_out_of_pocket_is_passed_and_each_grows_by_what_the_line_says(
        uint64 charged,
        uint64 copay,
        uint64 limit,
        uint64 familyLimit,
        uint64 before,
        uint64 familyBefore
    ) external view {
        IRules.Item memory item = _line(charged);
        (item.benefit.copay, item.benefit.coinsurance) = (copay, 10_000);
        IRules.Limits memory limits = _unlimited();
        (limits.outOfPocket, limits.familyOutOfPocket) = (limit, familyLimit);

        IRules.Decision memory decision = _decide(limits, _used(0, before, 0), _used(0, familyBefore, 0), item, NONE);

        IRules.Outcome memory found = decision.outcomes[0];
        uint64 part = found.copay + found.deductible + found.coinsurance;
        _assertGrown(decision.person.outOfPocket, before, part, limit);
        _assertGrown(decision.family.outOfPocket, familyBefore, part, familyLimit);
    }

    // property R4
    // property R5
    // property C5
    /// @dev Bound: one line without parts of the patient; the other limits none
    function check_insurer__no_limit_of_a_year_is_passed_and_each_grows_by_what_is_paid(
        uint64 charged,
        uint64 limit,
        uint64 familyLimit,
        uint64 before,
        uint64 familyBefore
    ) external view {
        IRules.Limits memory limits = _unlimited();
        (limits.annual, limits.familyAnnual) = (limit, familyLimit);

        IRules.Decision memory decision = _decide(
            limits,
            _used(0, 0, before),
            _used(0, 0, familyBefore),
            _line(charged),
            NONE
        );

        uint64 paid = decision.outcomes[0].paid;
        _assertGrown(decision.person.paid, before, paid, limit);
        _assertGrown(decision.family.paid, familyBefore, paid, familyLimit);
        assert(decision.paid == paid);
    }

    // property R4
    // property R5
    // property C5
    /// @dev Bound: one line without parts of the patient; the other limits none
    function check_insurer__neither_a_lifetime_nor_what_an_earlier_payer_left_is_passed(
        uint64 charged,
        uint64 limit,
        IRules.Used memory person,
        IRules.Used memory family,
        uint64 most
    ) external view {
        IRules.Limits memory limits = _unlimited();
        limits.lifetime = limit;
        uint64 before = person.lifetime;

        IRules.Decision memory decision = _decide(limits, person, family, _line(charged), most);

        uint64 paid = decision.outcomes[0].paid;
        _assertGrown(decision.person.lifetime, before, paid, limit);
        assert(decision.family.lifetime == family.lifetime);
        assert(paid <= most && decision.paid == paid);
    }

    // property R1
    // property R6
    // property R7
    /// @dev Bound: one line without parts of the patient, limits of more than zero that nothing was used of
    function check_insurer__a_limit_leaves_something_only_where_it_is_used_up_and_is_told(
        uint64 charged,
        uint64 annual,
        uint64 familyAnnual,
        uint64 lifetime,
        uint64 most
    ) external view {
        vm.assume(annual != NONE && familyAnnual != NONE && lifetime != NONE);
        vm.assume(annual != 0 && familyAnnual != 0 && lifetime != 0);
        IRules.Limits memory limits = IRules.Limits(NONE, NONE, NONE, NONE, annual, familyAnnual, lifetime);

        IRules.Decision memory decision = _decide(limits, _nothing(), _nothing(), _line(charged), most);

        IRules.Outcome memory found = decision.outcomes[0];
        assert(uint256(found.over) + found.paid == charged);
        assert(uint256(decision.paid) + decision.share == (charged < most ? charged : most));
        if (found.over == 0) {
            assert(found.reasons == NO_REASON);
        } else if (found.reasons == OTHER_PAYER) {
            assert(found.paid == most);
        } else if (found.reasons == LIFETIME_LIMIT) {
            assert(found.paid == lifetime);
        } else {
            assert(found.reasons == ANNUAL_LIMIT);
            assert(found.paid == annual || found.paid == familyAnnual);
        }
    }

    // property R12
    /// @dev Bound: one line without parts of the patient; the other limits none
    function check_insurer__a_higher_limit_never_pays_less(
        uint64 charged,
        uint64 lower,
        uint64 higher,
        uint64 before
    ) external view {
        vm.assume(lower <= higher);
        IRules.Limits memory limits = _unlimited();

        limits.annual = lower;
        uint64 less = _outcome(limits, _used(0, 0, before), _line(charged)).paid;
        limits.annual = higher;
        uint64 more = _outcome(limits, _used(0, 0, before), _line(charged)).paid;

        assert(less <= more);
    }

    // property R11
    /// @dev Bound: one line of a copay; the person's limit of the year, the others none
    function check_charge__a_higher_one_never_pays_less(
        uint64 lower,
        uint64 higher,
        uint64 copay,
        uint64 annual
    ) external view {
        vm.assume(lower <= higher);
        IRules.Limits memory limits = _unlimited();
        limits.annual = annual;
        IRules.Item memory item = _line(lower);
        item.benefit.copay = copay;

        uint64 less = _outcome(limits, _nothing(), item).paid;
        item.charged = higher;
        uint64 more = _outcome(limits, _nothing(), item).paid;

        assert(less <= more);
    }

    // property R2
    // property R13
    /// @dev Bound: one line of a row without price, coinsurance or deductible, which no reason reads
    function check_denial__has_the_reasons_of_the_table_and_no_amounts(IRules.Item memory item) external view {
        item.benefit.coinsurance = 0;
        item.benefit.deductible = false;
        item.benefit.price = 0;

        IRules.Outcome memory found = _outcome(_unlimited(), item);

        IRules.Benefit memory row = item.benefit;
        Reasons expected = item.found & DENIALS;
        if (row.kind == IRules.Kind.NotCovered) expected = expected | NOT_COVERED;
        if (row.kind == IRules.Kind.Excluded) expected = expected | EXCLUDED;
        if (item.waited < row.waitingDays) expected = expected | WAITING;
        if (item.tier < row.grade) expected = expected | GRADE;
        if (row.authorization && item.authorizedUnits == 0) expected = expected | UNAUTHORIZED;
        bool isBeyond = item.authorizedUnits != 0 && item.units > item.authorizedUnits;
        if (row.authorization && isBeyond) expected = expected | BEYOND_AUTHORIZATION;
        if (row.mostUnits != 0 && item.units > row.mostUnits) expected = expected | QUANTITY;
        uint256 ofYear = uint256(item.usedUnits) + item.units;
        if (row.yearlyUnits != 0 && ofYear > row.yearlyUnits) expected = expected | FREQUENCY;
        assert(found.reasons == expected.without(item.waived & WAIVABLE));
        assert(found.allowed == 0 && found.paid == 0);
    }

    // property R2
    /// @dev Bound: one line that the chain speaks against
    function check_denial__of_a_line_that_something_speaks_against_pays_and_uses_nothing(
        IRules.Limits memory limits,
        IRules.Used memory person,
        IRules.Used memory family,
        uint64 charged,
        Reasons reasons,
        uint64 most
    ) external view {
        vm.assume(reasons.denies());
        IRules.Item memory item = _line(charged);
        item.found = reasons;

        IRules.Decision memory decision = _decide(limits, person, family, item, most);

        IRules.Outcome memory none;
        none.reasons = reasons & DENIALS;
        assert(keccak256(abi.encode(decision.outcomes[0])) == keccak256(abi.encode(none)));
        assert(decision.paid == 0 && decision.share == 0);
        assert(keccak256(abi.encode(decision.person)) == keccak256(abi.encode(person)));
        assert(keccak256(abi.encode(decision.family)) == keccak256(abi.encode(family)));
    }

    /// @dev A line of one unit whose price is no bound.
    function _line(uint64 charged) private pure returns (IRules.Item memory item) {
        item.benefit.price = NONE;
        item.units = 1;
        item.charged = charged;
    }

    function _unlimited() private pure returns (IRules.Limits memory) {
        return IRules.Limits(NONE, NONE, NONE, NONE, NONE, NONE, NONE);
    }

    function _used(uint64 deductible, uint64 outOfPocket, uint64 paid) private pure returns (IRules.Used memory) {
        return IRules.Used(deductible, outOfPocket, paid, 0);
    }

    function _nothing() private pure returns (IRules.Used memory) {
        return IRules.Used(0, 0, 0, 0);
    }

    function _outcome(
        IRules.Limits memory limits,
        IRules.Item memory item
    ) private view returns (IRules.Outcome memory) {
        return _outcome(limits, _nothing(), item);
    }

    function _outcome(
        IRules.Limits memory limits,
        IRules.Used memory used,
        IRules.Item memory item
    ) private view returns (IRules.Outcome memory) {
        return _decide(limits, used, used, item, NONE).outcomes[0];
    }

    function _decide(
        IRules.Limits memory limits,
        IRules.Used memory person,
        IRules.Used memory family,
        IRules.Item memory item,
        uint64 most
    ) private view returns (IRules.Decision memory) {
        IRules.Item[] memory items = new IRules.Item[](1);
        items[0] = item;
        return _rules.decide(limits, person, family, items, most);
    }

    /// @dev By the part, and not beyond the limit; what was beyond it before grows no more.
    function _assertGrown(uint64 now_, uint64 before, uint64 part, uint64 limit) private pure {
        assert(now_ == uint256(before) + part);
        assert(now_ <= limit || part == 0);
    }
}
