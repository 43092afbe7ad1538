// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Rules} from "../../contracts/cover/Rules.sol";
import {IRules} from "../../contracts/interfaces/cover/IRules.sol";
import {
    ANNUAL_LIMIT,
    DENIALS,
    LIFETIME_LIMIT,
    NO_REASON,
    OTHER_PAYER,
    Reasons
} from "../../contracts/types/Reasons.sol";
import {vm} from "./Cheats.sol";

/// @title RulesProofs
/// @notice What the deployed rules decide of one line, whatever the plan, the schedule, what was used, and the line.
/// @dev A line that nothing speaks against: what is decided of it depends on amounts alone. Nothing is assumed of those;
/// where a sum does not fit, the rules revert, and nothing is decided.
contract RulesProofs {
    uint64 private constant NO_LIMIT = type(uint64).max;

    IRules private immutable _rules = new Rules();

    /// @dev The amounts of a line and of its row.
    struct Amounts {
        uint64 price;
        uint64 copay;
        uint16 coinsurance;
        bool deductible;
        uint16 units;
        uint64 charged;
    }

    // property R1
    // property C4
    function check_line__what_is_allowed_is_within_the_charge_and_is_the_sum_of_its_parts(
        IRules.Limits calldata limits,
        IRules.Used calldata person,
        IRules.Used calldata family,
        Amounts calldata amounts,
        uint64 most
    ) external view {
        IRules.Outcome memory found = _decide(limits, person, family, amounts, most).outcomes[0];

        assert(found.allowed <= amounts.charged);
        uint256 borne = uint256(found.deductible) + found.copay + found.coinsurance;
        assert(borne + found.over + found.paid == found.allowed);
    }

    // property R4
    function check_line__uses_of_the_limits_what_it_says(
        IRules.Limits calldata limits,
        IRules.Used calldata person,
        IRules.Used calldata family,
        Amounts calldata amounts,
        uint64 most
    ) external view {
        IRules.Decision memory decision = _decide(limits, person, family, amounts, most);

        IRules.Outcome memory found = decision.outcomes[0];
        uint256 borne = uint256(found.deductible) + found.copay + found.coinsurance;
        assert(decision.person.deductible == uint256(person.deductible) + found.deductible);
        assert(decision.person.outOfPocket == person.outOfPocket + borne);
        assert(decision.person.paid == uint256(person.paid) + found.paid);
        assert(decision.person.lifetime == uint256(person.lifetime) + found.paid);
        assert(decision.family.deductible == uint256(family.deductible) + found.deductible);
        assert(decision.family.outOfPocket == family.outOfPocket + borne);
        assert(decision.family.paid == uint256(family.paid) + found.paid);
        assert(decision.family.lifetime == family.lifetime);
        assert(decision.paid == found.paid);
    }

    // property R5
    // property C5
    function check_line__takes_no_limit_of_the_patients_beyond_it(
        IRules.Limits calldata limits,
        IRules.Used calldata person,
        IRules.Used calldata family,
        Amounts calldata amounts,
        uint64 most
    ) external view {
        IRules.Decision memory decision = _decide(limits, person, family, amounts, most);

        _assertWithin(limits.deductible, person.deductible, decision.person.deductible);
        _assertWithin(limits.familyDeductible, family.deductible, decision.family.deductible);
        _assertWithin(limits.outOfPocket, person.outOfPocket, decision.person.outOfPocket);
        _assertWithin(limits.familyOutOfPocket, family.outOfPocket, decision.family.outOfPocket);
    }

    // property R5
    // property C5
    function check_line__takes_no_limit_of_the_insurers_beyond_it(
        IRules.Limits calldata limits,
        IRules.Used calldata person,
        IRules.Used calldata family,
        Amounts calldata amounts,
        uint64 most
    ) external view {
        IRules.Decision memory decision = _decide(limits, person, family, amounts, most);

        _assertWithin(limits.annual, person.paid, decision.person.paid);
        _assertWithin(limits.familyAnnual, family.paid, decision.family.paid);
        _assertWithin(limits.lifetime, person.lifetime, decision.person.lifetime);
        assert(decision.paid <= most);
    }

    // property R6
    function check_line__what_is_paid_and_owed_is_what_is_allowed_or_was_left(
        IRules.Limits calldata limits,
        IRules.Used calldata person,
        IRules.Used calldata family,
        Amounts calldata amounts,
        uint64 most
    ) external view {
        IRules.Decision memory decision = _decide(limits, person, family, amounts, most);

        uint64 allowed = decision.outcomes[0].allowed;
        assert(uint256(decision.paid) + decision.share == (allowed < most ? allowed : most));
    }

    // property R7
    function check_line__a_limit_leaves_something_only_where_it_is_used_up_and_is_told(
        IRules.Limits calldata limits,
        IRules.Used calldata person,
        IRules.Used calldata family,
        Amounts calldata amounts,
        uint64 most
    ) external view {
        IRules.Decision memory decision = _decide(limits, person, family, amounts, most);

        IRules.Outcome memory found = decision.outcomes[0];
        if (found.over == 0) {
            assert(found.reasons == NO_REASON);
        } else if (found.reasons == OTHER_PAYER) {
            assert(decision.paid == most);
        } else if (found.reasons == LIFETIME_LIMIT) {
            assert(decision.person.lifetime >= limits.lifetime);
        } else {
            assert(found.reasons == ANNUAL_LIMIT);
            assert(decision.person.paid >= limits.annual || decision.family.paid >= limits.familyAnnual);
        }
    }

    // property R2
    function check_line__that_is_denied_has_a_reason_and_no_amounts(
        IRules.Limits calldata limits,
        IRules.Used calldata person,
        IRules.Used calldata family,
        IRules.Item calldata item,
        uint64 most
    ) external view {
        vm.assume(!(item.found & DENIALS).isNone() && item.waived.isNone());
        vm.assume(item.benefit.coinsurance <= 10_000);

        IRules.Item[] memory items = new IRules.Item[](1);
        items[0] = item;
        IRules.Decision memory decision = _rules.decide(limits, person, family, items, most);

        IRules.Outcome memory found = decision.outcomes[0];
        assert(found.reasons.denies());
        assert(found.allowed == 0 && found.deductible == 0 && found.copay == 0 && found.coinsurance == 0);
        assert(found.over == 0 && found.paid == 0 && decision.paid == 0 && decision.share == 0);
        assert(keccak256(abi.encode(decision.person)) == keccak256(abi.encode(person)));
        assert(keccak256(abi.encode(decision.family)) == keccak256(abi.encode(family)));
    }

    function _decide(
        IRules.Limits calldata limits,
        IRules.Used calldata person,
        IRules.Used calldata family,
        Amounts calldata amounts,
        uint64 most
    ) private view returns (IRules.Decision memory) {
        IRules.Item[] memory items = new IRules.Item[](1);
        items[0].benefit.price = amounts.price;
        items[0].benefit.copay = amounts.copay;
        items[0].benefit.coinsurance = amounts.coinsurance;
        items[0].benefit.deductible = amounts.deductible;
        items[0].units = amounts.units;
        items[0].charged = amounts.charged;
        return _rules.decide(limits, person, family, items, most);
    }

    /// @dev What was used beyond a limit before may stay so, and grows no more.
    function _assertWithin(uint64 limit, uint64 before, uint64 now_) private pure {
        assert(now_ <= limit || now_ == before);
    }
}
