// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IBatches} from "../../contracts/interfaces/medicine/IBatches.sol";
import {IColdChain} from "../../contracts/interfaces/medicine/IColdChain.sol";
import {Blocks} from "../../contracts/types/Blocks.sol";
import {DISPENSE_FOR, REPORT_EXCURSION_FOR} from "../../contracts/types/Operations.sol";
import {MAKER, PHARMACIST, REGULATOR, Roles} from "../../contracts/types/Roles.sol";
import {Verdict} from "../../contracts/types/Verdict.sol";
import {Handler} from "../Handler.sol";
import {
    AUTHORITY,
    CLINIC,
    FIRST_DISTRIBUTOR,
    FIRST_MAKER,
    FIRST_PHARMACY,
    SECOND_DISTRIBUTOR,
    SECOND_MAKER,
    SECOND_PHARMACY,
    World
} from "../World.sol";
import {People} from "../models/People.sol";
import {Till} from "../models/Till.sol";
import {PackTrees} from "../models/PackTrees.sol";
import {Part, PackModel, Shelf} from "../models/PackModel.sol";

/// @title PackHandler
/// @notice What makers, distributors, pharmacies and a regulator do with some batches, and what others try.
/// @dev Each act is asked of the model, then of the contract; what the contract shows before and after it is held
/// against the properties of medicine.
contract PackHandler is Handler {
    using PackModel for Shelf;
    using PackModel for Part;

    uint256 private constant MOST_BATCHES = 6;
    uint256 private constant MOST_PAPERS = 24;
    uint256 private constant NO_PAPER = type(uint256).max;
    uint256 private constant SHAPES = 7;

    bytes32 private constant HANDOFF_TYPEHASH = keccak256(
        "Handoff(bytes32 batch,uint32 node,address by,uint32 to,uint32 moves,bytes32 sheet,uint40 deadline)"
    );

    Roles private constant HANDLERS = Roles.wrap((1 << 2) | (1 << 3) | (1 << 4));

    /// @dev What the contract says of a part.
    struct Sight {
        uint32 holder;
        uint32 giver;
        uint32 moves;
        uint8 blocks;
        bool offered;
        bool expired;
        IBatches.PackStatus status;
        address operator;
    }

    /// @dev An offer, as it was when the chain took it.
    struct Promised {
        uint32 to;
        uint32 moves;
        uint40 ends;
    }

    /// @dev An offer that was signed, or that somebody pretends was signed.
    struct Paper {
        IBatches.Handoff terms;
        bytes signature;
        uint256 shelf;
        uint256 part;
        bool forged;
        bool used;
    }

    /// @dev Who dispensed a pack, and when something was last dispensed out of a part.
    struct Given {
        uint32 by;
        uint16 day;
        bool opened;
    }

    /// @dev What is wrong with a paper that is signed: it is somebody else's, of another count, or what it is about is then
    /// offered to another.
    enum Flaw {
        None,
        Forged,
        Moves,
        Offered
    }

    enum Name {
        Offer,
        Withdraw,
        Reject,
        Accept,
        AcceptBySig,
        Dispense,
        DispenseFor,
        DispenseMany,
        Undo,
        UndoFor,
        End,
        EndMany,
        Quarantine,
        ReportExcursion,
        Release,
        Recall,
        LiftRecall
    }

    /// @dev What is said, by whom, and of what.
    /// @param actor Who says it, or for whom a contract does.
    /// @param member The actor's member, if it has standing for this.
    /// @param part The number of the part that it names.
    /// @param missing The parts that are missing, a bit each.
    /// @param packs The packs that it names, a bit each of their word.
    /// @param paper The number of the paper that is brought.
    /// @param call What the contract is asked.
    /// @param may What the model says of it.
    /// @param waived The rule that alone forbids it; zero for others.
    struct Act {
        Name name;
        uint256 shelf;
        uint256 part;
        address actor;
        uint32 member;
        uint32 to;
        uint40 ends;
        uint256 missing;
        uint256 packs;
        uint8 block_;
        IBatches.End kind;
        bool proven;
        uint256 paper;
        address sender;
        address target;
        bytes call;
        bool may;
        uint8 waived;
    }

    /// @dev What was done, and what the contract shows before and after it.
    struct Seen {
        Act act;
        Shelf shelf;
        Sight[] before;
        Sight[] later;
    }

    address private immutable _till;

    Shelf[] private _shelves;
    Paper[] private _papers;
    uint256 private _signed;
    uint256 private _commissioned;
    uint256 private _reports;

    mapping(bytes32 batch => mapping(uint256 part => Promised)) private _promiseOf;
    mapping(bytes32 batch => mapping(uint256 part => Given)) private _givenOf;

    constructor(World world_) Handler(world_) {
        _till = address(new Till());
        uint32[5] memory members = [FIRST_PHARMACY, SECOND_PHARMACY, CLINIC, FIRST_DISTRIBUTOR, SECOND_DISTRIBUTOR];
        for (uint256 i = 0; i < 3; ++i) _permit(members[i], _till, DISPENSE_FOR);
        _permit(FIRST_DISTRIBUTOR, address(world_.coldChain()), REPORT_EXCURSION_FOR);
        _permit(FIRST_PHARMACY, address(world_.coldChain()), REPORT_EXCURSION_FOR);
        for (uint256 i = 0; i < 3; ++i) _commission(i, 60);
        // Some goods lie at the pharmacies already.
        for (uint256 i = 0; i < 3; ++i) _bring(_signPaper(i, _handler(i), Flaw.None), 1);
    }

    // Acts

    function commission(uint256 seed) external acting {
        bool isRoom =
            _shelves.length < MOST_BATCHES || block.timestamp >= _shelves[_commissioned % MOST_BATCHES].expiry;
        if (!isRoom && seed % 8 != 0) revert NothingToDo();
        _commission((seed / 8) % SHAPES, _between(seed / 64, 2, seed % 3 == 0 ? 20 : 90));
    }

    function offer(uint256 seed, uint256 whom) external acting {
        Act memory act = _begin(Name.Offer, seed);
        act.to = _handler(whom);
        act.ends = uint40(block.timestamp + 1 + (_more(seed, 1) % (seed % 2 == 0 ? 2 days : 30 days)));
        _choose(act, seed);
    }

    function withdraw(uint256 seed) external acting {
        if (seed % 4 != 0) revert NothingToDo();
        _choose(_begin(Name.Withdraw, seed), seed);
    }

    function reject(uint256 seed) external acting {
        if (seed % 4 != 0) revert NothingToDo();
        _choose(_begin(Name.Reject, seed), seed);
    }

    /// @notice Somebody takes what is offered. Where nothing is, something is offered first.
    function accept(uint256 seed, uint256 missing) external acting {
        Act memory act = _begin(Name.Accept, seed);
        act.missing = missing % 3 == 0 ? missing / 3 : 0;
        _findOffered(act, seed, missing);
        _say(act, _shelves[act.shelf]);
    }

    /// @notice A holder signs an offer for somebody; it may be brought later, or never.
    function sign(uint256 seed, uint256 whom) external acting {
        _signPaper(seed, _handler(whom), Flaw.None);
    }

    /// @notice Somebody brings what was signed. Where nothing of that counts, something is signed first.
    function acceptBySig(uint256 seed, uint256 missing) external acting {
        uint256 number = _papers.length == 0 ? 0 : _more(seed, 2) % _papers.length;
        for (uint256 k = 0; k < _papers.length; ++k) {
            if (_bring((number + k) % _papers.length, missing)) return;
        }
        if (!_bring(_signPaper(seed, _handler(missing), Flaw.None), missing)) revert NothingToDo();
    }

    function dispense(uint256 seed) external acting {
        _choose(_begin(_more(seed, 3) % 3 == 0 ? Name.DispenseFor : Name.Dispense, seed), seed);
    }

    function dispenseMany(uint256 seed, uint256 mask) external acting {
        Act memory act = _begin(Name.DispenseMany, seed);
        act.packs = mask;
        _choose(act, seed);
    }

    /// @notice Somebody takes back what was dispensed. Where nothing was, it is dispensed first.
    function undo(uint256 seed) external acting {
        bool through = _more(seed, 3) % 3 == 0;
        Act memory act = _begin(through ? Name.UndoFor : Name.Undo, seed);
        if (!_search(act, seed)) _choose(_begin(through ? Name.DispenseFor : Name.Dispense, seed), seed);
        _choose(act, seed);
    }

    /// @notice Goods end one at a time, and rarely, so that there are some left.
    function end(uint256 seed, uint256 mask) external acting {
        if (mask % 4 != 0) revert NothingToDo();
        Act memory act = _begin(seed % 3 == 0 ? Name.EndMany : Name.End, seed);
        act.kind = IBatches.End(_more(seed, 3) % 5);
        act.packs = mask / 4;
        _choose(act, seed);
    }

    function quarantine(uint256 seed) external acting {
        if (_more(seed, 4) % 3 != 0) revert NothingToDo();
        Act memory act = _begin(Name.Quarantine, seed);
        act.block_ = uint8(1 << (_more(seed, 3) % 3));
        _choose(act, seed);
    }

    function release(uint256 seed) external acting {
        Act memory act = _begin(Name.Release, seed);
        for (uint256 k = 0; k < 4; ++k) {
            act.block_ = uint8(1 << ((_more(seed, 3) + k) % 4));
            if (_search(act, seed)) break;
        }
        _choose(act, seed);
    }

    function recall(uint256 seed) external acting {
        if (_more(seed, 4) % 4 != 0) revert NothingToDo();
        _choose(_begin(Name.Recall, seed), seed);
    }

    function liftRecall(uint256 seed) external acting {
        _choose(_begin(Name.LiftRecall, seed), seed);
    }

    /// @notice A logger's reading: most of them say that it was cold enough.
    function log(uint256 seed) external acting {
        Act memory act = _begin(Name.ReportExcursion, seed);
        bool exceeds = _more(seed, 3) % 3 == 0;
        if (!_search(act, seed)) revert NothingToDo();

        Shelf memory shelf = _shelves[act.shelf];
        act.sender = act.actor;
        act.target = address(world.coldChain());
        act.call = _reportOf(act, shelf, exceeds);
        act.may = true;
        if (exceeds) {
            _make(act, shelf);
            // The same report blocks nothing again.
            _refused(act.sender, act.target, act.call, "M13");
        } else {
            Sight[] memory before = _look(shelf);
            _do(act.sender, act.target, act.call);
            _must(keccak256(abi.encode(before)) == keccak256(abi.encode(_look(shelf))), "M13");
        }
    }

    // What others try. The model says whether it is theirs after all.

    function hostileAct(uint256 seed, uint256 more) external acting {
        Act memory act = _begin(Name(_more(seed, 5) % 17), seed);
        if (act.name == Name.AcceptBySig) revert NothingToDo();
        Shelf memory shelf = _shelves[act.shelf];
        act.part = more % shelf.parts.length;
        act.to = _handler(_more(more, 1));
        act.ends = uint40(block.timestamp + (_more(more, 2) % 31 days));
        act.block_ = uint8(1 << (_more(more, 3) % 5));
        act.kind = IBatches.End(_more(more, 4) % 5);
        act.proven = _more(more, 6) % 2 == 0;
        act.missing = _more(more, 7) % 2 == 0 ? 0 : 1 << (_more(more, 8) % shelf.parts.length);
        act.packs = _masked(act, shelf, _more(more, 9), false);
        _actAs(act, _more(more, 10) % 3 == 0 ? world.stranger() : world.accountOf(_anybody(_more(more, 11))));
        _say(act, shelf);
    }

    /// @notice What somebody may do is tried by another, or by a wrong proof, or with something else missing.
    function hostileNearly(uint256 seed, uint256 more) external acting {
        Act memory act = _begin(Name(_more(seed, 5) % 17), seed);
        act.to = _handler(more);
        act.ends = uint40(block.timestamp + 1 days);
        act.block_ = uint8(1 << (_more(more, 3) % 3));
        act.packs = _more(more, 9);
        if (act.name == Name.AcceptBySig || !_search(act, seed)) revert NothingToDo();

        Shelf memory shelf = _shelves[act.shelf];
        uint256 kind = _more(more, 4) % 4;
        if (kind == 0) act.missing = 1 << (_more(more, 8) % shelf.parts.length);
        else if (kind == 1) act.part = _more(more, 12) % shelf.parts.length;
        else _actAs(act, world.accountOf(_anybody(_more(more, 11))));
        if (act.name == Name.Dispense || act.name == Name.DispenseFor) act.proven = kind != 0;
        act.packs = _masked(act, shelf, _more(more, 9), false);
        _say(act, shelf);
    }

    /// @notice What only one rule forbids: what goes with an offer, is opened, blocked, expired, too late, another's or gone.
    function hostileRule(uint256 seed, uint256 more) external acting {
        uint8 rule = uint8(1 << (more % 8));
        Name name = Name(_more(seed, 5) % 14);
        if (rule == PackModel.OFFERED) name = Name.Accept;
        else if (rule == PackModel.PROOF) name = seed % 2 == 0 ? Name.Dispense : Name.DispenseFor;
        else if (rule == PackModel.OPENED) name = Name.Offer;
        else if (rule == PackModel.USABLE) name = seed % 2 == 0 ? Name.Offer : Name.Dispense;
        else if (rule == PackModel.DAYS || rule == PackModel.OPERATOR) name = seed % 2 == 0 ? Name.Undo : Name.UndoFor;
        else if (name == Name.AcceptBySig || name == Name.Reject) name = Name.Dispense;
        Act memory act = _begin(name, seed);
        act.waived = rule;
        act.proven = rule != PackModel.PROOF;
        act.to = _handler(_more(more, 1));
        act.ends = uint40(block.timestamp + 1 days);
        act.block_ = PackModel.BY_HOLDER;
        act.packs = _more(more, 9);
        _choose(act, seed);
    }

    /// @notice Something is offered, then what it lies in; then the first is taken, while the other waits or after it went.
    function hostileInside(uint256 seed, uint256 more) external acting {
        Act memory inner = _begin(Name.Offer, seed);
        (inner.to, inner.ends) = (_handler(more), uint40(block.timestamp + 1 days));
        if (!_search(inner, seed) || _shelves[inner.shelf].parts[inner.part].level == 0) revert NothingToDo();
        _say(inner, _shelves[inner.shelf]);

        Act memory outer = _begin(Name.Offer, inner.shelf);
        Shelf memory shelf = _shelves[inner.shelf];
        (outer.part, outer.to, outer.ends) = (shelf.parts[inner.part].above, _handler(more / 16), inner.ends);
        _actAs(outer, inner.actor);
        if (!_may(outer, shelf)) revert NothingToDo();
        _say(outer, shelf);

        Act memory act = _begin(Name.Accept, inner.shelf);
        if (_more(more, 1) % 2 == 0) {
            act.part = outer.part;
            _actAs(act, world.accountOf(outer.to));
            _say(act, _shelves[inner.shelf]);
        } else act.waived = PackModel.LOCKED;
        act.part = inner.part;
        _actAs(act, world.accountOf(inner.to));
        shelf = _shelves[inner.shelf];
        if (act.waived == 0 ? _may(act, shelf) : !_isForbidden(act, shelf)) revert NothingToDo();
        _say(act, shelf);
    }

    /// @notice Somebody takes what is offered while who gives it is suspended.
    function hostileGiver(uint256 seed, uint256 whom) external acting {
        Act memory act = _begin(Name.Accept, seed);
        _findOffered(act, seed, whom);
        Shelf memory shelf = _shelves[act.shelf];
        IConsortium consortium = world.consortium();
        (address board, uint32 giver) = (consortium.board(), shelf.parts[act.part].holder);
        _do(board, address(consortium), abi.encodeCall(IConsortium.suspend, (giver, 1)));
        _say(act, shelf);
        _do(board, address(consortium), abi.encodeCall(IConsortium.reinstate, (giver)));
    }

    /// @notice Somebody lifts a block, mostly another's. Where none is set, one is set first.
    function hostileRelease(uint256 seed, uint256 whom) external acting {
        Act memory act = _begin(Name.Release, seed);
        act.block_ = uint8(1 << (_more(seed, 3) % 4));
        if (!_search(act, seed)) {
            Act memory set = _begin(Name.Quarantine, seed);
            set.block_ = act.block_;
            _choose(set, seed);
            if (!_search(act, seed)) revert NothingToDo();
        }
        _actAs(act, world.accountOf(_anybody(whom)));
        _say(act, _shelves[act.shelf]);
    }

    /// @notice Packs are dispensed or ended by their case after something was said of one of them alone.
    function hostileMask(uint256 seed, uint256 mask) external acting {
        Act memory act = _begin(seed % 2 == 0 ? Name.DispenseMany : Name.EndMany, seed);
        act.packs = mask;
        if (!_search(act, seed)) revert NothingToDo();

        Shelf memory shelf = _shelves[act.shelf];
        if (shelf.caseBits == 0) revert NothingToDo();
        Act memory alone = _begin(Name.Withdraw, act.shelf);
        while (!shelf.parts[alone.part].isPack() || act.packs & shelf.parts[alone.part].bitOf() == 0) ++alone.part;
        _actAs(alone, act.actor);
        if (!_may(alone, shelf)) revert NothingToDo();
        _say(alone, shelf);
        _say(act, _shelves[act.shelf]);
    }

    /// @notice Signed offers that were brought, are too old, name somebody else or were signed by somebody else.
    function hostilePaper(uint256 seed, uint256 more) external acting {
        uint256 kind = _papers.length == 0 ? 0 : (more / 8) % 6;
        uint256 number = seed % (_papers.length + 1);
        if (kind < 4) number = _signPaper(seed, _handler(more), Flaw((kind + 1) % 4));
        else if (number == _papers.length) revert NothingToDo();
        if (kind == 2) _offerTo(number, _handler(more / 64));
        (Act memory act, Shelf memory shelf) = _bringing(number);
        if (act.name != Name.AcceptBySig) revert NothingToDo();
        if (kind < 3) {
            _say(act, shelf);
            return;
        }
        if (kind == 3 || _more(more, 1) % 2 == 0) _actAs(act, world.accountOf(_handler(_more(more, 2))));
        if (_more(more, 3) % 3 == 0) act.missing = 1 << (_more(more, 4) % shelf.parts.length);
        _say(act, shelf);
    }

    /// @notice A root that was commissioned is commissioned again, by the same maker.
    function hostileCommission(uint256 seed) external acting {
        Shelf memory shelf = _shelves[seed % _shelves.length];
        address maker = world.accountOf(shelf.maker);
        IBatches.Commission memory terms = _terms(
            shelf.number,
            shelf.base,
            0,
            uint40(block.timestamp / 1 days + 40) * 1 days
        );
        _refused(maker, address(world.batches()), abi.encodeCall(IBatches.commission, (terms)), "M23");
    }

    // Properties

    /// @notice The contract shows of every part what the model says.
    /// property M25
    function property_M25_as_the_model_says() external view returns (bool) {
        return _held("M25");
    }

    /// @notice Every pack has one holder, who is a member of the trade.
    /// property M1
    function property_M1_every_pack_has_a_holder() external view returns (bool) {
        return _held("M1");
    }

    /// @notice A pack changes hands only by a handoff, to who takes it.
    /// property M2
    function property_M2_hands_change_by_handoffs() external view returns (bool) {
        return _held("M2");
    }

    /// @notice A handoff moves what it names and what goes with that.
    /// property M3
    function property_M3_a_handoff_moves_what_it_names() external view returns (bool) {
        return _held("M3");
    }

    /// @notice No act moves anything outside of the part that it names.
    /// property M4
    function property_M4_nothing_outside_moves() external view returns (bool) {
        return _held("M4");
    }

    /// @notice What a handoff leaves behind keeps its giver.
    /// property M5
    function property_M5_what_stays_keeps_its_giver() external view returns (bool) {
        return _held("M5");
    }

    /// @notice Packs are dispensed, taken back and ended, in no other way.
    /// property M6
    function property_M6_statuses_go_their_ways() external view returns (bool) {
        return _held("M6");
    }

    /// @notice An act on packs changes each that it names and no other.
    /// property M7
    function property_M7_the_packs_named_change() external view returns (bool) {
        return _held("M7");
    }

    /// @notice A dispensed pack does not change hands.
    /// property M8
    function property_M8_dispensed_packs_stay() external view returns (bool) {
        return _held("M8");
    }

    /// @notice Only its holder dispenses, takes back or ends a pack.
    /// property M9
    function property_M9_its_holder_acts() external view returns (bool) {
        return _held("M9");
    }

    /// @notice Nothing blocked or expired is dispensed, taken back or exported.
    /// property M10
    function property_M10_nothing_blocked_is_used() external view returns (bool) {
        return _held("M10");
    }

    /// @notice Blocked or expired goods go to their maker or giver only.
    /// property M11
    function property_M11_blocked_goods_go_back() external view returns (bool) {
        return _held("M11");
    }

    /// @notice A block is lifted by its own authority where it was set.
    /// property M12
    function property_M12_blocks_are_their_authorities() external view returns (bool) {
        return _held("M12");
    }

    /// @notice A block concerns what lies within, or goes with it, and nothing else.
    /// property M13
    function property_M13_blocks_concern_what_is_within() external view returns (bool) {
        return _held("M13");
    }

    /// @notice The count of a part never falls, and grows at a handoff.
    /// property M14
    function property_M14_counts_never_fall() external view returns (bool) {
        return _held("M14");
    }

    /// @notice An offer is taken by whom it was made to, in time, once, as it was.
    /// property M15
    function property_M15_offers_count_once() external view returns (bool) {
        return _held("M15");
    }

    /// @notice A signed offer is taken by whom it names, in time, once, as it was.
    /// property M16
    function property_M16_papers_count_once() external view returns (bool) {
        return _held("M16");
    }

    /// @notice What is under an offer is done nothing else with.
    /// property M17
    function property_M17_what_is_offered_waits() external view returns (bool) {
        return _held("M17");
    }

    /// @notice An opened case is not handed over.
    /// property M18
    function property_M18_opened_cases_stay() external view returns (bool) {
        return _held("M18");
    }

    /// @notice What a contract dispensed is taken back through it.
    /// property M19
    function property_M19_who_dispensed_takes_back() external view returns (bool) {
        return _held("M19");
    }

    /// @notice Only who dispensed a pack takes it back, within ten days.
    /// property M20
    function property_M20_undone_in_ten_days() external view returns (bool) {
        return _held("M20");
    }

    /// @notice Who is out of standing does nothing and gives nothing.
    /// property M21
    function property_M21_members_in_standing_act() external view returns (bool) {
        return _held("M21");
    }

    /// @notice What is refused changes nothing, and nothing changes another batch.
    /// property M22
    function property_M22_others_are_left_alone() external view returns (bool) {
        return _held("M22");
    }

    /// @notice A member commissions a root once.
    /// property M23
    function property_M23_a_root_is_commissioned_once() external view returns (bool) {
        return _held("M23");
    }

    /// @notice Nothing is dispensed by a proof of something else.
    /// property M24
    function property_M24_proofs_are_of_the_pack() external view returns (bool) {
        return _held("M24");
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](25);
        all[0] = "property_M25_as_the_model_says()";
        all[1] = "property_M1_every_pack_has_a_holder()";
        all[2] = "property_M2_hands_change_by_handoffs()";
        all[3] = "property_M3_a_handoff_moves_what_it_names()";
        all[4] = "property_M4_nothing_outside_moves()";
        all[5] = "property_M5_what_stays_keeps_its_giver()";
        all[6] = "property_M6_statuses_go_their_ways()";
        all[7] = "property_M7_the_packs_named_change()";
        all[8] = "property_M8_dispensed_packs_stay()";
        all[9] = "property_M9_its_holder_acts()";
        all[10] = "property_M10_nothing_blocked_is_used()";
        all[11] = "property_M11_blocked_goods_go_back()";
        all[12] = "property_M12_blocks_are_their_authorities()";
        all[13] = "property_M13_blocks_concern_what_is_within()";
        all[14] = "property_M14_counts_never_fall()";
        all[15] = "property_M15_offers_count_once()";
        all[16] = "property_M16_papers_count_once()";
        all[17] = "property_M17_what_is_offered_waits()";
        all[18] = "property_M18_opened_cases_stay()";
        all[19] = "property_M19_who_dispensed_takes_back()";
        all[20] = "property_M20_undone_in_ten_days()";
        all[21] = "property_M21_members_in_standing_act()";
        all[22] = "property_M22_others_are_left_alone()";
        all[23] = "property_M23_a_root_is_commissioned_once()";
        all[24] = "property_M24_proofs_are_of_the_pack()";
    }

    // How an act is chosen

    function _begin(Name name, uint256 seed) private view returns (Act memory act) {
        act.name = name;
        act.shelf = seed % _shelves.length;
        act.proven = true;
        act.paper = NO_PAPER;
    }

    /// @dev Finds a part for which the act is possible, from the seed on, and makes it.
    function _choose(Act memory act, uint256 seed) private {
        if (!_search(act, seed)) revert NothingToDo();
        _say(act, _shelves[act.shelf]);
    }

    /// @dev Finds something on offer that somebody can take. Where there is nothing, something is offered first.
    function _findOffered(Act memory act, uint256 seed, uint256 whom) private {
        if (_search(act, seed)) return;

        Act memory offered = _begin(Name.Offer, seed);
        offered.to = _handler(whom);
        offered.ends = uint40(block.timestamp + 1 days);
        _choose(offered, seed);
        if (!_search(act, seed)) revert NothingToDo();
    }

    function _search(Act memory act, uint256 seed) private view returns (bool) {
        for (uint256 k = 0; k < _shelves.length; ++k) {
            if (_find(act, _shelves[act.shelf], seed)) return true;
            act.shelf = (act.shelf + 1) % _shelves.length;
        }
        return false;
    }

    function _find(Act memory act, Shelf memory shelf, uint256 seed) private view returns (bool) {
        uint256 start = _more(seed, 7);
        (uint256 missing, uint256 packs) = (act.missing, act.packs);
        for (uint256 k = 0; k < shelf.parts.length; ++k) {
            act.part = ((start % shelf.parts.length) + k) % shelf.parts.length;
            act.missing = _missing(shelf, act.part, missing);
            act.packs = _masked(act, shelf, packs, true);
            _actAs(act, People.at(world, _ownerOf(act, shelf), _rolesFor(act), start));
            if (act.waived == 0 ? _may(act, shelf) : _isForbidden(act, shelf)) return true;
        }
        (act.missing, act.packs) = (missing, packs);
        return false;
    }

    /// @dev Whether one rule alone forbids the act.
    function _isForbidden(Act memory act, Shelf memory shelf) private view returns (bool) {
        if (_may(act, shelf)) return false;

        Part memory part = shelf.parts[act.part];
        IBatches.PackStatus status = part.status;
        if (act.waived == PackModel.STOCK) part.status = IBatches.PackStatus.InStock;
        shelf.waived = act.waived;
        bool may = _may(act, shelf);
        (shelf.waived, part.status) = (0, status);
        return may;
    }

    /// @dev The property that an act breaks where it is done against a rule.
    function _ruleOf(Act memory act) private pure returns (string memory) {
        if (act.waived == PackModel.LOCKED) return "M17";
        if (act.waived == PackModel.OPENED) return "M18";
        if (act.waived == PackModel.USABLE) return act.name <= Name.AcceptBySig ? "M11" : "M10";
        if (act.waived == PackModel.DAYS) return "M20";
        if (act.waived == PackModel.OPERATOR) return "M19";
        if (act.waived == PackModel.OFFERED) return "M15";
        if (act.waived == PackModel.PROOF) return "M24";
        return act.name <= Name.AcceptBySig ? "M8" : "M6";
    }

    /// @dev For whom the act is, by its name.
    function _ownerOf(Act memory act, Shelf memory shelf) private pure returns (uint32) {
        Part memory part = shelf.parts[act.part];
        if (act.waived == PackModel.OFFERED) return act.to;
        if (act.name == Name.Reject || act.name == Name.Accept)
            return part.offeredTo == 0 ? part.holder : part.offeredTo;
        if (act.name == Name.LiftRecall) return AUTHORITY;
        if (act.name == Name.Recall) return part.node % 2 == 0 ? shelf.maker : AUTHORITY;
        if (act.name == Name.Quarantine || act.name == Name.Release) {
            if (act.block_ == PackModel.BY_REGULATOR) return AUTHORITY;
            if (act.block_ != PackModel.BY_HOLDER) return shelf.maker;
        }
        return part.holder;
    }

    function _actAs(Act memory act, address actor) private view {
        act.actor = actor;
        act.member = world.consortium().standing(actor, _rolesFor(act));
    }

    function _rolesFor(Act memory act) private pure returns (Roles) {
        Name name = act.name;
        if (name == Name.LiftRecall) return REGULATOR;
        if (name >= Name.Dispense && name <= Name.UndoFor) return PHARMACIST;
        if (name == Name.Recall) return REGULATOR | MAKER;
        if (name == Name.Quarantine || name == Name.Release) {
            if (act.block_ == PackModel.BY_REGULATOR) return REGULATOR;
            if (act.block_ != PackModel.BY_HOLDER) return MAKER;
        }
        if (name == Name.ReportExcursion) return Roles.wrap(1 << 10);
        return HANDLERS;
    }

    /// @dev Of what may be missing, what can be.
    function _missing(Shelf memory shelf, uint256 part, uint256 wanted) private pure returns (uint256 missing) {
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            bool may = shelf.parts[part].mayLeave(shelf.parts[i]);
            if (may && (wanted >> (2 * i)) & 3 == 1) missing |= 1 << i;
        }
    }

    /// @dev The packs that an act names: the one, or of those of a case which the seed says.
    function _masked(
        Act memory act,
        Shelf memory shelf,
        uint256 wanted,
        bool possible
    ) private pure returns (uint256 mask) {
        Part memory part = shelf.parts[act.part];
        if (act.name != Name.DispenseMany && act.name != Name.EndMany) return part.isPack() ? part.bitOf() : 0;
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            Part memory pack = shelf.parts[i];
            if (!pack.isPack()) continue;
            bool named = (wanted >> i) & 1 == 1;
            if (possible) named = named && shelf.isOfCase(part, pack.bitOf());
            if (named) mask |= pack.bitOf();
        }
    }

    // What the model says of it

    function _may(Act memory act, Shelf memory shelf) private view returns (bool) {
        Part memory part = shelf.parts[act.part];
        Name name = act.name;
        if (act.member == 0) return false;
        if (name == Name.Offer) {
            bool inTime = act.ends > block.timestamp && act.ends <= block.timestamp + PackModel.OFFER_WINDOW;
            return inTime && shelf.mayOffer(part, act.member, act.to);
        }
        if (name == Name.Withdraw) return part.mayWithdraw(act.member);
        if (name == Name.Reject) return part.isOfferedTo(act.member);
        if (name == Name.Accept) {
            bool isIts = part.isOfferedTo(act.member) || shelf.waived & PackModel.OFFERED != 0;
            bool offered = isIts && world.consortium().inStanding(part.holder);
            return offered && shelf.mayGo(part, act.member) && _mayLeave(act, shelf);
        }
        if (name == Name.AcceptBySig) return _mayBring(act, shelf) && _mayLeave(act, shelf);
        if (name == Name.Dispense || name == Name.DispenseFor) {
            bool shown = act.proven || shelf.waived & PackModel.PROOF != 0;
            return part.isPack() && shown && shelf.mayDispense(part, act.member);
        }
        if (name == Name.Undo) return part.isPack() && shelf.mayUndo(part, act.member, address(0));
        if (name == Name.UndoFor) return part.isPack() && shelf.mayUndo(part, act.member, _till);
        if (name == Name.DispenseMany || name == Name.EndMany) {
            bool held = part.holder == act.member && shelf.isUnoffered(part) && shelf.isOfCase(part, act.packs);
            bool free = name == Name.EndMany && act.kind != IBatches.End.Exported;
            return held && (free || shelf.isUsable(part));
        }
        if (name == Name.End) {
            bool held = part.isPack() && part.holder == act.member && part.isInStock() && shelf.isUnoffered(part);
            return held && (act.kind != IBatches.End.Exported || shelf.isUsable(part));
        }
        return _mayBlock(act, shelf, part);
    }

    function _mayBlock(Act memory act, Shelf memory shelf, Part memory part) private view returns (bool) {
        if (act.name == Name.LiftRecall) return part.isMarked(PackModel.RECALL);
        if (act.name == Name.Recall) return part.isInStock() && _mayRecall(act, shelf);
        if (act.name == Name.ReportExcursion) {
            bool may =
                world.consortium().operatorOf(act.member, address(world.coldChain())) & REPORT_EXCURSION_FOR != 0;
            return may && part.holder == act.member && part.isInStock();
        }

        bool isIts = act.block_ == PackModel.BY_REGULATOR;
        if (act.block_ == PackModel.BY_HOLDER) isIts = part.holder == act.member;
        if (act.block_ == PackModel.BY_MAKER || act.block_ == PackModel.EXCURSION) isIts = shelf.maker == act.member;
        if (act.name == Name.Release) return isIts && part.isMarked(act.block_);
        bool isKept = part.holder == act.member && shelf.isLocked(part);
        return isIts && act.block_ != PackModel.EXCURSION && part.isInStock() && !isKept;
    }

    function _mayRecall(Act memory act, Shelf memory shelf) private view returns (bool) {
        bool isMaker = world.consortium().standing(act.actor, MAKER) == shelf.maker;
        return isMaker || world.consortium().standing(act.actor, REGULATOR) != 0;
    }

    function _mayLeave(Act memory act, Shelf memory shelf) private pure returns (bool) {
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            if ((act.missing >> i) & 1 == 1 && !shelf.parts[act.part].mayLeave(shelf.parts[i])) return false;
        }
        return true;
    }

    function _mayBring(Act memory act, Shelf memory shelf) private view returns (bool) {
        Paper memory paper = _papers[act.paper];
        Part memory part = shelf.parts[act.part];
        uint32 from = world.consortium().standing(paper.terms.by, HANDLERS);
        if (paper.forged || paper.terms.to != act.member || from == act.member) return false;
        if (from == 0 || part.holder != from || paper.terms.moves != part.moves) return false;
        uint40 deadline = paper.terms.deadline;
        if (block.timestamp > deadline || deadline > block.timestamp + PackModel.OFFER_WINDOW) return false;
        if (part.isOffered() && part.offeredTo != act.member) return false;
        return shelf.mayGo(part, act.member);
    }

    // How it is made

    function _say(Act memory act, Shelf memory shelf) private {
        act.may = _may(act, shelf);
        act.sender = act.actor;
        act.target = address(world.batches());
        act.call = _callOf(act, shelf);
        if (act.name == Name.DispenseFor || act.name == Name.UndoFor) act.sender = _till;
        if (act.name == Name.ReportExcursion) act.sender = address(world.coldChain());
        _make(act, shelf);
    }

    function _make(Act memory act, Shelf memory shelf) private {
        Sight[] memory before = _look(shelf);
        (bool done, ) = _try(act.sender, act.target, act.call);
        _must(done == act.may, "M25");
        if (act.waived != 0) _must(!done, _ruleOf(act));
        Sight[] memory sights = _look(shelf);
        if (done) {
            _watch(Seen(act, shelf, before, sights));
            _apply(act, shelf);
            for (uint256 i = 0; i < shelf.parts.length; ++i) _shelves[act.shelf].parts[i] = shelf.parts[i];
            _must(_isAs(shelf, sights), "M25");
        } else {
            _must(keccak256(abi.encode(before)) == keccak256(abi.encode(sights)), "M22");
        }
        Shelf memory other = _shelves[(act.shelf + 1 + (turn % (_shelves.length - 1))) % _shelves.length];
        _must(_isAs(other, _look(other)), "M22");
    }

    function _apply(Act memory act, Shelf memory shelf) private view {
        Part memory part = shelf.parts[act.part];
        Name name = act.name;
        if (name == Name.Offer) {
            (part.offeredTo, part.offerEnds) = (act.to, act.ends);
            shelf.sayOf(part);
        } else if (name == Name.Withdraw) {
            shelf.stir(part);
            shelf.sayOf(part);
        } else if (name == Name.Reject) shelf.stir(part);
        else if (name == Name.Accept || name == Name.AcceptBySig) shelf.handOver(part, act.member, act.missing);
        else if (name == Name.Dispense || name == Name.DispenseMany) shelf.dispense(act.packs, address(0));
        else if (name == Name.DispenseFor) shelf.dispense(act.packs, _till);
        else if (name == Name.Undo || name == Name.UndoFor) part.undo();
        else if (name == Name.End || name == Name.EndMany) shelf.end(act.packs);
        else if (name == Name.Quarantine) shelf.mark(part, act.block_);
        else if (name == Name.ReportExcursion) shelf.mark(part, PackModel.EXCURSION);
        else if (name == Name.Recall) shelf.mark(part, PackModel.RECALL);
        else if (name == Name.Release) shelf.unmark(part, act.block_);
        else shelf.unmark(part, PackModel.RECALL);
    }

    function _callOf(Act memory act, Shelf memory shelf) private view returns (bytes memory) {
        bytes32 id = shelf.id;
        uint32 node = shelf.parts[act.part].node;
        Name name = act.name;
        if (name == Name.Offer) return abi.encodeCall(IBatches.offer, (id, node, act.to, act.ends, bytes32("sheet")));
        if (name == Name.Withdraw) return abi.encodeCall(IBatches.withdraw, (id, node));
        if (name == Name.Reject) return abi.encodeCall(IBatches.reject, (id, node));
        if (name == Name.Accept) return abi.encodeCall(IBatches.accept, (id, node, _nodes(act, shelf)));
        if (name == Name.AcceptBySig) {
            Paper memory paper = _papers[act.paper];
            return abi.encodeCall(IBatches.acceptBySig, (paper.terms, _nodes(act, shelf), paper.signature));
        }
        if (name <= Name.EndMany) return _callOfPacks(act, shelf, node & 0xfffff);
        Blocks block_ = Blocks.wrap(act.block_);
        if (name == Name.Quarantine) return abi.encodeCall(IBatches.quarantine, (id, node, block_, 7));
        if (name == Name.ReportExcursion) return abi.encodeCall(IBatches.reportExcursion, (act.member, id, node, 1));
        if (name == Name.Release) return abi.encodeCall(IBatches.release, (id, node, block_, 7));
        if (name == Name.Recall) return abi.encodeCall(IBatches.recall, (id, node, 7));
        return abi.encodeCall(IBatches.liftRecall, (id, node, 7));
    }

    function _callOfPacks(Act memory act, Shelf memory shelf, uint32 index) private view returns (bytes memory) {
        bytes32 id = shelf.id;
        Name name = act.name;
        // What carries packs has no index.
        if (!shelf.parts[act.part].isPack()) index = shelf.parts[act.part].node | (1 << 20);
        if (name == Name.Undo) return abi.encodeCall(IBatches.undo, (id, index));
        if (name == Name.UndoFor) return abi.encodeCall(IBatches.undoFor, (act.actor, id, index));
        if (name == Name.End) return abi.encodeCall(IBatches.end, (id, index, act.kind));
        uint32 node = shelf.parts[act.part].node;
        uint32 word = shelf.base >> 8;
        if (name == Name.DispenseMany) return abi.encodeCall(IBatches.dispenseMany, (id, node, word, act.packs));
        if (name == Name.EndMany) return abi.encodeCall(IBatches.endMany, (id, node, word, act.packs, act.kind));

        uint32 shown = act.proven ? index : index ^ 1;
        bytes32[20] memory siblings = PackTrees.siblingsOf(shelf.number, shelf.base, shown);
        bytes32 pack = PackTrees.packAt(shelf.number, shown);
        if (name == Name.Dispense) return abi.encodeCall(IBatches.dispense, (id, index, pack, siblings));
        return abi.encodeCall(IBatches.dispenseFor, (act.actor, id, index, pack, siblings));
    }

    function _nodes(Act memory act, Shelf memory shelf) private pure returns (uint32[] memory nodes) {
        uint256 count;
        for (uint256 bits = act.missing; bits != 0; bits &= bits - 1) ++count;
        nodes = new uint32[](count);
        for (uint256 i = 0; count != 0; ++i) {
            if ((act.missing >> i) & 1 == 1) nodes[nodes.length - count--] = shelf.parts[i].node;
        }
    }

    // What the contract shows

    function _look(Shelf memory shelf) private view returns (Sight[] memory sights) {
        IBatches batches = world.batches();
        sights = new Sight[](shelf.parts.length);
        for (uint256 i = 0; i < sights.length; ++i) {
            Part memory part = shelf.parts[i];
            IBatches.Place memory place = batches.placeOf(shelf.id, part.node);
            Sight memory sight = sights[i];
            (sight.holder, sight.giver, sight.moves) = (place.holder, place.giver, place.moves);
            (sight.blocks, sight.offered, sight.expired) = (Blocks.unwrap(place.blocks), place.offered, place.expired);
            if (!part.isPack()) continue;
            sight.status = batches.statusOf(shelf.id, part.node & 0xfffff);
            sight.operator = batches.claimedBy(shelf.id, part.node & 0xfffff);
        }
    }

    function _isAs(Shelf memory shelf, Sight[] memory sights) private view returns (bool) {
        for (uint256 i = 0; i < sights.length; ++i) {
            Part memory part = shelf.parts[i];
            Sight memory sight = sights[i];
            bool same = sight.holder == part.holder && sight.giver == part.giver && sight.moves == part.moves;
            same = same && sight.blocks == part.blocksOf();
            same = same && sight.offered == (part.isOffered() || shelf.isLocked(part));
            same = same && sight.expired == (block.timestamp >= shelf.expiry);
            same = same && sight.status == part.status && sight.operator == part.operator;
            if (!same) return false;
        }
        return true;
    }

    // What may have changed

    /// @dev Of the model this takes what goes with what; what it needs of the past it wrote down when the chain showed it.
    function _watch(Seen memory seen) private {
        Act memory act = seen.act;
        // property M21
        _must(act.member != 0 && world.consortium().inStanding(act.member), "M21");
        if (act.name == Name.Accept || act.name == Name.AcceptBySig) _watchHandoff(seen);
        for (uint256 i = 0; i < seen.shelf.parts.length; ++i) {
            _watchPlace(seen, i);
            _watchBlocks(seen, i);
            if (seen.shelf.parts[i].isPack()) _watchPack(seen, i);
        }
        if (_blockOf(act) != 0) _watchBlocking(seen);
        if (act.name == Name.Offer) {
            _promiseOf[seen.shelf.id][act.part] = Promised(act.to, seen.later[act.part].moves, act.ends);
        }
    }

    function _watchPlace(Seen memory seen, uint256 i) private {
        Act memory act = seen.act;
        (Sight memory was, Sight memory is_) = (seen.before[i], seen.later[i]);
        // property M1
        _must(_isOfTheTrade(is_.holder), "M1");
        // property M14
        _must(is_.moves >= was.moves, "M14");
        if (was.holder == is_.holder) return;

        // property M2
        bool isHandoff = act.name == Name.Accept || act.name == Name.AcceptBySig;
        _must(isHandoff && was.holder == seen.before[act.part].holder && is_.holder == act.member, "M2");
        // property M4
        _must(seen.shelf.parts[i].isIn(seen.shelf.parts[act.part]), "M4");
        // property M14
        _must(is_.moves > was.moves, "M14");
    }

    function _watchBlocks(Seen memory seen, uint256 i) private {
        Act memory act = seen.act;
        bool inside = seen.shelf.parts[i].isIn(seen.shelf.parts[act.part]);
        uint8 lost = seen.before[i].blocks & ~seen.later[i].blocks;
        if (lost != 0) {
            // property M12
            bool isLifted = act.name == (lost == PackModel.RECALL ? Name.LiftRecall : Name.Release);
            bool isOne = lost == PackModel.RECALL || lost == act.block_;
            _must(isLifted && isOne && inside && _isAuthority(seen, lost), "M12");
        }
        uint8 gained = seen.later[i].blocks & ~seen.before[i].blocks;
        if (gained != 0) {
            // property M13
            bool isRejoined = act.name <= Name.AcceptBySig && gained & ~PackModel.OF_HOLDER == 0;
            _must(inside && (isRejoined || gained == _blockOf(act)), "M13");
        }
    }

    function _watchHandoff(Seen memory seen) private {
        Act memory act = seen.act;
        Sight memory named = seen.before[act.part];
        if (act.name == Name.Accept) {
            Promised memory told = _promiseOf[seen.shelf.id][act.part];
            // property M15
            bool isItsOwn = told.to == act.member && told.moves == named.moves;
            _must(isItsOwn && block.timestamp < told.ends, "M15");
            delete _promiseOf[seen.shelf.id][act.part];
        } else {
            _watchPaper(act, named);
        }
        // property M17
        uint32 promised = _promised(seen, act.part);
        _must(promised == 0 || promised == act.member, "M17");
        _must(!_isPromisedAbove(seen, act.part), "M17");
        // property M21
        _must(world.consortium().inStanding(named.holder), "M21");
        for (uint256 i = 0; i < seen.shelf.parts.length; ++i) {
            _watchGoing(seen, i);
        }
    }

    function _watchPaper(Act memory act, Sight memory named) private {
        Paper storage paper = _papers[act.paper];
        uint32 by = world.consortium().affiliationOf(paper.terms.by).member;
        // property M16
        bool isItsOwn = !paper.forged && !paper.used && paper.terms.to == act.member && by == named.holder;
        bool isNow = paper.terms.moves == named.moves && block.timestamp <= paper.terms.deadline;
        _must(isItsOwn && isNow, "M16");
        paper.used = true;
    }

    function _watchGoing(Seen memory seen, uint256 i) private {
        Act memory act = seen.act;
        Part memory part = seen.shelf.parts[i];
        bool goes = part.isIn(seen.shelf.parts[act.part]) && part.rides <= seen.shelf.parts[act.part].level;
        goes = goes && !_isMissing(act, seen.shelf, part);
        // property M3
        _must(seen.later[i].holder == (goes ? act.member : seen.before[i].holder), "M3");
        if (!goes) {
            // property M5
            _must(seen.later[i].giver == seen.before[i].giver, "M5");
            return;
        }

        // property M18
        _must(!_givenOf[seen.shelf.id][i].opened || part.isPack(), "M18");
        // property M11
        bool isKept = seen.before[i].blocks != 0 || block.timestamp >= seen.shelf.expiry;
        bool isBack = act.member == seen.shelf.maker || act.member == seen.before[i].giver;
        _must(!isKept || isBack, "M11");
    }

    function _watchPack(Seen memory seen, uint256 i) private {
        Act memory act = seen.act;
        (Sight memory was, Sight memory is_) = (seen.before[i], seen.later[i]);
        bool named = act.name >= Name.Dispense && act.name <= Name.EndMany;
        named = named && act.packs & seen.shelf.parts[i].bitOf() != 0;
        // property M7
        _must(named == (was.status != is_.status), "M7");
        // property M8
        _must(was.status != IBatches.PackStatus.Dispensed || was.holder == is_.holder, "M8");
        // property M19
        if (!named) _must(was.operator == is_.operator, "M19");
        else _watchNamed(seen, i);
    }

    function _watchNamed(Seen memory seen, uint256 i) private {
        Act memory act = seen.act;
        (Sight memory was, Sight memory is_) = (seen.before[i], seen.later[i]);
        // property M9
        _must(act.member == was.holder && was.holder == is_.holder, "M9");
        bool isEnd = act.name == Name.End || act.name == Name.EndMany;
        // property M10
        bool isFree = was.blocks == 0 && block.timestamp < seen.shelf.expiry;
        _must(isFree || (isEnd && act.kind != IBatches.End.Exported), "M10");
        // property M24
        _must(act.proven || act.name > Name.DispenseFor, "M24");
        bool isUndo = act.name == Name.Undo || act.name == Name.UndoFor;
        // property M6
        IBatches.PackStatus to = isUndo ? IBatches.PackStatus.InStock : IBatches.PackStatus.Dispensed;
        _must(is_.status == (isEnd ? IBatches.PackStatus.Ended : to), "M6");
        _must(was.status == (isUndo ? IBatches.PackStatus.Dispensed : IBatches.PackStatus.InStock), "M6");
        if (isUndo) {
            _watchUndo(seen, i);
            return;
        }
        // property M17
        _must(_promised(seen, i) == 0 && !_isPromisedAbove(seen, i), "M17");
        if (!isEnd) _noteGiven(seen, i);
    }

    function _noteGiven(Seen memory seen, uint256 i) private {
        bytes32 batch = seen.shelf.id;
        // property M19
        address operator = seen.act.name == Name.DispenseFor ? _till : address(0);
        _must(seen.later[i].operator == operator, "M19");
        uint16 today = uint16(block.timestamp / 1 days);
        _givenOf[batch][i] = Given(seen.later[i].holder, today, true);
        if (seen.shelf.isAlone(seen.shelf.parts[i])) return;

        Given storage case_ = _givenOf[batch][seen.shelf.parts[i].above];
        (case_.day, case_.opened) = (today, true);
    }

    function _watchUndo(Seen memory seen, uint256 i) private {
        Act memory act = seen.act;
        Given memory given = _givenOf[seen.shelf.id][i];
        uint16 day = _givenOf[seen.shelf.id][seen.shelf.parts[i].above].day;
        if (seen.shelf.isAlone(seen.shelf.parts[i]) || day < given.day) day = given.day;
        // property M19
        address operator = act.name == Name.UndoFor ? _till : address(0);
        _must(seen.before[i].operator == operator && seen.later[i].operator == address(0), "M19");
        // property M20
        _must(given.by == act.member && block.timestamp / 1 days <= day + PackModel.UNDO_DAYS, "M20");
    }

    function _watchBlocking(Seen memory seen) private {
        Act memory act = seen.act;
        uint8 block_ = _blockOf(act);
        // property M17
        bool isIts = act.name == Name.Quarantine && act.member == seen.before[act.part].holder;
        _must(!isIts || !_isPromisedAbove(seen, act.part), "M17");
        for (uint256 i = 0; i < seen.shelf.parts.length; ++i) {
            Part memory part = seen.shelf.parts[i];
            bool concerned = part.isIn(seen.shelf.parts[act.part]);
            bool isOfHolder = block_ & PackModel.OF_HOLDER != 0;
            concerned = concerned && (!isOfHolder || part.rides <= seen.shelf.parts[act.part].level);
            // property M13
            _must(!concerned || seen.later[i].blocks & block_ != 0, "M13");
        }
    }

    function _blockOf(Act memory act) private pure returns (uint8) {
        if (act.name == Name.Quarantine) return act.block_;
        if (act.name == Name.ReportExcursion) return PackModel.EXCURSION;
        return act.name == Name.Recall ? PackModel.RECALL : 0;
    }

    function _isAuthority(Seen memory seen, uint8 lost) private view returns (bool) {
        Act memory act = seen.act;
        if (lost == PackModel.BY_HOLDER) return act.member == seen.before[act.part].holder;
        if (lost == PackModel.BY_MAKER || lost == PackModel.EXCURSION) return act.member == seen.shelf.maker;
        return world.consortium().standing(act.actor, REGULATOR) != 0;
    }

    function _isMissing(Act memory act, Shelf memory shelf, Part memory part) private pure returns (bool) {
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            if ((act.missing >> i) & 1 == 1 && part.isIn(shelf.parts[i])) return true;
        }
        return false;
    }

    /// @dev Whom a part is offered to, by what was written down of its offers.
    function _promised(Seen memory seen, uint256 i) private view returns (uint32) {
        Promised memory told = _promiseOf[seen.shelf.id][i];
        if (block.timestamp >= told.ends || seen.before[i].moves != told.moves) return 0;
        return told.to;
    }

    function _isPromisedAbove(Seen memory seen, uint256 i) private view returns (bool) {
        uint256 rides = seen.shelf.parts[i].rides;
        while (seen.shelf.parts[i].level > rides) {
            i = seen.shelf.parts[i].above;
            if (_promised(seen, i) != 0) return true;
        }
        return false;
    }

    // Who and what there is

    function _handler(uint256 seed) private pure returns (uint32) {
        uint32[10] memory members = [
            FIRST_PHARMACY,
            SECOND_PHARMACY,
            CLINIC,
            FIRST_DISTRIBUTOR,
            FIRST_PHARMACY,
            SECOND_DISTRIBUTOR,
            FIRST_MAKER,
            SECOND_MAKER,
            FIRST_DISTRIBUTOR,
            SECOND_PHARMACY
        ];
        return members[seed % 10];
    }

    function _anybody(uint256 seed) private pure returns (uint32) {
        return seed % 11 == 10 ? AUTHORITY : _handler(seed);
    }

    function _isOfTheTrade(uint32 member) private pure returns (bool) {
        for (uint256 i = 0; i < 10; ++i) {
            if (member == _handler(i)) return true;
        }
        return false;
    }

    function _permit(uint32 member, address operator, uint8 mask) private {
        bytes memory call = abi.encodeWithSignature("setOperator(address,uint8)", operator, mask);
        _do(world.accountOf(member), address(world.consortium()), call);
    }

    function _commission(uint256 shape, uint256 days_) private {
        uint256 number = _commissioned++;
        uint32 base = number % 2 == 0 ? 0 : 504;
        uint32 maker = number % 3 == 2 ? SECOND_MAKER : FIRST_MAKER;
        uint40 expiry = uint40(block.timestamp / 1 days + days_) * 1 days;
        IBatches.Commission memory terms = _terms(number, base, shape, expiry);
        address account = world.accountOf(maker);
        bytes memory answer = _do(account, address(world.batches()), abi.encodeCall(IBatches.commission, (terms)));

        if (_shelves.length < MOST_BATCHES) _shelves.push();
        Shelf storage shelf = _shelves[number % MOST_BATCHES];
        delete shelf.parts;
        shelf.number = uint32(number);
        shelf.id = abi.decode(answer, (bytes32));
        (shelf.maker, shelf.expiry, shelf.caseBits, shelf.base) = (maker, expiry, terms.caseBits, base);
        _stock(shelf, [uint8(20), terms.palletBits, terms.caseBits, 0]);
        IColdChain.Limit memory limit = IColdChain.Limit(200, 800, 60, 900);
        _do(account, address(world.coldChain()), abi.encodeCall(IColdChain.setLimit, (shelf.id, limit)));
    }

    function _terms(
        uint256 number,
        uint32 base,
        uint256 shape,
        uint40 expiry
    ) private view returns (IBatches.Commission memory terms) {
        uint8[2][7] memory sizes = [[2, 1], [20, 20], [3, 0], [20, 2], [2, 2], [3, 1], [20, 0]];
        terms.root = PackTrees.rootOf(number, base);
        terms.product = "product";
        terms.lot = "lot";
        terms.tag = "tag";
        terms.manifest = "manifest";
        terms.keyNumber = world.consortium().keyNumber();
        terms.expiry = expiry;
        (terms.palletBits, terms.caseBits) = (sizes[shape][0], sizes[shape][1]);
    }

    /// @dev The parts of which eight packs are looked at, a level at a time.
    function _stock(Shelf storage shelf, uint8[4] memory heights) private {
        uint256 first = 0;
        uint8 level = 0;
        for (uint256 i = 0; i < 4; ++i) {
            if (i != 0 && heights[i] == heights[i - 1]) continue;
            uint256 next = shelf.parts.length;
            for (uint32 index = shelf.base; index < shelf.base + 8; ++index) {
                uint32 node = ((1 << 20) | index) >> heights[i];
                uint256 count = shelf.parts.length;
                if (count > next && shelf.parts[count - 1].node == node) continue;
                Part memory part;
                (part.node, part.height, part.level) = (node, heights[i], level);
                (part.holder, part.giver) = (shelf.maker, shelf.maker);
                part.above = uint8(first);
                if (level != 0) {
                    uint32 above = node >> (shelf.parts[first].height - heights[i]);
                    while (shelf.parts[part.above].node != above) ++part.above;
                }
                shelf.parts.push(part);
            }
            first = next;
            ++level;
        }
    }

    function _bringing(uint256 number) private view returns (Act memory act, Shelf memory shelf) {
        Paper memory paper = _papers[number];
        act.name = Name.AcceptBySig;
        (act.shelf, act.part, act.paper, act.proven) = (paper.shelf, paper.part, number, true);
        _actAs(act, world.accountOf(paper.terms.to));
        shelf = _shelves[paper.shelf];
        // The batch that it is about is looked at no more.
        if (shelf.id != paper.terms.batch) act.name = Name.Offer;
    }

    /// @dev Brings a paper, if it counts.
    function _bring(uint256 number, uint256 missing) private returns (bool) {
        (Act memory act, Shelf memory shelf) = _bringing(number);
        if (act.name != Name.AcceptBySig || !_may(act, shelf)) return false;
        act.missing = _missing(shelf, act.part, missing % 3 == 0 ? missing / 3 : 0);
        _say(act, shelf);
        return true;
    }

    function _reportOf(Act memory act, Shelf memory shelf, bool exceeds) private returns (bytes memory) {
        uint256 word = (block.timestamp - 2 hours) | ((block.timestamp - 1 hours) << 40);
        word |= (uint256(uint16(200)) << 80) | (uint256(uint16(800)) << 96);
        word |= uint256(exceeds ? 61 : 60) << 112;
        IColdChain.Goods[] memory goods = new IColdChain.Goods[](1);
        goods[0] = IColdChain.Goods(shelf.id, shelf.parts[act.part].node);
        bytes32 root = keccak256(abi.encode("readings", ++_reports));
        return abi.encodeCall(IColdChain.log, (IColdChain.Report(root, root, Verdict.wrap(word)), goods));
    }

    function _signPaper(uint256 seed, uint32 to, Flaw flaw) private returns (uint256 number) {
        uint256 at = seed % _shelves.length;
        Shelf memory shelf = _shelves[at];
        uint256 index = _more(seed, 6) % shelf.parts.length;
        for (uint256 k = 0; k < shelf.parts.length; ++k) {
            Part memory other = shelf.parts[index];
            if (other.holder != to && shelf.mayGo(other, to)) break;
            index = (index + 1) % shelf.parts.length;
        }
        Part memory part = shelf.parts[index];
        Paper memory paper;
        address by = world.accountOf(part.holder);
        paper.terms = IBatches.Handoff({
            batch: shelf.id,
            node: part.node,
            by: by,
            to: to,
            moves: flaw == Flaw.Moves ? (part.moves == 0 ? 1 : part.moves - 1) : part.moves,
            sheet: bytes32(++_signed),
            deadline: uint40(block.timestamp + (_more(seed, 8) % (seed % 2 == 0 ? 2 days : 30 days)))
        });
        (paper.shelf, paper.part, paper.forged) = (at, index, flaw == Flaw.Forged);
        address signer = paper.forged ? world.stranger() : by;
        bytes32 structHash = keccak256(abi.encode(HANDOFF_TYPEHASH, paper.terms));
        paper.signature = _sign(signer, address(world.batches()), structHash);

        number = _papers.length < MOST_PAPERS ? _papers.length : _signed % MOST_PAPERS;
        if (number == _papers.length) _papers.push(paper);
        else _papers[number] = paper;
    }

    /// @dev What a paper is about is offered to somebody else, if it may be.
    function _offerTo(uint256 number, uint32 to) private {
        Act memory act = _begin(Name.Offer, _papers[number].shelf);
        Shelf memory shelf = _shelves[act.shelf];
        (act.part, act.to, act.ends) = (_papers[number].part, to, uint40(block.timestamp + 1 days));
        _actAs(act, _papers[number].terms.by);
        if (_may(act, shelf)) _say(act, shelf);
    }
}
