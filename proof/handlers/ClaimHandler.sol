// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IAppeals} from "../../contracts/interfaces/cover/IAppeals.sol";
import {IAuthorizations} from "../../contracts/interfaces/cover/IAuthorizations.sol";
import {IBenefits} from "../../contracts/interfaces/cover/IBenefits.sol";
import {IClaims} from "../../contracts/interfaces/cover/IClaims.sol";
import {IEscrow} from "../../contracts/interfaces/cover/IEscrow.sol";
import {IPolicies} from "../../contracts/interfaces/cover/IPolicies.sol";
import {IRules} from "../../contracts/interfaces/cover/IRules.sol";
import {IRecords} from "../../contracts/interfaces/health/IRecords.sol";
import {IBatches} from "../../contracts/interfaces/medicine/IBatches.sol";
import {IPrescriptions} from "../../contracts/interfaces/medicine/IPrescriptions.sol";
import {Coin} from "../../contracts/test/Coin.sol";
import {OddToken} from "../../contracts/test/OddToken.sol";
import {Claim, Line} from "../../contracts/types/Claim.sol";
import {DISPENSE_FOR, FILL_FOR} from "../../contracts/types/Operations.sol";
import {Reasons} from "../../contracts/types/Reasons.sol";
import {INSURER, PRESCRIBER, PROVIDERS, Roles} from "../../contracts/types/Roles.sol";
import {Handler} from "../Handler.sol";
import {ClaimLedger} from "../models/ClaimLedger.sol";
import {PackTrees} from "../models/PackTrees.sol";
import {People} from "../models/People.sol";
import {Probe} from "../models/Probe.sol";
import {Schedules} from "../models/Schedules.sol";
import {VM} from "../Vm.sol";
import {
    AUTHORITY,
    CLINIC,
    FIRST_INSURER,
    FIRST_MAKER,
    FIRST_PHARMACY,
    HOSPITAL,
    SECOND_CUSTODIAN,
    SECOND_INSURER,
    World
} from "../World.sol";

