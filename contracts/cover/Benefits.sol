// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IAuthorizations} from "../interfaces/cover/IAuthorizations.sol";
import {IBenefits} from "../interfaces/cover/IBenefits.sol";
import {IPolicies} from "../interfaces/cover/IPolicies.sol";
import {IRules} from "../interfaces/cover/IRules.sol";
import {IRecords} from "../interfaces/health/IRecords.sol";
import {Claim, Line} from "../types/Claim.sol";
import {
    AFTER_COVER,
    BEFORE_COVER,
    BUNDLED,
    DUPLICATE,
    LATE,
    NOT_COVERED,
    REVIEWED,
    Reasons
} from "../types/Reasons.sol";

/// @title Benefits
/// @notice What a claim gets of a policy's benefits, and what was used of them: once a day, once a piece of evidence.
contract Benefits is IBenefits {
    IConsortium private immutable _consortium;
    IRecords private immutable _records;
    IPolicies private immutable _policies;
    IRules private immutable _rules;
    IAuthorizations private immutable _authorizations;

    /// @inheritdoc IBenefits
    mapping(bytes32 authorization => bytes32 claim) public usedBy;

    mapping(bytes32 policy => IRules.Used) private _personOf;
    mapping(bytes32 plan => mapping(uint96 family => IRules.Used)) private _familyOf;
    mapping(bytes32 payer => mapping(bytes32 evidence => bool)) private _isClaimed;
    mapping(bytes32 policy => mapping(bytes32 service => uint256)) private _unitsOf;
    mapping(bytes32 policy => mapping(bytes32 key => mapping(uint256 word => uint256))) private _daysOf;

    constructor(
        IConsortium consortium,
        IRecords records,
        IPolicies policies,
        IRules rules,
        IAuthorizations authorizations
    ) {
        _consortium = consortium;
        _records = records;
        _policies = policies;
        _rules = rules;
        _authorizations = authorizations;
    }

    /// @inheritdoc IBenefits
    function usedOf(
        bytes32 plan,
        address pseudonym
    ) external view returns (IRules.Used memory person, IRules.Used memory family) {
        return _usedOf(plan, pseudonym, _policies.coverOf(plan, pseudonym));
    }

    /// @inheritdoc IBenefits
    function isClaimed(bytes32 plan, address pseudonym, bytes32 evidence) external view returns (bool) {
        (, address adjudicator, ) = _policies.moneyOf(plan);
        return _isTaken(plan, pseudonym, adjudicator, evidence);
    }

    /// @inheritdoc IBenefits
    function unitsOf(bytes32 plan, address pseudonym, bytes32 service) external view returns (uint256) {
        return _unitsOf[_policyOf(plan, pseudonym)][service];
    }

    /// @inheritdoc IBenefits
    function daysOf(bytes32 plan, address pseudonym, bytes32 key, uint256 word) external view returns (uint256) {
        return _daysOf[_policyOf(plan, pseudonym)][key][word];
    }

    /// @inheritdoc IBenefits
    function factsOf(
        IRules.Benefit[] calldata benefits,
        IRules.Outcome[] calldata outcomes
    ) external pure returns (bytes32 facts) {
        return keccak256(abi.encode(benefits, outcomes));
    }

    /// @inheritdoc IBenefits
    function quote(
        Claim calldata claim,
        Row[] calldata rows,
        Query calldata query
    ) external view returns (IRules.Item[] memory items, IRules.Decision memory decision, Missing missing) {
        IPolicies.Cover memory cover = _policies.coverOf(claim.plan, claim.pseudonym);
        items = _items(claim, _benefits(claim, rows, cover.schedule), query, cover);
        (decision, missing) = _assess(claim, items, query, cover);
    }

    /// @inheritdoc IBenefits
    function decide(
        Claim calldata claim,
        Row[] calldata rows,
        Query calldata query
    ) external returns (Verdict memory verdict) {
        IPolicies.Cover memory cover = _coverFor(claim);
        IRules.Benefit[] memory benefits = _benefits(claim, rows, cover.schedule);

        return _decide(claim, _items(claim, benefits, query, cover), query, cover);
    }

    /// @inheritdoc IBenefits
    function redecide(
        Claim calldata claim,
        IRules.Benefit[] calldata benefits,
        Reasons[] calldata waived,
        Query calldata query
    ) external returns (Verdict memory verdict) {
        if (waived.length != claim.lines.length) revert LengthsDiffer(claim.lines.length, waived.length);
        IPolicies.Cover memory cover = _coverFor(claim);
        IRules.Item[] memory items = _items(claim, benefits, query, cover);
        for (uint256 i = 0; i < items.length; ++i) {
            items[i].waived = waived[i];
        }

        return _decide(claim, items, query, cover);
    }

    /// @inheritdoc IBenefits
    function undo(
        Claim calldata claim,
        IRules.Benefit[] calldata benefits,
        IRules.Outcome[] calldata outcomes,
        Query calldata query
    ) external {
        IPolicies.Cover memory cover = _coverFor(claim);
        (IRules.Used memory person, IRules.Used memory family) = _usedOf(claim.plan, claim.pseudonym, cover);
        for (uint256 i = 0; i < outcomes.length; ++i) {
            if (outcomes[i].reasons.denies()) continue;

            _unuse(claim, claim.lines[i], benefits[i], query, cover);
            _giveBack(person, outcomes[i]);
            if (cover.policy.family != 0) _giveBack(family, outcomes[i]);
            person.lifetime -= outcomes[i].paid;
        }
        _store(claim, cover, person, family);

        emit Unused(query.id, person, family);
    }

    function _decide(
        Claim calldata claim,
        IRules.Item[] memory items,
        Query calldata query,
        IPolicies.Cover memory cover
    ) private returns (Verdict memory verdict) {
        IRules.Decision memory decision;
        (decision, verdict.missing) = _assess(claim, items, query, cover);
        if (verdict.missing != Missing.Nothing) return verdict;

        IRules.Benefit[] memory benefits = new IRules.Benefit[](items.length);
        for (uint256 i = 0; i < items.length; ++i) {
            benefits[i] = items[i].benefit;
            if (!decision.outcomes[i].reasons.denies()) _use(claim, items[i], query, cover);
        }
        _store(claim, cover, decision.person, decision.family);
        verdict.paid = decision.paid;
        verdict.share = decision.share;
        verdict.facts = keccak256(abi.encode(benefits, decision.outcomes));

        emit Assessed(query.id, decision.outcomes, decision.person, decision.family);
    }

    /// @dev What is paid once: the evidence, a service or a bundle on a day, an authorization; and the units of a year.
    function _use(
        Claim calldata claim,
        IRules.Item memory item,
        Query calldata query,
        IPolicies.Cover memory cover
    ) private {
        bytes32 policy = _policyOf(claim.plan, claim.pseudonym);
        IRules.Benefit memory benefit = item.benefit;
        if (!query.isGoods) {
            _isClaimed[_payerOf(claim, cover)][claim.evidence] = true;
            _daysOf[policy][_keyOf(benefit)][item.day >> 8] |= 1 << (item.day & 0xff);
        }
        if (benefit.yearlyUnits != 0) _unitsOf[policy][benefit.service] += item.units;
        if (item.authorizedUnits != 0) usedBy[item.authorization] = query.id;
    }

    function _unuse(
        Claim calldata claim,
        Line calldata line,
        IRules.Benefit calldata benefit,
        Query calldata query,
        IPolicies.Cover memory cover
    ) private {
        bytes32 policy = _policyOf(claim.plan, claim.pseudonym);
        if (!query.isGoods) {
            if (!query.refused) _isClaimed[_payerOf(claim, cover)][claim.evidence] = false;
            _daysOf[policy][_keyOf(benefit)][line.day >> 8] &= ~(1 << (line.day & 0xff));
        }
        if (benefit.yearlyUnits != 0) _unitsOf[policy][benefit.service] -= line.units;
        if (usedBy[line.authorization] == query.id) _free(claim, line);
    }

    /// @dev Only what was for this line: an adjudicator may name another plan's claim.
    function _free(Claim calldata claim, Line calldata line) private {
        bytes32 authorization = line.authorization;
        (uint16 units, ) = _authorizations.allowanceOf(
            authorization,
            claim.plan,
            claim.pseudonym,
            claim.provider,
            line.service,
            0
        );
        if (units != 0) usedBy[authorization] = 0;
    }

    function _store(
        Claim calldata claim,
        IPolicies.Cover memory cover,
        IRules.Used memory person,
        IRules.Used memory family
    ) private {
        _personOf[_policyOf(claim.plan, claim.pseudonym)] = person;
        if (cover.policy.family != 0) _familyOf[claim.plan][cover.policy.family] = family;
    }

    function _assess(
        Claim calldata claim,
        IRules.Item[] memory items,
        Query calldata query,
        IPolicies.Cover memory cover
    ) private view returns (IRules.Decision memory decision, Missing missing) {
        (IRules.Used memory person, IRules.Used memory family) = _usedOf(claim.plan, claim.pseudonym, cover);
        decision = _rules.decide(cover.limits, person, family, items, query.most);

        if (!query.isGoods && _evident(claim) == 0) return (decision, Missing.Evidence);
        for (uint256 i = 0; i < items.length; ++i) {
            bool isOpen = items[i].benefit.review && !decision.outcomes[i].reasons.denies();
            if (isOpen && !query.agreed) return (decision, Missing.Review);
        }
        if (decision.paid > query.funds) return (decision, Missing.Funds);
    }

    /// @dev The lines with what the chain knows about them.
    function _items(
        Claim calldata claim,
        IRules.Benefit[] memory benefits,
        Query calldata query,
        IPolicies.Cover memory cover
    ) private view returns (IRules.Item[] memory items) {
        bytes32 policy = _policyOf(claim.plan, claim.pseudonym);
        Reasons common = _common(claim, query, cover);
        uint8 tier = _tierFor(benefits, claim.provider);
        items = new IRules.Item[](benefits.length);
        for (uint256 i = 0; i < items.length; ++i) {
            Line calldata line = claim.lines[i];
            IRules.Benefit memory benefit = benefits[i];
            IRules.Item memory item = items[i];
            item.benefit = benefit;
            item.day = line.day;
            item.units = line.units;
            item.charged = line.charged;
            item.tier = tier;
            item.authorization = line.authorization;
            item.found = common;
            if (benefit.yearlyUnits != 0) item.usedUnits = uint32(_unitsOf[policy][line.service]);
            if (benefit.authorization && usedBy[line.authorization] == 0) _authorize(claim, item, query.time);
            if (query.isGoods != (benefit.kind == IRules.Kind.Goods)) item.found = item.found | NOT_COVERED;
            if (benefit.review && query.refused) item.found = item.found | REVIEWED;
            if (query.isGoods) item.waited = _waited(query.time, cover.policy.since);
            else _place(item, policy, cover.policy);
        }
    }

    function _authorize(Claim calldata claim, IRules.Item memory item, uint40 time) private view {
        (item.authorizedUnits, item.authorizedAmount) = _authorizations.allowanceOf(
            item.authorization,
            claim.plan,
            claim.pseudonym,
            claim.provider,
            item.benefit.service,
            time
        );
    }

    /// @dev Where a service lies in the policy year, and whether its day is taken.
    function _place(IRules.Item memory item, bytes32 policy, IPolicies.Policy memory terms) private view {
        if (item.day < terms.first) item.found = item.found | BEFORE_COVER;
        else item.waited = item.day - terms.first;
        if (item.day > terms.last) item.found = item.found | AFTER_COVER;
        bool isTaken = (_daysOf[policy][_keyOf(item.benefit)][item.day >> 8] >> (item.day & 0xff)) & 1 != 0;
        if (isTaken) item.found = item.found | (item.benefit.bundle == 0 ? DUPLICATE : BUNDLED);
    }

    /// @dev What speaks against every line. A year that ran its course leaves time to write of its last days.
    function _common(
        Claim calldata claim,
        Query calldata query,
        IPolicies.Cover memory cover
    ) private view returns (Reasons found) {
        IPolicies.Policy memory policy = cover.policy;
        if (query.isGoods) {
            _recall(claim, policy, query.time);
            if (query.time < policy.since) found = found | BEFORE_COVER;
            if (query.time >= policy.until) found = found | AFTER_COVER;
            return found;
        }

        uint256 evident = _evident(claim);
        _recall(claim, policy, evident);
        uint256 filing = uint256(cover.filingDays) * 1 days;
        bool ranItsCourse = policy.until == policy.ends && !policy.ended;
        uint256 until = ranItsCourse ? policy.until + filing : policy.until;
        if (evident < policy.since) found = found | BEFORE_COVER;
        if (evident >= until) found = found | AFTER_COVER;
        if (query.time > evident + filing) found = found | LATE;
        bool isTaken = _isClaimed[_payerOf(claim, cover)][claim.evidence];
        if (claim.primary == 0) isTaken = _isTaken(claim.plan, claim.pseudonym, cover.adjudicator, claim.evidence);
        if (isTaken) found = found | DUPLICATE;
    }

    function _isTaken(
        bytes32 plan,
        address pseudonym,
        address adjudicator,
        bytes32 evidence
    ) private view returns (bool) {
        return
            _isClaimed[_policyOf(plan, pseudonym)][evidence] || _isClaimed[_firstOf(adjudicator, pseudonym)][evidence];
    }

    /// @dev What fell into the time before a policy was taken up again is covered as it was then.
    function _recall(Claim calldata claim, IPolicies.Policy memory policy, uint256 moment) private view {
        if (moment >= policy.since) return;

        (uint40 since, uint40 until) = _policies.formerOf(claim.plan, claim.pseudonym);
        if (moment < until) (policy.since, policy.until) = (since, until);
    }

    /// @dev A record that the provider itself wrote under the pseudonym and stands by; what a patient reports is none.
    function _evident(Claim calldata claim) private view returns (uint40) {
        IRecords.Record memory record = _records.recordOf(claim.pseudonym, claim.provider, claim.evidence);
        return record.status == IRecords.RecordStatus.Current ? record.time : 0;
    }

    /// @dev A person's slot is empty until something is used; what was paid under earlier policies counts from then on.
    function _usedOf(
        bytes32 plan,
        address pseudonym,
        IPolicies.Cover memory cover
    ) private view returns (IRules.Used memory person, IRules.Used memory family) {
        person = _personOf[_policyOf(plan, pseudonym)];
        if (person.lifetime == 0) person.lifetime = _policies.lifetimeOf(plan, pseudonym);
        if (cover.policy.family != 0) family = _familyOf[plan][cover.policy.family];
    }

    /// @dev Asked only where a row needs it.
    function _tierFor(IRules.Benefit[] memory benefits, uint32 provider) private view returns (uint8) {
        for (uint256 i = 0; i < benefits.length; ++i) {
            if (benefits[i].grade != 0) return _consortium.memberOf(provider).tier;
        }
        return 0;
    }

    function _coverFor(Claim calldata claim) private view returns (IPolicies.Cover memory cover) {
        cover = _policies.coverOf(claim.plan, claim.pseudonym);
        if (msg.sender != cover.adjudicator) revert NotTheAdjudicator(msg.sender, cover.adjudicator);
    }

    /// @dev The lines' rows, each shown to be in the schedule.
    function _benefits(
        Claim calldata claim,
        Row[] calldata rows,
        bytes32 schedule
    ) private pure returns (IRules.Benefit[] memory benefits) {
        if (rows.length != claim.lines.length) revert LengthsDiffer(claim.lines.length, rows.length);
        benefits = new IRules.Benefit[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            bytes32 service = claim.lines[i].service;
            benefits[i] = rows[i].benefit;
            bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(benefits[i]))));
            bool isThere = MerkleProof.verifyCalldata(rows[i].proof, schedule, leaf);
            if (!isThere || benefits[i].service != service) revert WrongRow(service);
        }
    }

    function _giveBack(IRules.Used memory used, IRules.Outcome calldata outcome) private pure {
        used.deductible -= outcome.deductible;
        used.outOfPocket -= outcome.copay + outcome.deductible + outcome.coinsurance;
        used.paid -= outcome.paid;
    }

    function _waited(uint40 time, uint40 since) private pure returns (uint32) {
        return time < since ? 0 : uint32((time - since) / 1 days);
    }

    function _keyOf(IRules.Benefit memory benefit) private pure returns (bytes32) {
        return benefit.bundle == 0 ? benefit.service : benefit.bundle;
    }

    /// @dev A piece of evidence has one first payer among all plans that a contract decides, and each later payer once.
    function _payerOf(Claim calldata claim, IPolicies.Cover memory cover) private pure returns (bytes32) {
        bool isFirst = claim.primary == 0;
        return isFirst ? _firstOf(cover.adjudicator, claim.pseudonym) : _policyOf(claim.plan, claim.pseudonym);
    }

    function _firstOf(address adjudicator, address pseudonym) private pure returns (bytes32) {
        return keccak256(abi.encode(adjudicator, pseudonym));
    }

    function _policyOf(bytes32 plan, address pseudonym) private pure returns (bytes32) {
        return keccak256(abi.encode(plan, pseudonym));
    }
}
