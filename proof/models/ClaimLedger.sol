// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IBenefits} from "../../contracts/interfaces/cover/IBenefits.sol";
import {IClaims} from "../../contracts/interfaces/cover/IClaims.sol";
import {IEscrow} from "../../contracts/interfaces/cover/IEscrow.sol";
import {IRules} from "../../contracts/interfaces/cover/IRules.sol";
import {Line} from "../../contracts/types/Claim.sol";
import {DENIALS, FREQUENCY, Reasons} from "../../contracts/types/Reasons.sol";
import {Handler} from "../Handler.sol";
import {CLINIC, FIRST_PHARMACY, HOSPITAL, World} from "../World.sol";
import {Schedules} from "./Schedules.sol";

/// @title ClaimLedger
/// @notice What is known of plans, people, claims and money without asking the contracts: what was paid in, what each
/// claim that stands has used and was paid, and what was disputed.
abstract contract ClaimLedger is Handler {
    uint256 internal constant PLANS = 3;
    uint256 internal constant PROVIDERS_HERE = 3;
    bytes32 internal constant NONE = bytes32(0);

    /// @dev A plan and what went in and out of its money.
    struct Scheme {
        bytes32 id;
        uint32 insurer;
        address token;
        IRules.Limits limits;
        uint256 deposited;
        uint256 drained;
        uint256 paid;
    }

    /// @dev A provider's account with a plan.
    struct Purse {
        uint256 received;
        uint256 disputed;
        uint256 owed;
    }

    struct Person {
        address pseudonym;
        uint256 key;
        uint96 family;
        uint64 lifetime;
    }

    /// @dev What the claims that stand have used of limits.
    struct Sum {
        uint256 deductible;
        uint256 pocket;
        uint256 paid;
    }

    /// @dev A claim and what became of it.
    /// @param first The number of the claim of the earlier payer, counted from one.
    /// @param settled The claim as it is shown, encoded.
    /// @param left What its outcomes leave to the patient.
    /// @param script The number of the prescription that it fills, counted from one.
    struct Told {
        bytes32 id;
        bytes32 content;
        uint256 plan;
        uint256 who;
        uint32 provider;
        uint256 first;
        bytes settled;
        IClaims.ClaimStatus status;
        IBenefits.Missing missing;
        uint32 time;
        uint32 decided;
        uint64 paid;
        uint256 left;
        uint256 sharePaid;
        uint256 shareReceived;
        bool isGoods;
        bool agreed;
        bool refused;
        bool hasSecondary;
        bool upheld;
        uint8 appeal;
        uint40 appealTime;
        uint8 refutation;
        uint40 refuteTime;
        uint256 script;
    }

    Scheme[] internal _schemes;
    Person[] internal _persons;
    Told[] internal _claims;
    address[] internal _known;
    uint256 internal _touched;

    mapping(uint256 plan => mapping(uint32 member => Purse)) internal _purseOf;
    mapping(bytes32 holder => Sum) internal _sumOf;
    mapping(bytes32 key => bytes32 claim) internal _takenBy;
    mapping(bytes32 key => uint256) internal _unitsOf;
    mapping(bytes32 key => bool) internal _setAside;
    mapping(address account => bool) private _isKnown;

    constructor(World world_) Handler(world_) {}

    // What decisions use

    /// @dev A claim was decided: what it uses is written down, and was free before.
    function _add(Told storage told, IClaims.Settled memory settled, uint32[] memory authorized) internal {
        told.settled = abi.encode(settled);
        told.left = 0;
        uint256 paid = 0;
        for (uint256 i = 0; i < settled.outcomes.length; ++i) {
            IRules.Outcome memory outcome = settled.outcomes[i];
            _checkLine(settled.claim.lines[i], settled.benefits[i], outcome);
            if (_isDenied(outcome)) continue;
            paid += outcome.paid;
            told.left += outcome.allowed - outcome.paid;
            _addSums(told, outcome);
            _addLine(told, settled, i, authorized[i]);
        }
        // property C17
        _must(told.paid == paid, "C17");
        if (paid != 0) _schemes[told.plan].paid += paid;
        _checkLimits(told);
    }

    function _checkLine(Line memory line, IRules.Benefit memory benefit, IRules.Outcome memory outcome) private {
        uint256 parts = uint256(outcome.deductible) + outcome.copay + outcome.coinsurance + outcome.over + outcome.paid;
        // property C4
        _must(outcome.paid <= outcome.allowed && outcome.allowed <= line.charged, "C4");
        _must(parts == outcome.allowed, "C4");
        // property R1
        _must(outcome.allowed <= uint256(benefit.price) * line.units, "R1");
        // property R2
        if (_isDenied(outcome)) _must(outcome.allowed == 0, "R2");
    }

    function _addSums(Told storage told, IRules.Outcome memory outcome) private {
        bytes32[2] memory holders = _holdersOf(told.plan, told.who);
        for (uint256 i = 0; i < 2; ++i) {
            if (holders[i] == NONE) continue;
            Sum storage sum = _sumOf[holders[i]];
            sum.deductible += outcome.deductible;
            sum.pocket += uint256(outcome.copay) + outcome.deductible + outcome.coinsurance;
            sum.paid += outcome.paid;
        }
    }

    function _addLine(Told storage told, IClaims.Settled memory settled, uint256 i, uint32 authorized) private {
        Line memory line = settled.claim.lines[i];
        IRules.Benefit memory benefit = settled.benefits[i];
        address who = settled.claim.pseudonym;
        if (told.isGoods) {
            if (told.first == 0) _use(told.id, keccak256(abi.encode("pack", settled.batch, settled.index)), false);
        } else {
            _use(told.id, _evidenceKey(told, settled), true);
            _use(told.id, keccak256(abi.encode("day", told.plan, who, Schedules.keyOf(benefit), line.day)), false);
        }
        if (authorized != 0) _use(told.id, _authorizationKey(line.authorization), false);
        if (benefit.yearlyUnits == 0) return;

        bytes32 key = keccak256(abi.encode("units", told.plan, who, benefit.service));
        _unitsOf[key] += line.units;
        // property C8
        _must(_unitsOf[key] <= benefit.yearlyUnits || _setAside[key], "C8");
    }

    /// @dev What is paid for once, is paid for by one claim at a time.
    function _use(bytes32 claim, bytes32 key, bool mayBeIts) private {
        bytes32 by = _takenBy[key];
        // property C8
        _must(by == NONE || (mayBeIts && by == claim), "C8");
        _takenBy[key] = claim;
    }

    function _checkLimits(Told storage told) private {
        IRules.Limits memory limits = _schemes[told.plan].limits;
        bytes32[2] memory holders = _holdersOf(told.plan, told.who);
        Sum memory own = _sumOf[holders[0]];
        bool isWithin = own.deductible <= limits.deductible && own.pocket <= limits.outOfPocket;
        isWithin = isWithin && own.paid <= limits.annual;
        isWithin = isWithin && own.paid + _persons[told.who].lifetime <= limits.lifetime;
        if (holders[1] != NONE) {
            Sum memory all = _sumOf[holders[1]];
            isWithin = isWithin && all.deductible <= limits.familyDeductible;
            isWithin = isWithin && all.pocket <= limits.familyOutOfPocket && all.paid <= limits.familyAnnual;
        }
        // property C5
        _must(isWithin, "C5");
    }

    /// @dev A claim that stood does so no more. By evidence that an arbiter rejected nothing is claimed again.
    function _remove(Told storage told, bool rejected) internal {
        IClaims.Settled memory settled = _settled(told);
        for (uint256 i = 0; i < settled.outcomes.length; ++i) {
            IRules.Outcome memory outcome = settled.outcomes[i];
            if (_isDenied(outcome)) continue;
            _removeSums(told, outcome);
            _removeLine(told, settled, i, rejected);
        }
        _schemes[told.plan].paid -= told.paid;
        (told.paid, told.left) = (0, 0);
        told.status = IClaims.ClaimStatus.Reversed;
        if (told.first != 0) _claims[told.first - 1].hasSecondary = false;
    }

    function _removeSums(Told storage told, IRules.Outcome memory outcome) private {
        bytes32[2] memory holders = _holdersOf(told.plan, told.who);
        for (uint256 i = 0; i < 2; ++i) {
            if (holders[i] == NONE) continue;
            Sum storage sum = _sumOf[holders[i]];
            sum.deductible -= outcome.deductible;
            sum.pocket -= uint256(outcome.copay) + outcome.deductible + outcome.coinsurance;
            sum.paid -= outcome.paid;
        }
    }

    function _removeLine(Told storage told, IClaims.Settled memory settled, uint256 i, bool rejected) private {
        Line memory line = settled.claim.lines[i];
        IRules.Benefit memory benefit = settled.benefits[i];
        address who = settled.claim.pseudonym;
        if (told.isGoods) {
            if (told.first == 0) _free(told.id, keccak256(abi.encode("pack", settled.batch, settled.index)));
        } else {
            if (!rejected) _free(told.id, _evidenceKey(told, settled));
            _free(told.id, keccak256(abi.encode("day", told.plan, who, Schedules.keyOf(benefit), line.day)));
        }
        _free(told.id, _authorizationKey(line.authorization));
        if (benefit.yearlyUnits == 0) return;
        _unitsOf[keccak256(abi.encode("units", told.plan, who, benefit.service))] -= line.units;
    }

    function _free(bytes32 claim, bytes32 key) private {
        if (_takenBy[key] == claim) _takenBy[key] = NONE;
    }

    /// @dev A piece of evidence has one first payer, and each later payer once.
    function _evidenceKey(Told storage told, IClaims.Settled memory settled) private view returns (bytes32) {
        uint256 payer = told.first == 0 ? PLANS : told.plan;
        return keccak256(abi.encode("evidence", payer, settled.claim.pseudonym, settled.claim.evidence));
    }

    function _authorizationKey(bytes32 authorization) internal pure returns (bytes32) {
        return keccak256(abi.encode("authorization", authorization));
    }

    // Money

    /// @dev A provider is paid, and first what it owes of it.
    function _paidOut(uint256 plan, uint32 member, uint256 amount) internal {
        Purse storage purse = _purseOf[plan][member];
        purse.received += amount;
        purse.owed -= amount < purse.owed ? amount : purse.owed;
    }

    /// @dev Everything that there is of a token, by who has it.
    function _wealth(address token) internal view returns (uint256[] memory wealth) {
        IEscrow escrow = world.escrow();
        wealth = new uint256[](_known.length);
        for (uint256 i = 0; i < wealth.length; ++i) {
            wealth[i] = IERC20(token).balanceOf(_known[i]) + escrow.creditOf(token, _known[i]);
        }
    }

    /// @dev Makes an act about a provider's claim. It takes money from nobody but who acts and who answers for the provider.
    function _move(
        address sender,
        address target,
        bytes memory data,
        uint256 plan,
        uint32 provider
    ) internal returns (bytes memory answer) {
        address token = _schemes[plan].token;
        IEscrow.Payout memory payout = world.escrow().payoutOf(provider);
        address answerer = payout.answers ? payout.payee : world.accountOf(provider);
        _know(world.accountOf(provider));
        uint256[] memory before = _wealth(token);
        uint256 coins = IERC20(token).balanceOf(answerer);
        answer = _do(sender, target, data);
        // property C3: of who never agreed to answer, no more than what was to come is taken.
        bool isAsked = payout.answers || sender == answerer;
        _must(isAsked || IERC20(token).balanceOf(answerer) >= coins, "C3");
        uint256[] memory later = _wealth(token);
        for (uint256 i = 0; i < before.length; ++i) {
            // property C3
            _must(later[i] >= before[i] || _known[i] == sender || _known[i] == answerer, "C3");
        }
    }

    function _know(address account) internal {
        if (_isKnown[account]) return;
        _isKnown[account] = true;
        _known.push(account);
    }

    // What everything comes to

    /// @dev The escrow has of a token exactly what it owes.
    function _isCovered(address token) internal view returns (bool) {
        IEscrow escrow = world.escrow();
        uint256 owed = 0;
        for (uint256 plan = 0; plan < PLANS; ++plan) {
            if (_schemes[plan].token != token) continue;
            owed += escrow.balanceOf(_schemes[plan].id);
            for (uint256 i = 0; i < PROVIDERS_HERE; ++i) {
                owed += escrow.accountOf(_schemes[plan].id, _providerAt(i)).withheld;
            }
        }
        for (uint256 i = 0; i < _known.length; ++i) {
            owed += escrow.creditOf(token, _known[i]);
        }
        return IERC20(token).balanceOf(address(escrow)) == owed;
    }

    /// @dev A plan has what went in, less what was taken out and what its claims that stand were paid, but for what
    /// providers still owe of claims that an arbiter has taken back.
    function _isKept(uint256 plan) internal view returns (bool) {
        Scheme storage scheme = _schemes[plan];
        uint256 owed = 0;
        for (uint256 i = 0; i < PROVIDERS_HERE; ++i) owed += _purseOf[plan][_providerAt(i)].owed;
        uint256 balance = world.escrow().balanceOf(scheme.id);
        return balance + scheme.drained + scheme.paid + owed == scheme.deposited;
    }

    function _settled(Told storage told) internal view returns (IClaims.Settled memory) {
        return abi.decode(told.settled, (IClaims.Settled));
    }

    function _holdersOf(uint256 plan, uint256 who) internal view returns (bytes32[2] memory holders) {
        Person storage person = _persons[who];
        holders[0] = keccak256(abi.encode("person", plan, person.pseudonym));
        if (person.family != 0) holders[1] = keccak256(abi.encode("family", plan, person.family));
    }

    function _isDenied(IRules.Outcome memory outcome) internal pure returns (bool) {
        return Reasons.unwrap(outcome.reasons) & Reasons.unwrap(DENIALS) != 0;
    }

    function _providerAt(uint256 seed) internal pure returns (uint32) {
        if (seed % PROVIDERS_HERE == 0) return HOSPITAL;
        return seed % PROVIDERS_HERE == 1 ? CLINIC : FIRST_PHARMACY;
    }

    /// @dev An appeal may set aside how often a service is paid for in a year.
    function _noteWaived(Told storage told, IClaims.Settled memory settled, Reasons[] memory waived) internal {
        for (uint256 i = 0; i < waived.length; ++i) {
            if (Reasons.unwrap(waived[i]) & Reasons.unwrap(FREQUENCY) == 0) continue;
            bytes32 service = settled.benefits[i].service;
            _setAside[keccak256(abi.encode("units", told.plan, settled.claim.pseudonym, service))] = true;
        }
    }
}
