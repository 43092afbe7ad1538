// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IAdjudicator} from "../interfaces/cover/IAdjudicator.sol";
import {IBenefits} from "../interfaces/cover/IBenefits.sol";
import {IClaims} from "../interfaces/cover/IClaims.sol";
import {IEscrow} from "../interfaces/cover/IEscrow.sol";
import {IPolicies} from "../interfaces/cover/IPolicies.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {IBatches} from "../interfaces/medicine/IBatches.sol";
import {IPrescriptions} from "../interfaces/medicine/IPrescriptions.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Claim, Line} from "../types/Claim.sol";
import {Reasons} from "../types/Reasons.sol";
import {INSURER, PHARMACIST, PROVIDERS, Roles} from "../types/Roles.sol";

/// @title Claims
/// @notice What providers claim from insurers, decided in the transaction that submits it.
contract Claims is IClaims, EIP712 {
    bytes32 private constant LINE_TYPEHASH = keccak256(
        "Line(bytes32 service,uint16 day,uint16 units,uint64 charged,bytes32 authorization)"
    );
    bytes32 private constant CLAIM_TYPEHASH = keccak256(
        "Claim(address pseudonym,bytes32 plan,uint32 provider,bytes32 evidence,bytes32 primary,Line[] lines,bytes32 salt,uint32 era,uint40 deadline)"
        "Line(bytes32 service,uint16 day,uint16 units,uint64 charged,bytes32 authorization)"
    );

    uint256 private constant MOST_LINES = 32;

    /// @dev So that no sum of a policy year comes near 2^64.
    uint256 private constant MOST_CHARGED = 1 << 56;

    uint8 private constant HAS_SECONDARY = 1;
    uint8 private constant IS_GOODS = 2;
    uint8 private constant AGREED = 4;
    uint8 private constant REFUSED = 8;

    /// @dev A claim that is being decided.
    /// @param content The claim's content.
    /// @param batch The pack's batch, zero for services.
    /// @param index The pack's place.
    /// @param marks The claim's.
    /// @param least The least that the provider accepts.
    /// @param back What was paid before, for this claim or for the one whose place it takes.
    /// @param atOnce Whether it cannot be pended.
    /// @param isOverpaid Whether more was paid of the share than is due now: then all of it goes back.
    /// @param query What it is asked with.
    struct Run {
        bytes32 content;
        bytes32 batch;
        uint32 index;
        uint8 marks;
        uint64 least;
        uint64 back;
        bool atOnce;
        bool isOverpaid;
        IBenefits.Query query;
    }

    IConsortium private immutable _consortium;
    IKeys private immutable _keys;
    IBatches private immutable _batches;
    IPrescriptions private immutable _prescriptions;
    IPolicies private immutable _policies;
    IBenefits private immutable _benefits;
    IEscrow private immutable _escrow;

    /// @inheritdoc IClaims
    mapping(bytes32 claim => address) public reviewerOf;

    mapping(bytes32 claim => State) private _stateOf;
    mapping(bytes32 claim => address controller) private _consentOf;
    mapping(bytes32 claim => uint64) private _receivedOf;

    constructor(
        IConsortium consortium,
        IKeys keys,
        IBatches batches,
        IPrescriptions prescriptions,
        IPolicies policies,
        IBenefits benefits,
        IEscrow escrow
    ) EIP712("Theriac Claims", "1") {
        _consortium = consortium;
        _keys = keys;
        _batches = batches;
        _prescriptions = prescriptions;
        _policies = policies;
        _benefits = benefits;
        _escrow = escrow;
    }

    /// @inheritdoc IClaims
    function contentOf(Claim calldata claim) public pure returns (bytes32 content) {
        bytes32[] memory lines = new bytes32[](claim.lines.length);
        for (uint256 i = 0; i < lines.length; ++i) {
            lines[i] = keccak256(abi.encode(LINE_TYPEHASH, claim.lines[i]));
        }
        bytes memory head = abi.encode(
            CLAIM_TYPEHASH,
            claim.pseudonym,
            claim.plan,
            claim.provider,
            claim.evidence,
            claim.primary,
            keccak256(abi.encodePacked(lines))
        );
        return keccak256(bytes.concat(head, abi.encode(claim.salt, claim.era, claim.deadline)));
    }

    /// @inheritdoc IClaims
    function idOf(Claim calldata claim) public pure returns (bytes32 id) {
        return _idOf(claim.plan, contentOf(claim));
    }

    /// @inheritdoc IClaims
    function stateOf(bytes32 claim) external view returns (State memory) {
        return _stateOf[claim];
    }

    /// @inheritdoc IClaims
    function consent(Claim calldata claim) external {
        address controller = _controllerOf(claim);
        if (msg.sender != controller) revert NoConsent(controller);
        bytes32 id = idOf(claim);

        _consentOf[id] = controller;

        emit Consented(id, claim.plan, claim.pseudonym);
    }

    /// @inheritdoc IClaims
    function submit(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        uint64 least,
        bytes calldata signature
    ) external returns (bytes32 id) {
        Run memory run = _begin(claim, PROVIDERS, least, signature);
        if (claim.primary != 0) revert WrongPrimary(claim.primary);

        return _submit(claim, rows, run);
    }

    /// @inheritdoc IClaims
    function dispense(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        Goods calldata goods,
        uint64 least,
        bytes calldata signature
    ) external returns (bytes32 id) {
        Run memory run = _begin(claim, PHARMACIST, least, signature);
        if (claim.primary != 0) revert WrongPrimary(claim.primary);
        _checkGoods(claim.lines, goods.filling.units);
        bytes32 filled = _evidenceOf(_prescriptions.idOf(goods.filling.terms), goods.filling.line);
        if (claim.evidence != filled) revert WrongEvidence(filled);
        run.batch = goods.batch;
        run.index = goods.index;
        run.marks = IS_GOODS;

        if (goods.word.length != 0) _prescriptions.takeFor(msg.sender, goods.take, goods.word);
        _batches.dispenseFor(msg.sender, goods.batch, goods.index, goods.pack, goods.siblings);
        _prescriptions.fillFor(msg.sender, goods.filling);
        return _submit(claim, rows, run);
    }

    /// @inheritdoc IClaims
    function coordinate(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        Settled calldata primary,
        uint64 least,
        bytes calldata signature
    ) external returns (bytes32 id) {
        Run memory run = _begin(claim, PROVIDERS, least, signature);
        State storage first = _checkFacts(primary, claim.primary, ClaimStatus.Decided);
        bool isSame = _isOfTheSame(primary.claim, claim) && _areSame(primary.claim.lines, claim.lines);
        bool isOpen = first.marks & HAS_SECONDARY == 0 && first.share != 0 && primary.claim.primary == 0;
        if (!isSame || !isOpen || primary.claim.plan == claim.plan) revert WrongPrimary(claim.primary);
        run.batch = primary.batch;
        run.index = primary.index;
        run.marks = first.marks & IS_GOODS;
        run.query.time = first.time;
        run.query.most = first.share;
        run.atOnce = true;

        return _submit(claim, rows, run);
    }

    /// @inheritdoc IClaims
    function resume(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        bytes32 batch,
        uint32 index,
        uint64 least
    ) external {
        _checkProvider(claim.provider, PROVIDERS);
        Run memory run = _pended(claim, batch, index);
        run.least = least;

        _decide(claim, rows, run);
    }

    /// @inheritdoc IClaims
    function review(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        bytes32 batch,
        uint32 index,
        bool agreed
    ) external {
        (, uint32 insurer, ) = _disputesOf(claim.plan);
        uint32 member = _memberOf(msg.sender, INSURER);
        if (member != insurer) revert NotTheInsurer(member, insurer);
        Run memory run = _pended(claim, batch, index);
        IBenefits.Missing missing = _stateOf[run.query.id].missing;
        if (missing != IBenefits.Missing.Review) revert NotForReview(run.query.id, missing);

        run.marks |= agreed ? AGREED : REFUSED;
        reviewerOf[run.query.id] = msg.sender;

        emit Reviewed(run.query.id, msg.sender, agreed);

        _decide(claim, rows, run);
    }

    /// @inheritdoc IClaims
    function reverse(Settled calldata settled, bytes32 prescription, uint8 line) external {
        Claim calldata claim = settled.claim;
        _checkProvider(claim.provider, PROVIDERS);
        bytes32 id = idOf(claim);
        uint64 paid = _reversible(settled, id);

        _undo(settled, id, false);
        if (prescription != 0) _takeBack(settled, prescription, line);
        _giveBack(claim, paid);
        _refund(claim, id);
    }

    /// @inheritdoc IClaims
    function adjust(
        Settled calldata settled,
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        uint64 least,
        bytes calldata signature
    ) external returns (bytes32 id) {
        Run memory run = _begin(claim, PROVIDERS, least, signature);
        bytes32 old = idOf(settled.claim);
        run.back = _reversible(settled, old);
        bool isSame = _isOfTheSame(settled.claim, claim) && settled.claim.plan == claim.plan;
        if (!isSame || (claim.primary | settled.claim.primary) != 0) revert WrongPrimary(claim.primary);
        run.batch = settled.batch;
        run.index = settled.index;
        run.marks = _stateOf[old].marks & IS_GOODS;
        run.query.time = _stateOf[old].time;
        run.atOnce = true;
        if (run.marks & IS_GOODS != 0) _checkGoods(claim.lines, settled.claim.lines[0].units);

        _undo(settled, old, false);
        _receivedOf[run.query.id] = _receivedOf[old];
        id = _submit(claim, rows, run);
        _refund(claim, old);
    }

    /// @inheritdoc IClaims
    function redecide(Settled calldata settled, Reasons[] calldata waived) external {
        Claim calldata claim = settled.claim;
        _checkAppeals(claim.plan);
        Run memory run = _run(claim);
        State storage state = _checkFacts(settled, run.query.id, ClaimStatus.Decided);
        if (state.marks & HAS_SECONDARY != 0) revert HasSecondary(run.query.id);
        run.batch = settled.batch;
        run.index = settled.index;
        run.marks = state.marks | AGREED;
        run.query.time = state.time;
        run.back = state.paid;
        if (claim.primary != 0) run.query.most = _stateOf[claim.primary].share + state.paid;
        run.atOnce = true;

        _undo(settled, run.query.id, false);
        _ask(claim, run);
        IBenefits.Verdict memory verdict = _benefits.redecide(claim, settled.benefits, waived, run.query);
        if (verdict.missing == IBenefits.Missing.Nothing && verdict.paid <= run.back) {
            revert NothingGained(verdict.paid, run.back);
        }

        _settle(claim, run, verdict);
        if (run.isOverpaid) _refund(claim, run.query.id);
    }

    /// @inheritdoc IClaims
    function withhold(Settled calldata settled) external {
        Claim calldata claim = settled.claim;
        _checkAppeals(claim.plan);
        bytes32 id = idOf(claim);
        State storage state = _checkFacts(settled, id, ClaimStatus.Decided);

        state.status = ClaimStatus.Disputed;

        emit Withheld(id, state.paid);

        _escrow.dispute(claim.plan, claim.provider, state.paid);
    }

    /// @inheritdoc IClaims
    function conclude(Settled calldata settled, bool forInsurer) external {
        Claim calldata claim = settled.claim;
        _checkAppeals(claim.plan);
        bytes32 id = idOf(claim);
        State storage state = _checkFacts(settled, id, ClaimStatus.Disputed);
        uint64 paid = state.paid;

        state.status = ClaimStatus.Decided;

        emit Ruled(id, forInsurer);

        if (forInsurer) _undo(settled, id, true);
        if (forInsurer && !_isRefunded(claim, id)) emit ShareKept(id);
        _escrow.conclude(claim.plan, claim.provider, paid, forInsurer);
    }

    /// @inheritdoc IClaims
    function receiveShare(bytes32 plan, bytes32 content) external {
        bytes32 id = _idOf(plan, content);
        _checkProvider(_stateOf[id].provider, PROVIDERS);
        uint64 share = _due(id);

        _stateOf[id].share = 0;
        _receivedOf[id] += share;

        emit ShareReceived(id, share);
    }

    /// @inheritdoc IAdjudicator
    function settleShare(
        bytes32 plan,
        bytes32 content
    ) external returns (bytes32 claim, uint32 provider, uint64 amount) {
        if (msg.sender != address(_escrow)) revert NotTheEscrow(msg.sender);
        claim = _idOf(plan, content);
        amount = _due(claim);
        provider = _stateOf[claim].provider;

        _stateOf[claim].share = 0;
    }

    function _begin(
        Claim calldata claim,
        Roles roles,
        uint64 least,
        bytes calldata signature
    ) private view returns (Run memory run) {
        _checkProvider(claim.provider, roles);
        _checkLines(claim.lines);
        run = _run(claim);
        run.least = least;
        ClaimStatus status = _stateOf[run.query.id].status;
        if (status != ClaimStatus.None) revert WrongStatus(run.query.id, status);
        _checkConsent(claim, run, signature);
    }

    function _run(Claim calldata claim) private view returns (Run memory run) {
        run.content = contentOf(claim);
        run.query.id = _idOf(claim.plan, run.content);
        run.query.time = uint40(block.timestamp);
        run.query.most = type(uint64).max;
    }

    function _pended(Claim calldata claim, bytes32 batch, uint32 index) private view returns (Run memory run) {
        run = _run(claim);
        State storage state = _stateOf[run.query.id];
        if (state.status != ClaimStatus.Pended) revert WrongStatus(run.query.id, state.status);
        if (state.facts != _facts(run.content, batch, index, 0)) revert WrongFacts(run.query.id);
        run.batch = batch;
        run.index = index;
        run.marks = state.marks;
        run.query.time = state.time;
    }

    function _submit(Claim calldata claim, IBenefits.Row[] calldata rows, Run memory run) private returns (bytes32 id) {
        id = run.query.id;

        emit Submitted(
            id,
            claim.plan,
            claim.pseudonym,
            claim.provider,
            claim.evidence,
            claim.primary,
            run.batch,
            run.index
        );

        _decide(claim, rows, run);
    }

    function _decide(Claim calldata claim, IBenefits.Row[] calldata rows, Run memory run) private {
        _ask(claim, run);

        _settle(claim, run, _benefits.decide(claim, rows, run.query));
    }

    /// @dev The marks and the plan's money, as they are by now.
    function _ask(Claim calldata claim, Run memory run) private view {
        run.query.isGoods = run.marks & IS_GOODS != 0;
        run.query.refused = run.marks & REFUSED != 0;
        run.query.agreed = run.marks & AGREED != 0;
        run.query.funds = _escrow.balanceOf(claim.plan) + run.back;
    }

    /// @dev Everything is written before any money moves.
    function _settle(Claim calldata claim, Run memory run, IBenefits.Verdict memory verdict) private {
        bytes32 id = run.query.id;
        bool isPended = verdict.missing != IBenefits.Missing.Nothing;
        if (isPended && run.atOnce) revert StillMissing(verdict.missing);
        if (!isPended && verdict.paid < run.least) revert BelowLeast(verdict.paid, run.least);

        uint64 share = isPended ? 0 : _share(claim, run, verdict);
        _stateOf[id] = State({
            status: isPended ? ClaimStatus.Pended : ClaimStatus.Decided,
            missing: verdict.missing,
            marks: run.marks,
            provider: claim.provider,
            time: uint32(run.query.time),
            decided: isPended ? 0 : uint32(block.timestamp),
            paid: verdict.paid,
            share: share,
            facts: _facts(run.content, run.batch, run.index, verdict.facts)
        });
        if (isPended) {
            emit ClaimPended(id, verdict.missing);
            return;
        }

        emit Decided(id, verdict.paid, share);

        if (verdict.paid > run.back) _escrow.pay(claim.plan, claim.provider, verdict.paid - run.back);
        else _giveBack(claim, run.back - verdict.paid);
    }

    /// @dev What the patient owes: on an earlier payer's claim where there is one, and less what was paid before.
    function _share(
        Claim calldata claim,
        Run memory run,
        IBenefits.Verdict memory verdict
    ) private returns (uint64 share) {
        if (claim.primary != 0) {
            _stateOf[claim.primary].share -= verdict.paid;
            _stateOf[claim.primary].marks |= HAS_SECONDARY;
            return 0;
        }

        share = verdict.share;
        if (!run.atOnce) return share;

        uint64 had = _escrow.shareOf(claim.plan, run.query.id);
        run.isOverpaid = had > share;
        if (!run.isOverpaid) share -= had;
        had = _receivedOf[run.query.id];
        return share > had ? share - had : 0;
    }

    function _refund(Claim calldata claim, bytes32 id) private {
        _escrow.refundShare(claim.plan, id, claim.provider);
    }

    /// @dev By evidence that an arbiter has rejected nothing is claimed again.
    function _undo(Settled calldata settled, bytes32 id, bool isRejected) private {
        Claim calldata claim = settled.claim;
        State storage state = _stateOf[id];
        uint64 paid = state.paid;
        IBenefits.Query memory query;
        query.id = id;
        query.isGoods = state.marks & IS_GOODS != 0;
        query.refused = isRejected;
        state.status = ClaimStatus.Reversed;
        state.paid = 0;
        state.share = 0;
        if (claim.primary != 0) {
            State storage primary = _stateOf[claim.primary];
            primary.marks &= ~HAS_SECONDARY;
            if (primary.status != ClaimStatus.Reversed) primary.share += paid;
        }

        emit Reversed(id, paid);

        _benefits.undo(claim, settled.benefits, settled.outcomes, query);
    }

    /// @dev A provider that has nothing left must not keep the arbiter from ruling. It is tried before the rest, which whoever
    /// leaves it too little gas could not pay for.
    function _isRefunded(Claim calldata claim, bytes32 id) private returns (bool) {
        try _escrow.refundShare(claim.plan, id, claim.provider) {
            return true;
        } catch {
            return false;
        }
    }

    function _giveBack(Claim calldata claim, uint64 amount) private {
        if (amount != 0) _escrow.takeBack(claim.plan, claim.provider, amount);
    }

    /// @dev The pack goes back into stock, and the line can be filled again; but not while an earlier payer has paid it,
    /// nor in place of another part of the line.
    function _takeBack(Settled calldata settled, bytes32 prescription, uint8 line) private {
        Claim calldata claim = settled.claim;
        if (claim.primary != 0) revert WrongPrimary(claim.primary);
        if (claim.evidence != _evidenceOf(prescription, line)) revert WrongEvidence(claim.evidence);

        _batches.undoFor(msg.sender, settled.batch, settled.index);
        uint16 units = _prescriptions.unfillFor(msg.sender, prescription, line);
        if (units != claim.lines[0].units) revert WrongEvidence(claim.evidence);
    }

    function _due(bytes32 id) private view returns (uint64 share) {
        State storage state = _stateOf[id];
        share = state.share;
        if (state.status != ClaimStatus.Decided) revert WrongStatus(id, state.status);
        if (share == 0) revert NothingDue(id);
    }

    function _reversible(Settled calldata settled, bytes32 id) private view returns (uint64 paid) {
        bool isPended = _stateOf[id].status == ClaimStatus.Pended;
        State storage state = _checkFacts(settled, id, isPended ? ClaimStatus.Pended : ClaimStatus.Decided);
        if (isPended) return 0;
        if (state.marks & HAS_SECONDARY != 0) revert HasSecondary(id);
        (, , uint16 reversalDays) = _disputesOf(settled.claim.plan);
        uint256 latest = state.decided + uint256(reversalDays) * 1 days;
        if (block.timestamp > latest) revert TooLate(id, latest);

        return state.paid;
    }

    /// @dev Of a claim that is pended nothing was decided, and nothing is shown.
    function _checkFacts(
        Settled calldata settled,
        bytes32 id,
        ClaimStatus status
    ) private view returns (State storage state) {
        state = _stateOf[id];
        if (state.status != status) revert WrongStatus(id, state.status);
        bytes32 decided = 0;
        if (settled.outcomes.length != 0) decided = _benefits.factsOf(settled.benefits, settled.outcomes);
        bytes32 facts = _facts(contentOf(settled.claim), settled.batch, settled.index, decided);
        if (state.facts != facts) revert WrongFacts(id);
    }

    function _checkConsent(Claim calldata claim, Run memory run, bytes calldata signature) private view {
        if (block.timestamp > claim.deadline) revert ConsentExpired(claim.deadline);
        address controller = _controllerOf(claim);
        if (signature.length == 0 && controller != address(0) && _consentOf[run.query.id] == controller) return;

        bytes32 hash = _hashTypedDataV4(run.content);
        if (!Signatures.isSignedBy(hash, signature, controller)) revert NoConsent(controller);
    }

    function _controllerOf(Claim calldata claim) private view returns (address) {
        IKeys.Authority memory authority = _keys.authorityOf(claim.pseudonym);
        if (claim.era != authority.era) revert IKeys.WrongEra(claim.era, authority.era);
        if (authority.frozen) revert IKeys.Frozen(claim.pseudonym);

        return authority.controller;
    }

    function _checkProvider(uint32 provider, Roles roles) private view {
        uint32 member = _memberOf(msg.sender, roles);
        if (member != provider) revert NotTheProvider(member, provider);
    }

    function _checkAppeals(bytes32 plan) private view {
        (address appeals, , ) = _disputesOf(plan);
        if (msg.sender != appeals) revert NotTheAppeals(msg.sender, appeals);
    }

    function _disputesOf(bytes32 plan) private view returns (address appeals, uint32 insurer, uint16 reversalDays) {
        (appeals, insurer, , , , reversalDays) = _policies.disputesOf(plan);
    }

    function _memberOf(address account, Roles roles) private view returns (uint32 member) {
        member = _consortium.standing(account, roles);
        if (member == 0) revert NoStanding(account);
    }

    function _checkLines(Line[] calldata lines) private pure {
        bool isRight = lines.length != 0 && lines.length <= MOST_LINES;
        for (uint256 i = 0; i < lines.length; ++i) {
            isRight = isRight && lines[i].units != 0 && lines[i].charged != 0 && lines[i].charged < MOST_CHARGED;
        }
        if (!isRight) revert WrongLines(lines.length);
    }

    /// @dev Goods have one line and no day, and as many units as were given.
    function _checkGoods(Line[] calldata lines, uint16 units) private pure {
        bool isRight = lines.length == 1 && lines[0].day == 0 && lines[0].units == units;
        if (!isRight) revert WrongLines(lines.length);
    }

    function _areSame(Line[] calldata lines, Line[] calldata others) private pure returns (bool) {
        if (lines.length != others.length) return false;
        for (uint256 i = 0; i < lines.length; ++i) {
            bool isSame = lines[i].units == others[i].units && lines[i].charged == others[i].charged;
            if (!isSame) return false;
        }
        return true;
    }

    function _isOfTheSame(Claim calldata claim, Claim calldata other) private pure returns (bool) {
        bool isSame = claim.pseudonym == other.pseudonym && claim.provider == other.provider;
        return isSame && claim.evidence == other.evidence;
    }

    function _facts(
        bytes32 content,
        bytes32 batch,
        uint32 index,
        bytes32 decided
    ) private pure returns (bytes32 facts) {
        return keccak256(abi.encode(content, batch, index, decided));
    }

    function _evidenceOf(bytes32 prescription, uint8 line) private pure returns (bytes32) {
        return keccak256(abi.encode(prescription, line));
    }

    function _idOf(bytes32 plan, bytes32 content) private pure returns (bytes32) {
        return keccak256(abi.encode(plan, content));
    }
}
