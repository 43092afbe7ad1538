// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IEpisodes} from "../../contracts/interfaces/cover/IEpisodes.sol";
import {IEscrow} from "../../contracts/interfaces/cover/IEscrow.sol";
import {IPolicies} from "../../contracts/interfaces/cover/IPolicies.sol";
import {IRules} from "../../contracts/interfaces/cover/IRules.sol";
import {IRecords} from "../../contracts/interfaces/health/IRecords.sol";
import {Coin} from "../../contracts/test/Coin.sol";
import {HOLD_FOR} from "../../contracts/types/Operations.sol";
import {PROVIDERS} from "../../contracts/types/Roles.sol";
import {Handler} from "../Handler.sol";
import {VM} from "../Vm.sol";
import {AUTHORITY, CLINIC, FIRST_PHARMACY, HOSPITAL, SECOND_INSURER, World} from "../World.sol";
import {People} from "../models/People.sol";
import {Schedules} from "../models/Schedules.sol";

/// @title EpisodeHandler
/// @notice Prices of which a part is withheld until another member has seen what came of a treatment.
contract EpisodeHandler is Handler {
    uint256 private constant MOST = 12;
    uint256 private constant WHOLE = 10_000;

    bytes32 private constant ENROL_TYPEHASH = keccak256(
        "Enrol(address pseudonym,bytes32 plan,uint96 family,uint16 first,uint16 last,uint40 ends,uint64 lifetime,address underwriter,uint32 era,uint40 deadline)"
    );
    bytes32 private constant AGREEMENT_TYPEHASH = keccak256(
        "Agreement(bytes32 plan,address pseudonym,uint32 provider,address signer,uint32 assessor,uint64 price,uint64 withheld,uint40 ends,bytes32 document,uint32 era,uint40 deadline)"
    );
    bytes32 private constant OUTCOME_TYPEHASH = keccak256(
        "Outcome(bytes32 episode,bytes32 observation,uint16 achieved,address assessor,uint40 deadline)"
    );

    /// @dev An episode and what became of its price.
    struct Told {
        bytes32 id;
        IEpisodes.Agreement terms;
        IEpisodes.EpisodeStatus status;
        uint40 opened;
        uint256 released;
        uint256 returned;
    }

    Coin private immutable _coin;
    bytes32 private immutable _plan;
    address private immutable _patient;
    uint256 private constant PATIENT_KEY = uint256(keccak256("patient of episodes"));

    Told[] private _episodes;
    uint256 private _made;
    uint256 private _touched;
    uint256 private _deposited;
    uint256 private _holding;
    mapping(uint32 provider => uint256) private _released;
    bytes32 private _used;
    uint32 private _usedBy;
    uint40 private _usedAt;
    address[] private _payees;

    constructor(World world_) Handler(world_) {
        _coin = new Coin(2);
        _patient = VM.addr(PATIENT_KEY);
        address insurer = world_.accountOf(SECOND_INSURER);
        IPolicies.Plan memory terms;
        (terms.adjudicator, terms.appeals) = (address(world_.claims()), address(world_.appeals()));
        (terms.insurer, terms.arbiter, terms.token) = (SECOND_INSURER, AUTHORITY, address(_coin));
        (terms.filingDays, terms.refuteDays, terms.appealDays, terms.reversalDays) = (60, 30, 20, 40);
        (terms.schedule, terms.document) = (Schedules.rootOf(), "episodes");
        terms.limits = IRules.Limits(0, 0, 0, 0, 0, 0, 0);
        bytes memory data = abi.encodeCall(IPolicies.publish, (terms));
        _plan = abi.decode(_do(insurer, address(world_.policies()), data), (bytes32));
        data = abi.encodeCall(IConsortium.setOperator, (address(world_.episodes()), HOLD_FOR));
        _do(insurer, address(world_.consortium()), data);
    }

    // Acts

    function deposit(uint256 amount) external acting {
        _deposit(_between(amount, 1, 100_000));
    }

    /// @notice Insurer, provider and patient agree on a price, and what of it depends on the outcome.
    function open(uint256 seed) external acting {
        _open(seed);
    }

    /// @notice The provider writes what it did, and is paid its part.
    function deliver(uint256 seed) external acting {
        _deliver(seed);
    }

    /// @notice The assessor says how much was achieved, in person or by what it signed.
    function assess(uint256 seed, uint256 achieved) external acting {
        if (!_search(seed, IEpisodes.EpisodeStatus.Delivered)) _deliver(seed);
        Told storage told = _episodes[_touched];
        uint16 share = uint16(_between(achieved, 0, WHOLE));
        bytes32 observation = _write(told.terms.assessor, seed);
        address assessor = _speaker(told.terms.assessor, seed);
        if (seed % 2 == 0) {
            bytes memory data = abi.encodeCall(IEpisodes.assess, (told.id, observation, share));
            _do(assessor, address(world.episodes()), data);
        } else {
            uint40 deadline = uint40(block.timestamp + (seed % 7 days));
            IEpisodes.Outcome memory terms = IEpisodes.Outcome(told.id, observation, share, assessor, deadline);
            bytes32 hash = keccak256(abi.encode(OUTCOME_TYPEHASH, terms));
            bytes memory signature = _sign(assessor, address(world.episodes()), hash);
            _do(world.stranger(), address(world.episodes()), abi.encodeCall(IEpisodes.assessBySig, (terms, signature)));
        }
        told.status = IEpisodes.EpisodeStatus.Settled;
        uint256 released = (uint256(told.terms.withheld) * share) / WHOLE;
        _release(told, released, told.terms.withheld - released);
    }

    function expire(uint256 seed) external acting {
        for (uint256 k = 0; k < _episodes.length; ++k) {
            _touched = ((seed % _episodes.length) + k) % _episodes.length;
            Told storage told = _episodes[_touched];
            bool isOpen = told.status == IEpisodes.EpisodeStatus.Open;
            bool lasts = isOpen || told.status == IEpisodes.EpisodeStatus.Delivered;
            if (!lasts || block.timestamp < told.terms.ends) continue;
            _do(world.stranger(), address(world.episodes()), abi.encodeCall(IEpisodes.expire, (told.id)));
            told.status = IEpisodes.EpisodeStatus.Expired;
            _release(told, 0, isOpen ? told.terms.price : told.terms.withheld);
            return;
        }
        revert NothingToDo();
    }

    // What others try

    /// @notice An episode is opened without the patient, by another insurer, for more than there is, or twice.
    function hostileOpen(uint256 seed, uint256 how) external acting {
        IEpisodes.Agreement memory terms = _agreement(seed);
        uint256 key = PATIENT_KEY;
        address insurer = world.accountOf(SECOND_INSURER);
        if (how % 4 == 0) key = uint256(keccak256(abi.encode(how)));
        else if (how % 4 == 1) insurer = world.accountOf(terms.provider);
        else if (how % 4 == 2) terms.price = uint64(world.escrow().balanceOf(_plan) + 1);
        else if (_episodes.length == 0) revert NothingToDo();
        else terms = _episodes[seed % _episodes.length].terms;
        bytes memory signature = _sign(terms.signer, address(world.episodes()), _hashOf(terms));
        bytes memory data = abi.encodeCall(IEpisodes.open, (terms, signature, _agreed(key, terms)));
        _refused(insurer, address(world.episodes()), data, "C19");
    }

    /// @notice It is delivered by another, by what was written before or counted already, or once more.
    function hostileDeliver(uint256 seed, uint256 how) external acting {
        if (_episodes.length == 0) revert NothingToDo();
        Told storage told = how % 3 == 1 ? _countedFor(seed) : _episodes[seed % _episodes.length];
        uint32 by = how % 3 == 0 ? told.terms.assessor : told.terms.provider;
        bytes32 evidence = how % 3 == 1 ? _used : _write(by, seed);
        bool isOpen = told.status == IEpisodes.EpisodeStatus.Open && block.timestamp < told.terms.ends;
        if (how % 3 == 2 && isOpen) evidence = "never written";
        bytes memory data = abi.encodeCall(IEpisodes.deliver, (told.id, evidence));
        _refused(_speaker(by, seed), address(world.episodes()), data, "C19");
    }

    /// @notice Its outcome is told by its own provider, as more than all, before it was delivered, or twice.
    function hostileAssess(uint256 seed, uint256 how) external acting {
        if (_episodes.length == 0) revert NothingToDo();
        Told storage told = _episodes[seed % _episodes.length];
        bool isDue = told.status == IEpisodes.EpisodeStatus.Delivered && block.timestamp < told.terms.ends;
        uint32 by = how % 2 == 0 ? told.terms.provider : told.terms.assessor;
        uint16 share = uint16(how % 2 == 1 && isDue ? WHOLE + 1 : WHOLE);
        bytes memory data = abi.encodeCall(IEpisodes.assess, (told.id, _write(by, seed), share));
        _refused(_speaker(by, seed), address(world.episodes()), data, "C19");
    }

    /// @notice It expires before its end, or after it was settled; or somebody releases what another holds.
    function hostileExpire(uint256 seed, uint256 how) external acting {
        if (_episodes.length == 0) revert NothingToDo();
        Told storage told = _episodes[seed % _episodes.length];
        if (how % 3 == 0) {
            bytes memory data = abi.encodeCall(IEscrow.release, (_plan, told.terms.provider, 1));
            _refused(world.accountOf(told.terms.provider), address(world.escrow()), data, "C19");
            return;
        }
        bool isOver = told.status != IEpisodes.EpisodeStatus.Open && told.status != IEpisodes.EpisodeStatus.Delivered;
        if (!isOver && block.timestamp >= told.terms.ends) revert NothingToDo();
        _refused(world.stranger(), address(world.episodes()), abi.encodeCall(IEpisodes.expire, (told.id)), "C19");
    }

    // Properties

    /// @notice The escrow has of a token exactly what it owes.
    /// property C1
    function property_C1_the_escrow_has_what_it_owes_for_episodes() external view returns (bool) {
        IEscrow escrow = world.escrow();
        uint256 owed = escrow.balanceOf(_plan) + escrow.heldBy(address(world.episodes()), _plan);
        for (uint256 i = 0; i < _payees.length; ++i) owed += escrow.creditOf(address(_coin), _payees[i]);
        return _coin.balanceOf(address(escrow)) == owed;
    }

    /// @notice A plan's money falls by what is held and what was paid of that.
    /// property C2
    function property_C2_a_plans_money_is_held_for_episodes() external view returns (bool) {
        uint256 released = 0;
        for (uint256 i = 0; i < 3; ++i) released += _released[_providerAt(i)];
        return world.escrow().balanceOf(_plan) + _holding + released == _deposited;
    }

    /// @notice What is held is the price of episodes that are open and what is withheld of those delivered.
    /// property C19
    function property_C19_held_is_what_is_open() external view returns (bool) {
        return world.escrow().heldBy(address(world.episodes()), _plan) == _holding && _held("C19");
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](3);
        all[0] = "property_C1_the_escrow_has_what_it_owes_for_episodes()";
        all[1] = "property_C2_a_plans_money_is_held_for_episodes()";
        all[2] = "property_C19_held_is_what_is_open()";
    }

    // How an act is made

    function _open(uint256 seed) private {
        IEpisodes.Agreement memory terms = _agreement(seed);
        if (world.escrow().balanceOf(_plan) < terms.price) _deposit(3 * uint256(terms.price));
        _do(
            world.accountOf(SECOND_INSURER),
            address(world.episodes()),
            abi.encodeCall(
                IEpisodes.open,
                (terms, _sign(terms.signer, address(world.episodes()), _hashOf(terms)), _agreed(PATIENT_KEY, terms))
            )
        );
        _touched = _episodes.length < MOST ? _episodes.length : _forget();
        if (_touched == _episodes.length) _episodes.push();
        Told storage told = _episodes[_touched];
        (told.id, told.terms, told.status) = (_hashOf(terms), terms, IEpisodes.EpisodeStatus.Open);
        (told.opened, told.released, told.returned) = (uint40(block.timestamp), 0, 0);
        _holding += terms.price;
    }

    function _deliver(uint256 seed) private {
        if (!_search(seed, IEpisodes.EpisodeStatus.Open)) _open(seed);
        Told storage told = _episodes[_touched];
        bytes32 evidence = _write(told.terms.provider, seed);
        _do(
            _speaker(told.terms.provider, seed),
            address(world.episodes()),
            abi.encodeCall(IEpisodes.deliver, (told.id, evidence))
        );
        told.status = IEpisodes.EpisodeStatus.Delivered;
        _release(told, told.terms.price - told.terms.withheld, 0);
        (_used, _usedBy, _usedAt) = (evidence, told.terms.provider, uint40(block.timestamp));
    }

    function _agreement(uint256 seed) private returns (IEpisodes.Agreement memory terms) {
        if (world.policies().policyOf(_plan, _patient).since == 0) _enrol();
        if (block.timestamp >= world.policies().policyOf(_plan, _patient).until) revert NothingToDo();
        uint32 provider = _providerAt(seed);
        uint64 price = uint64(1 + (_more(seed, 1) % 50_000));
        terms = IEpisodes.Agreement({
            plan: _plan,
            pseudonym: _patient,
            provider: provider,
            signer: _speaker(provider, seed),
            assessor: _providerAt(seed + 1 + ((seed / 4) % 2)),
            price: price,
            withheld: uint64(_more(seed, 2) % (uint256(price) + 1)),
            ends: uint40(block.timestamp + 1 + (_more(seed, 3) % 8 days)),
            document: bytes32(++_made),
            era: 0,
            deadline: uint40(block.timestamp + (seed % 31 days))
        });
    }

    function _hashOf(IEpisodes.Agreement memory terms) private pure returns (bytes32) {
        return keccak256(abi.encode(AGREEMENT_TYPEHASH, terms));
    }

    function _agreed(uint256 key, IEpisodes.Agreement memory terms) private view returns (bytes memory) {
        bytes32 hash = world.hashOf(address(world.episodes()), _hashOf(terms));
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    function _release(Told storage told, uint256 released, uint256 returned) private {
        told.released += released;
        told.returned += returned;
        _holding -= released + returned;
        _released[told.terms.provider] += released;
        IEscrow.Payout memory payout = world.escrow().payoutOf(told.terms.provider);
        _note(payout.payee == address(0) ? world.accountOf(told.terms.provider) : payout.payee);
        // property C19
        _must(told.released + told.returned <= told.terms.price, "C19");
    }

    /// @dev Remembers who may have credit.
    function _note(address payee) private {
        for (uint256 i = 0; i < _payees.length; ++i) {
            if (_payees[i] == payee) return;
        }
        _payees.push(payee);
    }

    /// @dev An episode that is there, and not over yet.
    function _search(uint256 seed, IEpisodes.EpisodeStatus status) private returns (bool) {
        for (uint256 k = 0; k < _episodes.length; ++k) {
            _touched = ((seed % _episodes.length) + k) % _episodes.length;
            Told storage told = _episodes[_touched];
            if (told.status == status && block.timestamp < told.terms.ends) return true;
        }
        return false;
    }

    /// @dev A place for the next episode: that of one that is over.
    function _forget() private view returns (uint256 at) {
        for (uint256 i = 0; i < MOST; ++i) {
            at = (turn + i) % MOST;
            IEpisodes.EpisodeStatus status = _episodes[at].status;
            if (status != IEpisodes.EpisodeStatus.Open && status != IEpisodes.EpisodeStatus.Delivered) return at;
        }
        revert NothingToDo();
    }

    /// @dev An open episode for which what counted last for another would count too.
    function _countedFor(uint256 seed) private view returns (Told storage told) {
        for (uint256 k = 0; k < _episodes.length; ++k) {
            told = _episodes[((seed % _episodes.length) + k) % _episodes.length];
            bool isOpen = told.status == IEpisodes.EpisodeStatus.Open && block.timestamp < told.terms.ends;
            if (isOpen && told.terms.provider == _usedBy && told.opened <= _usedAt) return told;
        }
        revert NothingToDo();
    }

    // Who and what there is

    function _providerAt(uint256 seed) private pure returns (uint32) {
        if (seed % 3 == 0) return HOSPITAL;
        return seed % 3 == 1 ? CLINIC : FIRST_PHARMACY;
    }

    function _speaker(uint32 member, uint256 seed) private view returns (address) {
        return People.at(world, member, PROVIDERS, seed);
    }

    function _deposit(uint256 amount) private {
        address insurer = world.accountOf(SECOND_INSURER);
        _coin.mint(insurer, amount);
        bytes memory data = abi.encodeCall(_coin.approve, (address(world.escrow()), type(uint256).max));
        _do(insurer, address(_coin), data);
        _do(insurer, address(world.escrow()), abi.encodeCall(IEscrow.deposit, (_plan, amount)));
        _deposited += amount;
    }

    function _write(uint32 provider, uint256 seed) private returns (bytes32 evidence) {
        evidence = keccak256(abi.encode("episode", ++_made));
        bytes32[] memory digests = new bytes32[](1);
        digests[0] = evidence;
        bytes memory data = abi.encodeCall(IRecords.anchorInbox, (_patient, digests));
        _do(_speaker(provider, seed), address(world.records()), data);
    }

    function _enrol() private {
        address underwriter = world.accountOf(SECOND_INSURER);
        IPolicies.Enrol memory terms = IPolicies.Enrol({
            pseudonym: _patient,
            plan: _plan,
            family: 0,
            first: 1,
            last: 365,
            ends: uint40(block.timestamp + 400 days),
            lifetime: 0,
            underwriter: underwriter,
            era: 0,
            deadline: uint40(block.timestamp + 1 days)
        });
        bytes memory underwriting = _sign(
            underwriter,
            address(world.policies()),
            keccak256(abi.encode(ENROL_TYPEHASH, terms))
        );
        _do(_patient, address(world.policies()), abi.encodeCall(IPolicies.enrol, (terms, underwriting)));
    }
}