/// @title ClaimHandler
/// @notice What patients, providers, two insurers and an arbiter say of claims, from a prescription or a visit until the
/// money is with somebody, and what others try.
contract ClaimHandler is ClaimLedger {
    uint256 private constant MOST_CLAIMS = 24;
    uint256 private constant MOST_PERSONS = 9;
    uint256 private constant FIRST_TREE = 1_000_000;
    uint64 private constant NO_LIMIT = type(uint64).max;

    uint16 private constant FILING_DAYS = 20;
    uint16 private constant REFUTE_DAYS = 8;
    uint16 private constant APPEAL_DAYS = 2;
    uint16 private constant REVERSAL_DAYS = 10;
    uint16 private constant FIRST_DAY = 1000;
    uint16 private constant LAST_DAY = 1364;

    bytes32 private constant ENROL_TYPEHASH = keccak256(
        "Enrol(address pseudonym,bytes32 plan,uint96 family,uint16 first,uint16 last,uint40 ends,uint64 lifetime,address underwriter,uint32 era,uint40 deadline)"
    );
    bytes32 private constant APPEAL_TYPEHASH = keccak256(
        "Appeal(address pseudonym,bytes32 claim,bytes32 document,uint32 era,uint40 deadline)"
    );
    bytes32 private constant RULING_TYPEHASH = keccak256(
        "Ruling(bytes32 claim,bytes32 openings,bool forInsurer,address arbiter,uint40 deadline)"
    );
    bytes32 private constant LINE_TYPEHASH = keccak256(
        "Line(bytes32 item,uint16 quantity,uint8 refills,uint16 interval,uint40 earliest,uint40 latest)"
    );
    bytes32 private constant TAKE_TYPEHASH = keccak256(
        "Take(bytes32 prescription,uint32 lines,uint32 from,uint32 to,uint32 nonce,uint40 deadline)"
    );

    uint8 private constant OPEN = 1;
    uint8 private constant DISMISSED = 2;

    Roles private constant ARBITERS = Roles.wrap((1 << 6) | (1 << 7));

    /// @dev A prescription with one line.
    struct Script {
        IPrescriptions.Terms terms;
        IPrescriptions.Line line;
        uint256 bearer;
        uint32 words;
    }

    /// @dev What was asked to be authorized.
    struct Asked {
        bytes32 id;
        uint256 plan;
        uint256 who;
        uint32 provider;
        uint16 units;
        IAuthorizations.AuthorizationStatus status;
        uint40 expiry;
    }

    /// @dev What can be done with a claim.
    enum Wanted {
        Reversible,
        Paid,
        Appealable,
        Refutable,
        Resumable,
        Reviewable,
        Appealed,
        Ruled,
        Lapsed,
        Shared,
        Authorized,
        Refuted,
        Late
    }

    /// @dev A claim as it is about to be said.
    struct Said {
        uint256 plan;
        uint256 who;
        uint256 first;
        uint256 script;
        bool isGoods;
        uint32 time;
        IClaims.Settled settled;
        IBenefits.Row[] rows;
        IBenefits.Query query;
        Probe.Answer answer;
    }

    Probe private immutable _probe;
    Coin private immutable _coin;
    OddToken private immutable _odd;

    Script[] private _scripts;
    Asked[] private _asked;
    uint256 private _made;
    uint256 private _packs;
    bytes32 private _batch;

    constructor(World world_) ClaimLedger(world_) {
        _probe = new Probe(world_);
        _coin = new Coin(2);
        _odd = new OddToken(abi.encode(uint256(6)));
        _found();
        _employ();
        for (uint256 i = 0; i < 4; ++i) _enrolNew(i);
    }

    // Money

    function deposit(uint256 seed, uint256 amount) external acting {
        uint256 plan = seed % PLANS;
        if (plan == 2 && (seed / 8) % 2 == 0) _odd.setOddity(OddToken.Oddity((seed / 16) % 7));
        _deposit(plan, _between(amount, 1, 400_000));
    }

    /// @notice The insurer takes some of its money out. That is rare, so that there is some left.
    function drain(uint256 seed, uint256 amount) external acting {
        Scheme storage scheme = _schemes[seed % PLANS];
        uint256 balance = world.escrow().balanceOf(scheme.id);
        if (balance == 0 || seed % 5 != 0) revert NothingToDo();
        amount = _between(amount, 1, balance / 4 + 1);
        address insurer = world.accountOf(scheme.insurer);
        _say(insurer, address(world.escrow()), abi.encodeCall(IEscrow.drain, (scheme.id, amount, insurer)));
        scheme.drained += amount;
    }

    function withdraw(uint256 seed) external acting {
        address token = seed % 3 == 0 ? address(_odd) : address(_coin);
        if (seed % 6 == 0) _odd.setOddity(OddToken.Oddity((seed / 6) % 7));
        for (uint256 k = 0; k < _known.length; ++k) {
            address account = _known[((seed % _known.length) + k) % _known.length];
            if (world.escrow().creditOf(token, account) == 0) continue;
            _say(account, address(world.escrow()), abi.encodeCall(IEscrow.withdraw, (token, account)));
            return;
        }
        revert NothingToDo();
    }

    function setPayout(uint256 seed, bool push) external acting {
        uint32 provider = _providerAt(seed);
        address account = world.accountOf(provider);
        address payee = (seed / 8) % 3 == 0 ? _persons[0].pseudonym : account;
        _know(payee);
        _say(account, address(world.escrow()), abi.encodeCall(IEscrow.setPayout, (provider, payee, push)));
        if ((seed / 32) % 2 == 0) return;
        _say(payee, address(world.escrow()), abi.encodeCall(IEscrow.answerFor, (provider, true)));
    }

    /// @notice The odd token changes its ways, and mostly goes back to decent ones.
    function change(uint256 seed) external acting {
        OddToken.Oddity oddity = seed % 3 == 0 ? OddToken.Oddity.None : OddToken.Oddity((seed / 3) % 7);
        _odd.setOddity(oddity);
        _odd.setCall(address(world.escrow()), abi.encodeCall(IEscrow.deposit, (_schemes[2].id, 1 + (seed % 1000))));
    }

    // Policies

    function enrol(uint256 seed) external acting {
        if (seed % 4 != 0 || _persons.length == MOST_PERSONS) revert NothingToDo();
        _enrolNew(seed / 4);
    }

    function payPremium(uint256 seed) external acting {
        if (seed % 4 != 0) revert NothingToDo();
        _pay(_persons[_someone(seed / 4)].pseudonym, uint16(1 + ((seed / 16) % 2)));
    }

    /// @notice An insurer takes up a policy again whose premium was not paid in time.
    function reinstate(uint256 seed) external acting {
        bytes32 plan = _schemes[1].id;
        for (uint256 k = 0; k < _persons.length; ++k) {
            address pseudonym = _persons[((seed % _persons.length) + k) % _persons.length].pseudonym;
            IPolicies.Policy memory policy = world.policies().policyOf(plan, pseudonym);
            if (block.timestamp <= policy.until + 2 days || block.timestamp >= policy.ends) continue;
            bytes memory data = abi.encodeCall(IPolicies.reinstate, (plan, pseudonym));
            _say(world.accountOf(SECOND_INSURER), address(world.policies()), data);
            return;
        }
        revert NothingToDo();
    }

    function endPolicy(uint256 seed) external acting {
        if (seed % 16 != 0) revert NothingToDo();
        Person storage person = _persons[(seed / 16) % _persons.length];
        bytes32 plan = _schemes[(seed / 64) % PLANS].id;
        _say(
            person.pseudonym,
            address(world.policies()),
            abi.encodeCall(IPolicies.endPolicy, (plan, person.pseudonym))
        );
    }

    // Authorizations

    /// @notice A provider asks for scans, and mostly gets some of them.
    function authorize(uint256 seed) external acting {
        Asked memory asked = _request(seed, _providerAt(seed / 64));
        address target = address(world.authorizations());
        address insurer = _speaker(_schemes[asked.plan].insurer, INSURER, seed);
        if (seed % 7 == 0) {
            _say(insurer, target, abi.encodeCall(IAuthorizations.refuse, (asked.id, "document")));
            asked.status = IAuthorizations.AuthorizationStatus.Refused;
        } else {
            if (seed % 5 == 0) {
                _say(insurer, target, abi.encodeCall(IAuthorizations.pend, (asked.id, "document")));
                address provider = _speaker(asked.provider, PROVIDERS, seed);
                _say(provider, target, abi.encodeCall(IAuthorizations.complete, (asked.id, "document")));
            }
            _approve(asked, seed);
        }
        if (_asked.length < 8) _asked.push(asked);
        else _asked[_made % 8] = asked;
    }

    // Claims

    /// @notice A provider claims for a visit. Sometimes what it wrote of that is anchored later.
    function submit(uint256 seed, uint256 lines) external acting {
        Said memory said;
        _beginClaim(said, seed);
        Claim memory claim = said.settled.claim;
        claim.provider = _providerAt(seed / 64);
        claim.evidence = bytes32(++_made);
        if (seed % 5 != 0) _write(said.who, claim.provider, claim.evidence);
        uint256 count = 1 + (lines % 3);
        claim.lines = new Line[](count);
        said.rows = new IBenefits.Row[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 row = _more(lines, i) % Schedules.SERVICES;
            said.rows[i] = Schedules.rowAt(row);
            claim.lines[i] = _line(said, row, _more(lines, 10 + i));
        }
        _submit(said, seed);
    }

    /// @notice From a prescription to a paid claim: a pack is dispensed, a line filled, and what that costs claimed.
    function dispense(uint256 seed) external acting {
        Said memory said;
        _beginClaim(said, seed);
        uint256 number = _prescribed(seed);
        (said.isGoods, said.script, said.query.isGoods) = (true, number + 1, true);
        Script storage script = _scripts[number];
        Claim memory claim = said.settled.claim;
        claim.provider = FIRST_PHARMACY;
        claim.evidence = keccak256(abi.encode(_scriptId(script), uint8(0)));
        uint256 row = Schedules.SERVICES + ((seed / 64) % 2);
        said.rows = new IBenefits.Row[](1);
        said.rows[0] = Schedules.rowAt(row);
        claim.lines = new Line[](1);
        claim.lines[0] = Line(said.rows[0].benefit.service, 0, 1, uint64(1_000 + (_more(seed, 3) % 30_000)), NONE);
        said.settled.batch = _stocked();
        said.settled.index = uint32(_freePack());
        _give(said, script, seed);
    }

    function resume(uint256 seed) external acting {
        Told storage told = _find(seed, Wanted.Resumable);
        Said memory said = _resumed(told);
        Claim memory claim = said.settled.claim;
        if (told.missing == IBenefits.Missing.Funds) _deposit(told.plan, 100_000);
        if (told.missing == IBenefits.Missing.Evidence && !_isWritten(claim)) {
            _write(told.who, claim.provider, claim.evidence);
        }
        said.query.funds = world.escrow().balanceOf(claim.plan);
        _ask(said);
        bytes memory data = abi.encodeCall(
            IClaims.resume,
            (claim, said.rows, said.settled.batch, said.settled.index, said.answer.decision.paid)
        );
        if (said.answer.missing != IBenefits.Missing.Nothing) {
            data = abi.encodeCall(IClaims.resume, (claim, said.rows, said.settled.batch, said.settled.index, 0));
        }
        _moveClaim(_speaker(claim.provider, PROVIDERS, seed), data, told.plan, told.provider);
        _decided(told, said, 0);
    }

    function review(uint256 seed, bool agreed) external acting {
        Told storage told = _find(seed, Wanted.Reviewable);
        Said memory said = _resumed(told);
        (said.query.agreed, said.query.refused) = (told.agreed || agreed, told.refused || !agreed);
        _ask(said);
        bytes memory data = abi.encodeCall(
            IClaims.review,
            (said.settled.claim, said.rows, said.settled.batch, said.settled.index, agreed)
        );
        address reviewer = _speaker(_schemes[told.plan].insurer, INSURER, seed);
        _moveClaim(reviewer, data, told.plan, told.provider);
        (told.agreed, told.refused) = (said.query.agreed, said.query.refused);
        _decided(told, said, 0);
    }

    /// @notice A provider takes its claim back, and with it, mostly, the pack and the filling.
    function reverse(uint256 seed) external acting {
        if (seed % 3 == 0) revert NothingToDo();
        Told storage told = _find(seed, Wanted.Reversible);
        IClaims.Settled memory settled = _settled(told);
        uint256 script = seed % 4 == 0 || told.first != 0 ? 0 : told.script;
        bytes32 prescription = script == 0 ? NONE : _scriptId(_scripts[script - 1]);
        bytes memory data = abi.encodeCall(IClaims.reverse, (settled, prescription, 0));
        _moveClaim(_speaker(told.provider, PROVIDERS, seed), data, told.plan, told.provider);
        Purse storage purse = _purseOf[told.plan][told.provider];
        purse.received -= told.paid + told.sharePaid;
        told.sharePaid = 0;
        _remove(told, false);
    }

    /// @notice A provider puts another claim in the place of one: fewer units, or another price.
    function adjust(uint256 seed) external acting {
        Told storage old = _find(seed, Wanted.Reversible);
        if (old.first != 0) revert NothingToDo();
        Said memory said = _again(old);
        Claim memory claim = said.settled.claim;
        claim.salt = bytes32(++_made);
        claim.deadline = uint40(block.timestamp + 1 days);
        claim.lines[0].charged = uint64(_between(_more(seed, 1), 1, 60_000));
        said.query.id = world.claims().idOf(claim);
        said.query.funds = world.escrow().balanceOf(claim.plan) + old.paid;
        _askAfter(said, old, new Reasons[](0));
        if (said.answer.missing != IBenefits.Missing.Nothing) revert NothingToDo();

        bytes memory data = abi.encodeCall(
            IClaims.adjust,
            (_settled(old), claim, said.rows, said.answer.decision.paid, _consent(said))
        );
        _moveClaim(_speaker(old.provider, PROVIDERS, seed), data, old.plan, old.provider);
        _purseOf[old.plan][old.provider].received -= old.sharePaid;
        (uint256 back, uint256 received) = (old.paid, old.shareReceived);
        old.sharePaid = 0;
        _remove(old, false);
        Told storage told = _keep(said);
        told.shareReceived = received;
        _decided(told, said, back);
    }

    /// @notice Of what one plan has left to the patient another one pays.
    function coordinate(uint256 seed) external acting {
        _coordinate(seed);
    }

    /// @notice The patient, or who pays for her, pays what is due of her share.
    function payShare(uint256 seed) external acting {
        uint256 number = _findShare(seed, false);
        Told storage told = _claims[number];
        uint64 share = world.claims().stateOf(told.id).share;
        address payer = _persons[(seed / 8) % 2 == 0 ? told.who : 0].pseudonym;
        _fund(payer, _schemes[told.plan].token, share);
        bytes memory data = abi.encodeCall(IEscrow.payShare, (_schemes[told.plan].id, told.content, share));
        _move(payer, address(world.escrow()), data, told.plan, told.provider);
        told.sharePaid += share;
        _purseOf[told.plan][told.provider].received += share;
    }

    function receiveShare(uint256 seed) external acting {
        if (seed % 2 == 0) revert NothingToDo();
        uint256 number = _findShare(seed, false);
        Told storage told = _claims[number];
        uint64 share = world.claims().stateOf(told.id).share;
        bytes memory data = abi.encodeCall(IClaims.receiveShare, (_schemes[told.plan].id, told.content));
        _moveClaim(_speaker(told.provider, PROVIDERS, seed), data, told.plan, told.provider);
        told.shareReceived += share;
    }

    // Disputes

    function appeal(uint256 seed) external acting {
        _appeal(_find(seed, Wanted.Appealable), seed);
    }

    /// @notice The insurer answers in time, else the arbiter: it dismisses, or sets reasons aside and pays more.
    function answer(uint256 seed, uint256 reasons) external acting {
        if (!_search(seed, Wanted.Appealed)) _appeal(_find(seed, Wanted.Appealable), seed);
        _answer(_find(seed, Wanted.Appealed), seed, reasons);
    }

    function refute(uint256 seed) external acting {
        _refute(_find(seed, Wanted.Refutable), seed);
    }

    /// @notice The arbiter rules, in person or by what it signed.
    function rule(uint256 seed, bool forInsurer) external acting {
        if (seed % 3 != 0) revert NothingToDo();
        if (!_search(seed, Wanted.Ruled)) _refute(_find(seed, Wanted.Refutable), seed);
        _rule(_find(seed, Wanted.Ruled), seed, forInsurer);
    }

    /// @notice Nobody ruled in time.
    function lapse(uint256 seed) external acting {
        Told storage told = _find(seed, Wanted.Lapsed);
        _conclude(world.stranger(), abi.encodeCall(IAppeals.lapse, (_settled(told))), told, false);
    }

    // What others try

    /// @notice A claim is submitted by another provider, without the patient, again, or for less than it accepts.
    function hostileSubmit(uint256 seed, uint256 how) external acting {
        Said memory said;
        _beginClaim(said, seed);
        Claim memory claim = said.settled.claim;
        claim.provider = HOSPITAL;
        claim.evidence = bytes32(++_made);
        _write(said.who, claim.provider, claim.evidence);
        claim.lines = new Line[](1);
        said.rows = new IBenefits.Row[](1);
        said.rows[0] = Schedules.rowAt(0);
        claim.lines[0] = _line(said, 0, how);
        bytes memory consent = _consent(said);
        address by = _speaker(HOSPITAL, PROVIDERS, seed);
        uint64 least = 0;
        string memory number = "C10";
        if (how % 5 == 0) by = _speaker(CLINIC, PROVIDERS, seed);
        else if (how % 5 == 1) claim.lines[0].charged += 1;
        else if (how % 5 == 2) consent = _signed(uint256(keccak256(abi.encode(how))), address(world.claims()), "no");
        else if (how % 5 == 3) (least, number) = (_moreThan(said), "C21");
        else (said.rows[0].benefit.price, number) = (said.rows[0].benefit.price + 1, "C21");
        bytes memory data = abi.encodeCall(IClaims.submit, (claim, said.rows, least, consent));
        _refused(by, address(world.claims()), data, number);
    }

    /// @notice Evidence, a service on a day, an authorization or a year's units that were paid for are claimed again.
    function hostileTwice(uint256 seed) external acting {
        // Of what was authorized, or has units for a year, only that is the same.
        uint256 kind = (seed / 32) % 6;
        if (kind == 4 && !_search(seed, Wanted.Authorized)) _scan(seed);
        else if (kind == 5) _visitFor(seed, Schedules.YEARLY, NONE);
        Told storage told = kind == 5 ? _claims[_touched] : _find(seed, kind == 4 ? Wanted.Authorized : Wanted.Paid);
        if (told.status == IClaims.ClaimStatus.Pended) revert NothingToDo();
        Said memory said = _again(told);
        Claim memory claim = said.settled.claim;
        claim.salt = bytes32(++_made);
        claim.deadline = uint40(block.timestamp + 1 days);
        if (kind > 3) kind = 3;
        if (kind != 1) {
            claim.evidence = bytes32(++_made);
            _write(told.who, claim.provider, claim.evidence);
        }
        for (uint256 i = 0; kind % 2 == 1 && i < claim.lines.length; ++i) claim.lines[i].day += uint16(1 + (seed % 50));
        said.time = uint32(block.timestamp);
        (said.query.id, said.query.time) = (world.claims().idOf(claim), uint40(block.timestamp));
        said.query.funds = world.escrow().balanceOf(claim.plan);
        _ask(said);
        _submitAsked(said, seed);
    }

    /// @notice What was decided is shown again as something else, or by another, or from another state.
    function hostileClaim(uint256 seed, uint256 how) external acting {
        if (_claims.length == 0) revert NothingToDo();
        uint256 kind = how % 8;
        Told storage told = _claims[seed % _claims.length];
        if (kind == 2) told = _find(seed, Wanted.Reversible);
        else if (kind == 7 && !_search(seed, Wanted.Ruled)) _refute(_find(seed, Wanted.Refutable), seed);
        if (kind == 7) told = _find(seed, Wanted.Ruled);
        IClaims.Settled memory settled = _settled(told);
        address other = _speaker(_providerAt(_providerIndex(told.provider) + 1), PROVIDERS, seed);
        address target = address(world.claims());
        bytes memory data;
        address by = other;
        if (kind == 0) data = abi.encodeCall(IClaims.reverse, (settled, NONE, 0));
        else if (kind == 1) data = abi.encodeCall(IClaims.receiveShare, (_schemes[told.plan].id, told.content));
        else if (kind == 2) {
            by = _speaker(told.provider, PROVIDERS, seed);
            if ((how / 8) % 3 == 0) ++settled.index;
            else if ((how / 8) % 3 == 1 && settled.outcomes[0].paid != 0) --settled.outcomes[0].paid;
            else ++settled.outcomes[0].paid;
            data = abi.encodeCall(IClaims.reverse, (settled, NONE, 0));
        } else if (kind == 3) data = abi.encodeCall(IClaims.withhold, (settled));
        else if (kind == 4) data = abi.encodeCall(IClaims.conclude, (settled, how % 2 == 0));
        else if (kind == 5)
            data = abi.encodeCall(IClaims.redecide, (settled, new Reasons[](settled.claim.lines.length)));
        else if (kind == 6) {
            uint256 plan = (told.plan + 1) % 2;
            by = _speaker(_schemes[plan].insurer, INSURER, seed);
            if (_schemes[plan].insurer == _schemes[told.plan].insurer) revert NothingToDo();
            (target, data) = (address(world.appeals()), abi.encodeCall(IAppeals.refute, (settled, 1, "openings")));
        } else {
            by = _speaker(SECOND_CUSTODIAN, ARBITERS, seed);
            (target, data) = (address(world.appeals()), abi.encodeCall(IAppeals.rule, (settled, "openings", true)));
        }
        _refused(by, target, data, "C10");
    }

    /// @notice A claim that is over is reversed, appealed against or ruled on once more; a disputed one is reversed.
    function hostileOver(uint256 seed, uint256 how) external acting {
        if (_claims.length == 0) revert NothingToDo();
        Told storage told = _claims[seed % _claims.length];
        if (how % 6 == 0) {
            if (!_search(seed, Wanted.Shared)) _coordinate(seed);
            told = _find(seed, Wanted.Shared);
        } else if (how % 6 == 2) {
            if (!_search(seed, Wanted.Refuted)) {
                _refute(_find(seed, Wanted.Refutable), seed);
                _rule(_claims[_touched], seed, false);
            }
            told = _find(seed, Wanted.Refuted);
        } else if (how % 6 == 3 && _search(seed, Wanted.Late)) told = _claims[_touched];
        IClaims.Settled memory settled = _settled(told);
        bool isOver = told.status == IClaims.ClaimStatus.Reversed || told.status == IClaims.ClaimStatus.Disputed;
        bool isLate = block.timestamp > told.decided + uint256(REVERSAL_DAYS) * 1 days;
        isLate = isLate && told.status == IClaims.ClaimStatus.Decided;
        if (how % 3 == 0 && (isOver || isLate || told.hasSecondary)) {
            bytes memory data = abi.encodeCall(IClaims.reverse, (settled, NONE, 0));
            _refused(_speaker(told.provider, PROVIDERS, seed), address(world.claims()), data, "C9");
        } else if (how % 3 == 1 && told.refutation != OPEN) {
            bytes memory data = abi.encodeCall(IAppeals.rule, (settled, "openings", true));
            _refused(_speaker(AUTHORITY, ARBITERS, seed), address(world.appeals()), data, "C9");
        } else if (told.refutation != 0 || told.paid == 0) {
            bytes memory data = abi.encodeCall(IAppeals.refute, (settled, 1, "openings"));
            _refused(_speaker(_schemes[told.plan].insurer, INSURER, seed), address(world.appeals()), data, "C9");
        } else revert NothingToDo();
    }

    /// @notice Money is asked for by who has none coming, of a token that takes more than it sends, of who never agreed.
    function hostileMoney(uint256 seed, uint256 how) external acting {
        if (how % 8 > 5) {
            if (how % 8 == 6) _drainOnTop();
            else _takeUnasked(seed);
            return;
        }
        Scheme storage scheme = _schemes[seed % PLANS];
        IEscrow escrow = world.escrow();
        uint32 provider = _providerAt(seed);
        address by = how % 2 == 0 ? world.stranger() : world.accountOf(provider);
        uint256 kind = (how / 8) % 8;
        bytes memory data;
        if (kind == 0) data = abi.encodeCall(IEscrow.drain, (scheme.id, 1, by));
        else if (kind == 1) data = abi.encodeCall(IEscrow.pay, (scheme.id, provider, 1));
        else if (kind == 2) data = abi.encodeCall(IEscrow.takeBack, (scheme.id, provider, 1));
        else if (kind == 3) data = abi.encodeCall(IEscrow.conclude, (scheme.id, provider, 1, true));
        else if (kind == 4) data = abi.encodeCall(IEscrow.push, (scheme.token, by, 1));
        else if (kind == 5) data = abi.encodeCall(IEscrow.hold, (scheme.id, 1));
        else if (kind == 6) data = abi.encodeCall(IEscrow.release, (scheme.id, provider, 1));
        else data = abi.encodeCall(IEscrow.refundShare, (scheme.id, bytes32(seed), provider));
        _refused(by, address(escrow), data, "C2");
    }

    // Properties

    /// @notice The escrow has of a token exactly what it owes.
    /// property C1
    function property_C1_the_escrow_has_what_it_owes() external view returns (bool) {
        return _isCovered(turn % 2 == 0 ? address(_coin) : address(_odd)) && _held("C1");
    }

    /// @notice A plan's money falls by what its claims were paid and what its insurer takes out.
    /// property C2
    function property_C2_a_plans_money_goes_to_its_claims() external view returns (bool) {
        return _isKept(turn % PLANS) && _held("C2");
    }

    /// @notice An act takes money from nobody but its sender and who answers for the provider.
    /// property C3
    function property_C3_nobody_elses_money_is_taken() external view returns (bool) {
        return _held("C3");
    }

    /// @notice Of a line no more is paid than is allowed, and no more allowed than was charged.
    /// property C4
    function property_C4_no_more_than_was_charged() external view returns (bool) {
        return _held("C4");
    }

    /// @notice No limit is passed.
    /// property C5
    function property_C5_no_limit_is_passed() external view returns (bool) {
        return _held("C5");
    }

    /// @notice What is used of the limits is what the claims that stand say.
    /// property C6
    function property_C6_used_is_what_the_claims_say() external view returns (bool) {
        uint256 who = _claims.length == 0 ? 0 : _claims[_touched].who;
        uint256 plan = _claims.length == 0 ? 0 : _claims[_touched].plan;
        if (turn % 2 == 0) (who, plan) = ((turn / 2) % _persons.length, (turn / 2) % PLANS);
        bytes32 id = _schemes[plan].id;
        (IRules.Used memory own, IRules.Used memory all) = world.benefits().usedOf(id, _persons[who].pseudonym);
        bytes32[2] memory holders = _holdersOf(plan, who);
        Sum memory sum = _sumOf[holders[0]];
        bool same = own.deductible == sum.deductible && own.outOfPocket == sum.pocket && own.paid == sum.paid;
        same = same && own.lifetime == sum.paid + _persons[who].lifetime;
        if (holders[1] == NONE) return same;
        sum = _sumOf[holders[1]];
        return same && all.deductible == sum.deductible && all.outOfPocket == sum.pocket && all.paid == sum.paid;
    }

    /// @notice A claim that is pended or was reversed has nothing paid and leaves no share.
    /// property C7
    function property_C7_no_money_without_a_decision() external view returns (bool) {
        for (uint256 i = 0; i < 2 && _claims.length != 0; ++i) {
            Told storage told = _looked(i);
            bool stands = told.status == IClaims.ClaimStatus.Decided || told.status == IClaims.ClaimStatus.Disputed;
            IClaims.State memory state = world.claims().stateOf(told.id);
            if (!stands && (state.paid != 0 || state.share != 0)) return false;
        }
        return true;
    }

    /// @notice No pack, evidence, service on a day or authorization is paid for by two claims.
    /// property C8
    function property_C8_nothing_is_paid_twice() external view returns (bool) {
        return _held("C8");
    }

    /// @notice A claim is where the acts that are for it have brought it.
    /// properties C9, C14
    function property_C9_a_claim_goes_its_ways() external view returns (bool) {
        for (uint256 i = 0; i < 2 && _claims.length != 0; ++i) {
            Told storage told = _looked(i);
            IClaims.State memory state = world.claims().stateOf(told.id);
            bool same = state.status == told.status && state.missing == told.missing && state.paid == told.paid;
            if (!same || state.decided != told.decided) return false;
        }
        return _held("C9");
    }

    /// @notice Each act on a claim is its party's.
    /// property C10
    function property_C10_acts_are_their_parties() external view returns (bool) {
        return _held("C10");
    }

    /// @notice A member out of standing submits, resumes, reviews, reverses and adjusts nothing.
    /// property C11
    function property_C11_members_in_standing_act() external view returns (bool) {
        return _held("C11");
    }

    /// @notice The provider of a claim and when it was submitted never change.
    /// property C12
    function property_C12_provider_and_time_stay() external view returns (bool) {
        for (uint256 i = 0; i < 2 && _claims.length != 0; ++i) {
            Told storage told = _looked(i);
            IClaims.State memory state = world.claims().stateOf(told.id);
            if (state.provider != told.provider || state.time != told.time) return false;
        }
        return true;
    }

    /// @notice An appeal that is granted has more paid.
    /// property C13
    function property_C13_an_appeal_pays_more() external view returns (bool) {
        return _held("C13");
    }

    /// @notice No more is withheld than is disputed, and no more disputed than was got.
    /// property C15
    function property_C15_withheld_disputed_received() external view returns (bool) {
        (uint256 plan, uint32 provider) = (turn % PLANS, _providerAt(turn / PLANS));
        IEscrow.Account memory account = world.escrow().accountOf(_schemes[plan].id, provider);
        bool same = account.received == _purseOf[plan][provider].received;
        return same && account.withheld <= account.disputed && account.disputed <= account.received;
    }

    /// @notice What is disputed was paid for the claims that are, and what is owed is what arbiters said.
    /// property C16
    function property_C16_disputed_and_owed() external view returns (bool) {
        (uint256 plan, uint32 provider) = (turn % PLANS, _providerAt(turn / PLANS));
        IEscrow.Account memory account = world.escrow().accountOf(_schemes[plan].id, provider);
        Purse storage purse = _purseOf[plan][provider];
        return account.disputed == purse.disputed && account.owed == purse.owed;
    }

    /// @notice What is paid for a claim is what its outcomes say.
    /// property C17
    function property_C17_paid_is_what_its_outcomes_say() external view returns (bool) {
        return _held("C17");
    }

    /// @notice What is due of a share, and was paid of it, is never more than the outcomes leave to the patient.
    /// property C18
    function property_C18_a_share_is_paid_once() external view returns (bool) {
        for (uint256 i = 0; i < 2 && _claims.length != 0; ++i) {
            Told storage told = _looked(i);
            uint256 share = world.claims().stateOf(told.id).share;
            if (told.upheld) continue;
            if (told.first != 0 && share != 0) return false;
            if (told.first == 0 && share + told.sharePaid > told.left) return false;
            // Who has received more than is due after an adjustment keeps it, but nothing is due then.
            if (share != 0 && share + told.sharePaid + told.shareReceived > told.left) return false;
            if (world.escrow().shareOf(_schemes[told.plan].id, told.id) != told.sharePaid) return false;
        }
        return true;
    }

    /// @notice A claim comes to nothing else than what it was said to come to, and to no less than it accepts.
    /// property C21
    function property_C21_a_claim_comes_to_what_was_quoted() external view returns (bool) {
        return _held("C21");
    }

    /// @notice Of a line no more is allowed than its price for its units.
    /// properties R1, R2
    function property_R1_no_more_than_the_price() external view returns (bool) {
        return _held("R1") && _held("R2");
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](19);
        all[0] = "property_C1_the_escrow_has_what_it_owes()";
        all[1] = "property_C2_a_plans_money_goes_to_its_claims()";
        all[2] = "property_C3_nobody_elses_money_is_taken()";
        all[3] = "property_C4_no_more_than_was_charged()";
        all[4] = "property_C5_no_limit_is_passed()";
        all[5] = "property_C6_used_is_what_the_claims_say()";
        all[6] = "property_C7_no_money_without_a_decision()";
        all[7] = "property_C8_nothing_is_paid_twice()";
        all[8] = "property_C9_a_claim_goes_its_ways()";
        all[9] = "property_C10_acts_are_their_parties()";
        all[10] = "property_C11_members_in_standing_act()";
        all[11] = "property_C12_provider_and_time_stay()";
        all[12] = "property_C13_an_appeal_pays_more()";
        all[13] = "property_C15_withheld_disputed_received()";
        all[14] = "property_C16_disputed_and_owed()";
        all[15] = "property_C17_paid_is_what_its_outcomes_say()";
        all[16] = "property_C18_a_share_is_paid_once()";
        all[17] = "property_C21_a_claim_comes_to_what_was_quoted()";
        all[18] = "property_R1_no_more_than_the_price()";
    }

    // How a claim is made

    function _beginClaim(Said memory said, uint256 seed) private view {
        (said.plan, said.who) = (seed % PLANS, _someone(seed / 4));
        Claim memory claim = said.settled.claim;
        (claim.plan, claim.pseudonym) = (_schemes[said.plan].id, _persons[said.who].pseudonym);
        claim.salt = bytes32(_made + 1);
        claim.deadline = uint40(block.timestamp + (seed % 3 days));
        said.time = uint32(block.timestamp);
        said.query.time = uint40(block.timestamp);
        said.query.most = NO_LIMIT;
        said.query.funds = world.escrow().balanceOf(claim.plan);
    }

    function _line(Said memory said, uint256 row, uint256 seed) private view returns (Line memory line) {
        IRules.Benefit memory benefit = Schedules.benefitAt(row);
        line.service = benefit.service;
        line.day = uint16(FIRST_DAY - 1 + (seed % 40));
        line.units = uint16(1 + ((seed >> 8) % 3));
        line.charged = uint64((uint256(benefit.price) * line.units * (50 + ((seed >> 16) % 100))) / 100);
        if (!benefit.authorization) return line;
        for (uint256 i = 0; i < _asked.length; ++i) {
            Asked storage asked = _asked[i];
            bool isIts = asked.plan == said.plan && asked.who == said.who;
            if (isIts && asked.provider == said.settled.claim.provider) line.authorization = asked.id;
        }
    }

    /// @dev More than a claim comes to, if it is decided at once.
    function _moreThan(Said memory said) private returns (uint64) {
        said.query.id = world.claims().idOf(said.settled.claim);
        _ask(said);
        if (said.answer.missing != IBenefits.Missing.Nothing) revert NothingToDo();
        return said.answer.decision.paid + 1;
    }

    function _submit(Said memory said, uint256 seed) private {
        said.query.id = world.claims().idOf(said.settled.claim);
        _ask(said);
        _submitAsked(said, seed);
    }

    function _submitAsked(Said memory said, uint256 seed) private {
        Claim memory claim = said.settled.claim;
        uint64 least = _leastOf(said, seed);
        bytes memory signature;
        if (seed % 4 == 0) _say(claim.pseudonym, address(world.claims()), abi.encodeCall(IClaims.consent, (claim)));
        else signature = _consent(said);
        bytes memory data = abi.encodeCall(IClaims.submit, (claim, said.rows, least, signature));
        _moveClaim(_speaker(claim.provider, PROVIDERS, seed), data, said.plan, claim.provider);
        _decided(_keep(said), said, 0);
    }

    /// @dev Another plan pays of what the first has left; a claim with a share that is due is made if there is none.
    function _coordinate(uint256 seed) private {
        uint256 number = _findShare(seed, true);
        Told storage first = _claims[number];
        Said memory said = _again(first);
        (said.plan, said.first) = (first.plan == 0 ? 1 : 0, number + 1);
        Claim memory claim = said.settled.claim;
        (claim.plan, claim.primary, claim.salt) = (_schemes[said.plan].id, first.id, bytes32(++_made));
        claim.deadline = uint40(block.timestamp + 1 days);
        said.query.id = world.claims().idOf(claim);
        said.query.most = world.claims().stateOf(first.id).share;
        said.query.funds = world.escrow().balanceOf(claim.plan);
        _ask(said);
        if (said.answer.missing != IBenefits.Missing.Nothing) revert NothingToDo();

        bytes memory data = abi.encodeCall(
            IClaims.coordinate,
            (claim, said.rows, _settled(first), said.answer.decision.paid, _consent(said))
        );
        _moveClaim(_speaker(claim.provider, PROVIDERS, seed), data, said.plan, first.provider);
        first.hasSecondary = true;
        _decided(_keep(said), said, 0);
    }

    function _give(Said memory said, Script storage script, uint256 seed) private {
        Claim memory claim = said.settled.claim;
        said.query.id = world.claims().idOf(claim);
        _ask(said);
        IClaims.Goods memory goods;
        (goods.batch, goods.index) = (said.settled.batch, said.settled.index);
        uint256 tree = FIRST_TREE + _packs / 8;
        goods.pack = PackTrees.packAt(tree, goods.index);
        goods.siblings = PackTrees.siblingsOf(tree, 0, goods.index);
        (goods.take, goods.word) = _word(script, seed);
        goods.filling.terms = script.terms;
        goods.filling.hashes = new bytes32[](1);
        goods.filling.hashes[0] = keccak256(abi.encode(LINE_TYPEHASH, script.line));
        (goods.filling.opened, goods.filling.units, goods.filling.evidence) = (script.line, 1, "evidence");
        bytes memory data = abi.encodeCall(
            IClaims.dispense,
            (claim, said.rows, goods, _leastOf(said, seed), _consent(said))
        );
        address pharmacist = _speaker(FIRST_PHARMACY, PROVIDERS, seed);
        _moveClaim(pharmacist, data, said.plan, FIRST_PHARMACY);
        ++script.words;
        ++_packs;
        Told storage told = _keep(said);
        _decided(told, said, 0);
        // The pack is claimed: its pharmacy cannot take it back by itself.
        _refused(pharmacist, address(world.batches()), abi.encodeCall(IBatches.undo, (goods.batch, goods.index)), "C8");
    }

    function _leastOf(Said memory said, uint256 seed) private pure returns (uint64) {
        bool isDecided = said.answer.missing == IBenefits.Missing.Nothing;
        return isDecided && seed % 3 == 0 ? said.answer.decision.paid : 0;
    }

    function _consent(Said memory said) private view returns (bytes memory) {
        bytes32 content = world.claims().contentOf(said.settled.claim);
        return _signed(_persons[said.who].key, address(world.claims()), content);
    }

    /// @dev The claim of one that was told, as it would be said again.
    function _again(Told storage told) private view returns (Said memory said) {
        said.settled = _settled(told);
        (said.plan, said.who, said.first) = (told.plan, told.who, told.first);
        (said.isGoods, said.script, said.time) = (told.isGoods, told.script, told.time);
        said.rows = new IBenefits.Row[](said.settled.claim.lines.length);
        for (uint256 i = 0; i < said.rows.length; ++i) {
            said.rows[i] = Schedules.rowAt(_rowOf(said.settled.claim.lines[i].service));
        }
        said.query.id = told.id;
        (said.query.time, said.query.isGoods, said.query.most) = (told.time, told.isGoods, NO_LIMIT);
    }

    function _resumed(Told storage told) private view returns (Said memory said) {
        said = _again(told);
        (said.query.agreed, said.query.refused) = (told.agreed, told.refused);
        said.query.funds = world.escrow().balanceOf(said.settled.claim.plan);
    }

    function _rowOf(bytes32 service) private pure returns (uint256 row) {
        while (Schedules.benefitAt(row).service != service) ++row;
    }

    // What it comes to

    function _ask(Said memory said) private {
        Probe.Question memory question;
        (question.claim, question.rows, question.query) = (said.settled.claim, said.rows, said.query);
        said.answer = _answerTo(question);
        _settle(said);
    }

    /// @dev What a claim comes to once another is undone.
    function _askAfter(Said memory said, Told storage old, Reasons[] memory waived) private {
        Probe.Question memory question;
        (question.claim, question.rows, question.query) = (said.settled.claim, said.rows, said.query);
        (question.oldId, question.oldIsGoods, question.waived) = (old.id, old.isGoods, waived);
        question.old = _settled(old);
        said.answer = _answerTo(question);
        _settle(said);
    }

    function _answerTo(Probe.Question memory question) private returns (Probe.Answer memory) {
        try _probe.ask(question) {
            revert NothingToDo();
        } catch (bytes memory reason) {
            if (bytes4(reason) != Probe.Told.selector) {
                assembly ("memory-safe") {
                    revert(add(reason, 0x20), mload(reason))
                }
            }
            assembly ("memory-safe") {
                let length := sub(mload(reason), 4)
                reason := add(reason, 4)
                mstore(reason, length)
            }
            return abi.decode(abi.decode(reason, (bytes)), (Probe.Answer));
        }
    }

    /// @dev As it will be shown, if it is decided.
    function _settle(Said memory said) private pure {
        bool isDecided = said.answer.missing == IBenefits.Missing.Nothing;
        uint256 count = isDecided ? said.rows.length : 0;
        said.settled.benefits = new IRules.Benefit[](count);
        said.settled.outcomes = new IRules.Outcome[](count);
        for (uint256 i = 0; i < count; ++i) {
            said.settled.benefits[i] = said.rows[i].benefit;
            said.settled.outcomes[i] = said.answer.decision.outcomes[i];
        }
    }

    function _keep(Said memory said) private returns (Told storage told) {
        _touched = _claims.length < MOST_CLAIMS ? _claims.length : _forget();
        if (_touched == _claims.length) _claims.push();
        told = _claims[_touched];
        told.content = world.claims().contentOf(said.settled.claim);
        told.id = keccak256(abi.encode(said.settled.claim.plan, told.content));
        (told.plan, told.who, told.provider) = (said.plan, said.who, said.settled.claim.provider);
        (told.first, told.isGoods, told.script) = (said.first, said.isGoods, said.script);
        told.time = said.time;
        told.settled = abi.encode(said.settled);
    }

    /// @dev A place for the next claim: that of one which is over, or of one for which it is too late.
    function _forget() private returns (uint256 at) {
        for (uint256 i = 0; i < MOST_CLAIMS; ++i) {
            at = (turn + i) % MOST_CLAIMS;
            Told storage told = _claims[at];
            bool isOver = told.status == IClaims.ClaimStatus.Reversed && told.sharePaid == 0;
            bool isLate = block.timestamp > told.decided + uint256(REVERSAL_DAYS) * 1 days;
            isLate = isLate && told.status == IClaims.ClaimStatus.Decided && told.appeal != OPEN;
            if ((!isOver && !isLate) || told.hasSecondary || told.first != 0) continue;
            delete _claims[at];
            return at;
        }
        revert NothingToDo();
    }

    /// @dev A claim was decided or pended, and `back` of it was paid before.
    function _decided(Told storage told, Said memory said, uint256 back) private {
        IClaims.State memory state = world.claims().stateOf(told.id);
        told.missing = said.answer.missing;
        told.settled = abi.encode(said.settled);
        if (said.answer.missing != IBenefits.Missing.Nothing) {
            told.status = IClaims.ClaimStatus.Pended;
            // property C21
            _must(state.status == IClaims.ClaimStatus.Pended && state.missing == said.answer.missing, "C21");
            return;
        }

        told.status = IClaims.ClaimStatus.Decided;
        (told.decided, told.paid) = (uint32(block.timestamp), state.paid);
        // property C21
        bytes32 decided = keccak256(abi.encode(said.settled.benefits, said.settled.outcomes));
        bytes32 facts = keccak256(abi.encode(told.content, said.settled.batch, said.settled.index, decided));
        _must(state.status == IClaims.ClaimStatus.Decided && state.facts == facts, "C21");
        _add(told, said.settled, said.answer.authorized);
        if (state.paid > back) _paidOut(told.plan, told.provider, state.paid - back);
        else _purseOf[told.plan][told.provider].received -= back - state.paid;
    }

    // Disputes

    function _appeal(Told storage told, uint256 seed) private {
        Claim memory claim = _settled(told).claim;
        Person storage person = _persons[told.who];
        if (seed % 3 == 0) {
            IAppeals.Appeal memory terms = IAppeals.Appeal(claim.pseudonym, told.id, "document", 0, _soon(seed));
            bytes memory signature = _signed(
                person.key,
                address(world.appeals()),
                keccak256(abi.encode(APPEAL_TYPEHASH, terms))
            );
            _appeals(world.stranger(), abi.encodeCall(IAppeals.appealBySig, (claim, terms, signature)), told);
        } else {
            address by = seed % 3 == 1 ? person.pseudonym : _speaker(told.provider, PROVIDERS, seed);
            _appeals(by, abi.encodeCall(IAppeals.appeal, (claim, "document")), told);
        }
        (told.appeal, told.appealTime) = (OPEN, uint40(block.timestamp));
    }

    function _answer(Told storage told, uint256 seed, uint256 reasons) private {
        IClaims.Settled memory settled = _settled(told);
        bool inTime = block.timestamp <= told.appealTime + uint256(APPEAL_DAYS) * 1 days;
        bool isInsurers = told.appeal == OPEN && inTime;
        address by =
            isInsurers ? _speaker(_schemes[told.plan].insurer, INSURER, seed) : _speaker(AUTHORITY, ARBITERS, seed);
        if (world.claims().reviewerOf(told.id) == by) revert NothingToDo();
        Reasons[] memory waived = new Reasons[](settled.claim.lines.length);
        for (uint256 i = 0; i < waived.length; ++i) waived[i] = Reasons.wrap(uint32(reasons) | (1 << 13));
        if (seed % 4 != 0 && told.status == IClaims.ClaimStatus.Decided && !told.hasSecondary) {
            if (_grant(told, waived, by)) return;
        }
        _appeals(by, abi.encodeCall(IAppeals.answer, (settled, waived, false, "document")), told);
        told.appeal = isInsurers ? DISMISSED : 4;
        told.appealTime = uint40(block.timestamp);
    }

    function _refute(Told storage told, uint256 seed) private {
        address insurer = _speaker(_schemes[told.plan].insurer, INSURER, seed);
        _appeals(insurer, abi.encodeCall(IAppeals.refute, (_settled(told), 1, bytes32("openings"))), told);
        told.status = IClaims.ClaimStatus.Disputed;
        (told.refutation, told.refuteTime) = (OPEN, uint40(block.timestamp));
        _purseOf[told.plan][told.provider].disputed += told.paid;
    }

    /// @dev Grants an appeal if more comes of it, and says whether it is granted now.
    function _grant(Told storage told, Reasons[] memory waived, address by) private returns (bool) {
        Said memory said = _resumed(told);
        said.query.agreed = true;
        said.query.funds += told.paid;
        if (told.first != 0) {
            said.query.most = world.claims().stateOf(_claims[told.first - 1].id).share + told.paid;
        }
        _askAfter(said, told, waived);
        bool gains = said.answer.missing == IBenefits.Missing.Nothing && said.answer.decision.paid > told.paid;
        if (!gains) {
            bytes memory nothing = abi.encodeCall(IAppeals.answer, (_settled(told), waived, true, "document"));
            return !_refused(by, address(world.appeals()), nothing, "C13");
        }

        (uint64 paid, uint256 sharePaid) = (told.paid, told.sharePaid);
        _appeals(by, abi.encodeCall(IAppeals.answer, (_settled(told), waived, true, "document")), told);
        // property C13
        _must(world.claims().stateOf(told.id).paid > paid, "C13");
        _remove(told, false);
        if (told.first != 0) _claims[told.first - 1].hasSecondary = true;
        _noteWaived(told, said.settled, waived);
        told.agreed = true;
        _decided(told, said, paid);
        // Where more was paid of the share than is due now, all of it goes back.
        if (told.first == 0 && sharePaid > said.answer.decision.share) {
            _purseOf[told.plan][told.provider].received -= sharePaid;
            told.sharePaid = 0;
        }
        (told.appeal, told.appealTime) = (3, uint40(block.timestamp));
        return true;
    }

    function _rule(Told storage told, uint256 seed, bool forInsurer) private {
        address arbiter = _speaker(AUTHORITY, ARBITERS, seed);
        IClaims.Settled memory settled = _settled(told);
        bytes memory data = abi.encodeCall(IAppeals.rule, (settled, bytes32("openings"), forInsurer));
        if (seed % 2 == 0) data = _ruling(told, settled, arbiter, forInsurer);
        _conclude(seed % 2 == 0 ? world.stranger() : arbiter, data, told, forInsurer);
    }

    function _conclude(address by, bytes memory data, Told storage told, bool forInsurer) private {
        Purse storage purse = _purseOf[told.plan][told.provider];
        uint256 before = _withheld(told);
        _appeals(by, data, told);
        uint256 free = before - _withheld(told);
        purse.disputed -= told.paid;
        told.refutation = forInsurer ? 2 : 3;
        if (!forInsurer) {
            purse.owed -= free < purse.owed ? free : purse.owed;
            told.status = IClaims.ClaimStatus.Decided;
            return;
        }
        purse.received -= told.paid;
        purse.owed += told.paid - free;
        told.upheld = true;
        if (world.escrow().shareOf(_schemes[told.plan].id, told.id) == 0) {
            purse.received -= told.sharePaid;
            told.sharePaid = 0;
        }
        _remove(told, true);
    }

    function _withheld(Told storage told) private view returns (uint256) {
        return world.escrow().accountOf(_schemes[told.plan].id, told.provider).withheld;
    }

    function _ruling(
        Told storage told,
        IClaims.Settled memory settled,
        address arbiter,
        bool forInsurer
    ) private view returns (bytes memory) {
        uint40 deadline = uint40(block.timestamp + 1 days);
        IAppeals.Ruling memory terms = IAppeals.Ruling(told.id, "openings", forInsurer, arbiter, deadline);
        bytes32 hash = keccak256(abi.encode(RULING_TYPEHASH, terms));
        return abi.encodeCall(IAppeals.ruleBySig, (settled, terms, _sign(arbiter, address(world.appeals()), hash)));
    }

    // What is looked for

    function _looked(uint256 i) internal view returns (Told storage) {
        return _claims[i == 0 ? _touched : turn % _claims.length];
    }

    /// @dev A claim with which that can be done. Where there is none, somebody goes to a hospital first.
    function _find(uint256 seed, Wanted wanted) private returns (Told storage told) {
        if (!_search(seed, wanted)) {
            if (wanted > Wanted.Refutable) revert NothingToDo();
            _visit(seed);
        }
        told = _claims[_touched];
        if (!_is(told, wanted)) revert NothingToDo();
    }

    function _search(uint256 seed, Wanted wanted) private returns (bool) {
        for (uint256 k = 0; k < _claims.length; ++k) {
            uint256 at = ((seed % _claims.length) + k) % _claims.length;
            if (!_is(_claims[at], wanted)) continue;
            _touched = at;
            return true;
        }
        return false;
    }

    function _is(Told storage told, Wanted wanted) private view returns (bool) {
        if (told.status == IClaims.ClaimStatus.Pended) {
            bool isForReview = told.missing == IBenefits.Missing.Review;
            return wanted == (isForReview ? Wanted.Reviewable : Wanted.Resumable);
        }
        if (wanted == Wanted.Appealed) {
            bool inTime = _isWithin(told.appealTime, APPEAL_DAYS);
            return told.appeal == OPEN || (told.appeal == DISMISSED && inTime);
        }
        if (told.status == IClaims.ClaimStatus.Disputed) {
            return wanted == (_isWithin(told.refuteTime, APPEAL_DAYS) ? Wanted.Ruled : Wanted.Lapsed);
        }
        if (told.status != IClaims.ClaimStatus.Decided) return false;
        if (wanted == Wanted.Shared) return told.hasSecondary && _isWithin(told.decided, REVERSAL_DAYS);
        if (wanted == Wanted.Authorized) return _isAuthorized(told);
        if (wanted == Wanted.Refuted)
            return told.refutation == 3 && told.paid != 0 && _isWithin(told.decided, REFUTE_DAYS);
        if (wanted == Wanted.Late) return !told.hasSecondary && !_isWithin(told.decided, REVERSAL_DAYS);
        if (wanted == Wanted.Reversible) return !told.hasSecondary && _isWithin(told.decided, REVERSAL_DAYS);
        if (wanted == Wanted.Paid) return !told.isGoods && told.paid != 0 && told.first == 0;
        if (wanted == Wanted.Appealable) return told.appeal == 0 && _isWithin(told.decided, APPEAL_DAYS);
        bool isOpen = told.paid != 0 && told.refutation == 0;
        return wanted == Wanted.Refutable && isOpen && _isWithin(told.decided, REFUTE_DAYS);
    }

    /// @dev Whether it is one for a service that uses an authorization.
    function _isAuthorized(Told storage told) private view returns (bool) {
        if (told.isGoods || told.first != 0) return false;

        Line memory line = _settled(told).claim.lines[0];
        return line.authorization != NONE && _takenBy[_authorizationKey(line.authorization)] == told.id;
    }

    function _isWithin(uint256 since, uint256 days_) private view returns (bool) {
        return block.timestamp <= since + days_ * 1 days;
    }

    /// @dev Somebody sees a doctor, and the hospital claims for it.
    function _visit(uint256 seed) private {
        _visitFor(seed, _more(seed, 20) % 2 == 0 ? 0 : 3, NONE);
    }

    function _visitFor(uint256 seed, uint256 row, bytes32 authorization) private {
        Said memory said;
        _beginClaim(said, seed);
        Claim memory claim = said.settled.claim;
        (claim.provider, claim.evidence) = (HOSPITAL, bytes32(++_made));
        _write(said.who, HOSPITAL, claim.evidence);
        claim.lines = new Line[](1);
        said.rows = new IBenefits.Row[](1);
        said.rows[0] = Schedules.rowAt(row);
        claim.lines[0] = _line(said, row, _more(seed, 21));
        if (authorization != NONE) (claim.lines[0].authorization, claim.lines[0].units) = (authorization, 1);
        if (said.rows[0].benefit.yearlyUnits != 0) claim.lines[0].units = uint16(said.rows[0].benefit.yearlyUnits);
        _submit(said, seed);
    }

    /// @dev A hospital asks for a scan, gets it, and claims for it.
    function _scan(uint256 seed) private {
        Asked memory asked = _request(seed, HOSPITAL);
        _approve(asked, seed);
        _visitFor(seed, Schedules.SCAN, asked.id);
    }

    function _request(uint256 seed, uint32 provider) private returns (Asked memory asked) {
        (asked.plan, asked.who, asked.provider) = (seed % PLANS, _someone(seed / 4), provider);
        asked.units = uint16(1 + ((seed / 256) % 3));
        IAuthorizations.Request memory request = IAuthorizations.Request({
            plan: _schemes[asked.plan].id,
            pseudonym: _persons[asked.who].pseudonym,
            service: Schedules.benefitAt(Schedules.SCAN).service,
            units: asked.units,
            document: bytes32(++_made)
        });
        bytes memory data = abi.encodeCall(IAuthorizations.request, (request));
        address sender = _speaker(provider, PROVIDERS, seed);
        asked.id = abi.decode(_do(sender, address(world.authorizations()), data), (bytes32));
        asked.status = IAuthorizations.AuthorizationStatus.Requested;
    }

    function _approve(Asked memory asked, uint256 seed) private {
        asked.expiry = uint40(block.timestamp + 1 days + (_more(seed, 1) % 60 days));
        uint64 amount = seed % 2 == 0 ? 0 : 30_000;
        bytes memory data = abi.encodeCall(IAuthorizations.approve, (asked.id, asked.units, amount, asked.expiry));
        address insurer = _speaker(_schemes[asked.plan].insurer, INSURER, seed);
        _say(insurer, address(world.authorizations()), data);
        asked.status = IAuthorizations.AuthorizationStatus.Approved;
    }

    /// @dev A claim with a share that is due; one of the first two plans that no other plan has paid of, if that is wanted.
    function _findShare(uint256 seed, bool forAnother) private returns (uint256 number) {
        for (uint256 k = 0; k < _claims.length; ++k) {
            _touched = ((seed % _claims.length) + k) % _claims.length;
            if (_hasShare(_claims[_touched], forAnother)) return _touched;
        }
        _visit(seed);
        if (!_hasShare(_claims[_touched], forAnother)) revert NothingToDo();
        return _touched;
    }

    function _hasShare(Told storage told, bool forAnother) private view returns (bool) {
        if (told.status != IClaims.ClaimStatus.Decided || told.first != 0) return false;
        if (forAnother && (told.hasSecondary || told.plan == 2)) return false;
        return world.claims().stateOf(told.id).share != 0;
    }

    // Who says it

    function _speaker(uint32 member, Roles roles, uint256 seed) private view returns (address) {
        return People.at(world, member, roles, _more(seed, 77));
    }

    function _say(address sender, address target, bytes memory data) private {
        _do(sender, target, data);
    }

    function _moveClaim(address sender, bytes memory data, uint256 plan, uint32 provider) private {
        _move(sender, address(world.claims()), data, plan, provider);
        // property C11
        _must(world.consortium().inStanding(world.consortium().affiliationOf(sender).member), "C11");
    }

    function _appeals(address sender, bytes memory data, Told storage told) private {
        _move(sender, address(world.appeals()), data, told.plan, told.provider);
    }

    function _signed(uint256 key, address verifier, bytes32 structHash) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, world.hashOf(verifier, structHash));
        return abi.encodePacked(r, s, v);
    }

    function _providerIndex(uint32 provider) private pure returns (uint256 index) {
        while (_providerAt(index) != provider) ++index;
    }

    // What there is

    function _deposit(uint256 plan, uint256 amount) private {
        Scheme storage scheme = _schemes[plan];
        address insurer = world.accountOf(scheme.insurer);
        _fund(insurer, scheme.token, amount);
        _say(insurer, address(world.escrow()), abi.encodeCall(IEscrow.deposit, (scheme.id, amount)));
        scheme.deposited += amount;
    }

    /// @dev An insurer takes money out while its token takes more than it sends: that would be others' money.
    function _drainOnTop() private {
        Scheme storage scheme = _schemes[2];
        uint256 amount = world.escrow().balanceOf(scheme.id) / 2;
        if (amount < 100) revert NothingToDo();

        address insurer = world.accountOf(scheme.insurer);
        _odd.setOddity(OddToken.Oddity.OnTop);
        _refused(insurer, address(world.escrow()), abi.encodeCall(IEscrow.drain, (scheme.id, amount, insurer)), "C1");
        _odd.setOddity(OddToken.Oddity.None);
    }

    /// @dev A provider takes a claim back while nobody has agreed to answer for it, and has no credit left.
    function _takeUnasked(uint256 seed) private {
        Told storage told = _find(seed, Wanted.Reversible);
        if (told.paid == 0 || told.plan == 2) revert NothingToDo();

        address escrow = address(world.escrow());
        address account = world.accountOf(told.provider);
        bool push = world.escrow().payoutOf(told.provider).push;
        if (world.escrow().creditOf(address(_coin), account) != 0) {
            _say(account, escrow, abi.encodeCall(IEscrow.withdraw, (address(_coin), account)));
        }
        _say(account, escrow, abi.encodeCall(IEscrow.setPayout, (told.provider, _persons[0].pseudonym, push)));
        bytes memory data = abi.encodeCall(IClaims.reverse, (_settled(told), NONE, 0));
        _refused(_speaker(told.provider, PROVIDERS, seed), address(world.claims()), data, "C3");
        _say(account, escrow, abi.encodeCall(IEscrow.setPayout, (told.provider, account, push)));
    }

    /// @dev Gives somebody play money, and lets the escrow take it.
    function _fund(address account, address token, uint256 amount) private {
        Coin(token).mint(account, amount);
        _permit(account, token);
    }

    function _permit(address account, address token) private {
        _say(account, token, abi.encodeCall(Coin(token).approve, (address(world.escrow()), type(uint256).max)));
    }

    function _write(uint256 who, uint32 provider, bytes32 evidence) private {
        bytes32[] memory digests = new bytes32[](1);
        digests[0] = evidence;
        bytes memory data = abi.encodeCall(IRecords.anchorInbox, (_persons[who].pseudonym, digests));
        _say(_speaker(provider, PROVIDERS, uint256(evidence)), address(world.records()), data);
    }

    function _isWritten(Claim memory claim) private view returns (bool) {
        return world.records().recordOf(claim.pseudonym, claim.provider, claim.evidence).time != 0;
    }

    function _pay(address pseudonym, uint16 periods) private {
        _coin.mint(pseudonym, uint256(periods) * 100);
        bytes memory data = abi.encodeCall(_coin.approve, (address(world.policies()), type(uint256).max));
        _say(pseudonym, address(_coin), data);
        data = abi.encodeCall(IPolicies.payPremium, (_schemes[1].id, pseudonym, periods));
        _say(pseudonym, address(world.policies()), data);
    }

    function _enrolNew(uint256 seed) private {
        uint256 key = uint256(keccak256(abi.encode("patient", ++_made)));
        Person memory person = Person(VM.addr(key), key, uint96(seed % 3 == 2 ? 0 : 7), uint64((seed % 2) * 50_000));
        _persons.push(person);
        _know(person.pseudonym);
        for (uint256 plan = 0; plan < PLANS; ++plan) _enrol(person, plan);
        if (seed != 3) _pay(person.pseudonym, uint16(1 + (seed % 4)));
        _permit(person.pseudonym, address(_coin));
        _permit(person.pseudonym, address(_odd));
    }

    /// @dev One of those who were enrolled last.
    function _someone(uint256 seed) private view returns (uint256) {
        uint256 count = _persons.length < 4 ? _persons.length : 4;
        return _persons.length - 1 - (seed % count);
    }

    function _enrol(Person memory person, uint256 plan) private {
        address underwriter = world.accountOf(_schemes[plan].insurer);
        IPolicies.Enrol memory terms = IPolicies.Enrol({
            pseudonym: person.pseudonym,
            plan: _schemes[plan].id,
            family: person.family,
            first: FIRST_DAY,
            last: LAST_DAY,
            ends: uint40(block.timestamp + 40 days + (uint256(uint160(person.pseudonym)) % 60 days)),
            lifetime: person.lifetime,
            underwriter: underwriter,
            era: 0,
            deadline: uint40(block.timestamp + 1 days)
        });
        bytes32 hash = keccak256(abi.encode(ENROL_TYPEHASH, terms));
        bytes memory underwriting = _sign(underwriter, address(world.policies()), hash);
        _say(person.pseudonym, address(world.policies()), abi.encodeCall(IPolicies.enrol, (terms, underwriting)));
    }

    function _found() private {
        IPolicies.Plan memory terms;
        (terms.adjudicator, terms.appeals, terms.arbiter) = (
            address(world.claims()),
            address(world.appeals()),
            AUTHORITY
        );
        (terms.filingDays, terms.refuteDays) = (FILING_DAYS, REFUTE_DAYS);
        (terms.appealDays, terms.reversalDays) = (APPEAL_DAYS, REVERSAL_DAYS);
        terms.schedule = Schedules.rootOf();
        for (uint256 plan = 0; plan < PLANS; ++plan) {
            terms.insurer = plan == 1 ? SECOND_INSURER : FIRST_INSURER;
            terms.token = plan == 2 ? address(_odd) : address(_coin);
            (terms.premium, terms.premiumDays, terms.graceDays) = plan == 1 ? (100, 5, 2) : (0, 0, 0);
            terms.document = bytes32(plan + 1);
            terms.limits =
                plan == 0
                    ? IRules.Limits(8_000, 12_000, 15_000, 20_000, 30_000, 40_000, 60_000)
                    : IRules.Limits(15_000, 25_000, 200_000, 300_000, 900_000, 1_500_000, 1_600_000);
            address insurer = world.accountOf(terms.insurer);
            _know(insurer);
            Scheme storage scheme = _schemes.push();
            (scheme.insurer, scheme.token, scheme.limits) = (terms.insurer, terms.token, terms.limits);
            bytes memory data = abi.encodeCall(IPolicies.publish, (terms));
            scheme.id = abi.decode(_do(insurer, address(world.policies()), data), (bytes32));
            _deposit(plan, 300_000);
        }
    }

    function _employ() private {
        for (uint256 i = 0; i < PROVIDERS_HERE; ++i) {
            address account = world.accountOf(_providerAt(i));
            _know(account);
            _fund(account, address(_coin), 1_000);
            _fund(account, address(_odd), 1_000);
            bytes memory data = abi.encodeCall(IEscrow.setPayout, (_providerAt(i), account, i == 1));
            _say(account, address(world.escrow()), data);
        }
        address claims = address(world.claims());
        bytes memory permit = abi.encodeCall(IConsortium.setOperator, (claims, DISPENSE_FOR | FILL_FOR));
        _say(world.accountOf(FIRST_PHARMACY), address(world.consortium()), permit);
    }

    function _scriptId(Script storage script) private view returns (bytes32) {
        IPrescriptions.Terms memory terms = script.terms;
        return keccak256(abi.encode(terms.prescriber, terms.bearer, terms.lines, terms.file));
    }

    /// @dev A prescription of which something may be filled, mostly a new one.
    function _prescribed(uint256 seed) private returns (uint256 number) {
        if (_scripts.length != 0 && seed % 3 == 0) {
            Script storage last = _scripts[_scripts.length - 1];
            bytes32 id = _scriptId(last);
            bool isOpen = world.prescriptions().lineOf(id, 0).filled < 3 && block.timestamp < last.line.latest;
            if (isOpen) return _scripts.length - 1;
        }
        Script memory script;
        script.bearer = uint256(keccak256(abi.encode("bearer of a claim", ++_made)));
        script.line = IPrescriptions.Line({
            item: bytes32(_made),
            quantity: 3,
            refills: 0,
            interval: 0,
            earliest: uint40(block.timestamp),
            latest: uint40(block.timestamp + 300 days)
        });
        address prescriber = _speaker(HOSPITAL, PRESCRIBER, seed);
        bytes32 hash = keccak256(abi.encode(LINE_TYPEHASH, script.line));
        script.terms = IPrescriptions.Terms(
            prescriber,
            VM.addr(script.bearer),
            keccak256(abi.encodePacked(hash)),
            bytes32(_made)
        );
        bytes memory data = abi.encodeCall(
            IPrescriptions.prescribe,
            (script.terms.bearer, script.terms.lines, script.terms.file)
        );
        _say(prescriber, address(world.prescriptions()), data);
        _scripts.push(script);
        return _scripts.length - 1;
    }

    function _word(
        Script storage script,
        uint256 seed
    ) private view returns (IPrescriptions.Take memory terms, bytes memory word) {
        terms = IPrescriptions.Take(script.terms, 1, 0, script.words, _soon(seed));
        bytes32 hash = keccak256(
            abi.encode(
                TAKE_TYPEHASH,
                _scriptId(script),
                uint32(1),
                uint32(0),
                FIRST_PHARMACY,
                terms.nonce,
                terms.deadline
            )
        );
        word = _signed(script.bearer, address(world.prescriptions()), hash);
    }

    /// @dev The batch that the pharmacy dispenses from: a new one once eight packs were.
    function _stocked() private returns (bytes32) {
        if (_packs % 8 != 0 && _batch != 0) return _batch;

        IBatches.Commission memory terms;
        terms.root = PackTrees.rootOf(FIRST_TREE + _packs / 8, 0);
        (terms.product, terms.lot, terms.tag, terms.manifest) = ("product", "lot", "tag", "manifest");
        terms.keyNumber = world.consortium().keyNumber();
        terms.expiry = uint40(block.timestamp / 1 days + 4_000) * 1 days;
        (terms.palletBits, terms.caseBits) = (20, 20);
        address maker = world.accountOf(FIRST_MAKER);
        IBatches batches = world.batches();
        bytes memory data = abi.encodeCall(IBatches.commission, (terms));
        _batch = abi.decode(_do(maker, address(batches), data), (bytes32));
        uint40 ends = uint40(block.timestamp + 1 days);
        _do(maker, address(batches), abi.encodeCall(IBatches.offer, (_batch, 1, FIRST_PHARMACY, ends, NONE)));
        address pharmacy = world.accountOf(FIRST_PHARMACY);
        _do(pharmacy, address(batches), abi.encodeCall(IBatches.accept, (_batch, 1, new uint32[](0))));
        return _batch;
    }

    function _freePack() private view returns (uint256) {
        return _packs % 8;
    }
}
