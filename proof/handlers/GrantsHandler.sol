// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Consortium} from "../../contracts/Consortium.sol";
import {Delegations} from "../../contracts/health/Delegations.sol";
import {Grants} from "../../contracts/health/Grants.sol";
import {Keys} from "../../contracts/health/Keys.sol";
import {IDelegations} from "../../contracts/interfaces/health/IDelegations.sol";
import {IGrants} from "../../contracts/interfaces/health/IGrants.sol";
import {IKeys} from "../../contracts/interfaces/health/IKeys.sol";
import {Purposes} from "../../contracts/libraries/Purposes.sol";
import {Quorums} from "../../contracts/libraries/Quorums.sol";
import {ScopeWords} from "../../contracts/libraries/ScopeWords.sol";
import {COC, FAMRQT, HPAYMT, Purpose, TREAT} from "../../contracts/types/Purpose.sol";
import {CLINICIAN, Roles} from "../../contracts/types/Roles.sol";
import {Scope} from "../../contracts/types/Scope.sol";
import {Handler} from "../Handler.sol";
import {CLINIC, FIRST_INSURER, HOSPITAL, World} from "../World.sol";

/// @title GrantsHandler
/// @notice What patients grant, narrow, revoke and sign for later; what programmes, delegates, quorums and referrers do
/// beside them; and who may read by all of that, told by a plain model.
contract GrantsHandler is Handler {
    using Purposes for Purpose;

    bytes32 private constant GRANT_TYPEHASH = keccak256(
        "Grant(address pseudonym,address reader,string purpose,string[] classes,uint40 start,uint40 expiry,uint16 by,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant NARROW_TYPEHASH = keccak256(
        "Narrow(address pseudonym,address reader,string purpose,string[] classes,uint40 expiry,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant REVOKE_TYPEHASH = keccak256(
        "Revoke(address pseudonym,address reader,string purpose,uint32 nonce,uint32 era,uint40 deadline)"
    );
    bytes32 private constant SET_PARENT_TYPEHASH = keccak256(
        "SetParent(address pseudonym,uint16 by,address holder,uint40 expiry,uint32 generation,uint32 era,uint40 deadline)"
    );
    bytes32 private constant APPOINT_TYPEHASH = keccak256(
        "Appoint(address pseudonym,uint16 by,address holder,string[] purposes,string[] classes,uint8 threshold,uint40 expiry,uint32 generation,uint32 era,uint40 deadline)"
    );

    uint16 private constant REFERRED = type(uint16).max;
    uint256 private constant MOST_SPENT = 16;
    uint256 private constant MOST_FLYING = 12;

    // Numbers under which somebody stands beside each patient: two programmes, two delegates, a quorum.
    uint16 private constant PROGRAMMES = 2;
    uint16 private constant DELEGATE = 3;
    uint16 private constant QUORUM = 5;

    /// @dev A grant as the patient would write it down. One that is no more has no classes.
    struct Kept {
        uint64 scope;
        uint40 start;
        uint40 expiry;
        uint32 nonce;
        uint32 era;
        uint16 by;
        uint32 generation;
        address from;
    }

    struct Beside {
        address holder;
        uint40 expiry;
        uint32 generation;
        uint32 mandateGeneration;
        uint32 mandateEra;
        uint64 scope;
        uint16 purposes;
        uint8 threshold;
    }

    /// @dev A grant that was signed and lies at a relayer, and all on which it depends.
    struct Flying {
        IGrants.Terms terms;
        IGrants.Freshness freshness;
        bytes signature;
        address signer;
    }

    struct Spent {
        address target;
        bytes data;
    }

    Consortium private immutable _consortium;
    Keys private immutable _keys;
    Grants private immutable _grants;
    Delegations private immutable _delegations;
    address private immutable _stranger;

    address[] private _patients;
    address[] private _readers;
    address[] private _guardians;
    Purpose[4] private _purposes = [TREAT, COC, HPAYMT, FAMRQT];

    mapping(bytes32 place => Kept) private _keptOf;
    mapping(address patient => mapping(uint16 by => Beside)) private _besideOf;
    Spent[] private _spent;
    Flying[] private _flying;

    address private _patient;
    address private _reader;
    Purpose private _purpose;

    constructor(World world_) Handler(world_) {
        _consortium = world_.consortium();
        _keys = world_.keys();
        _grants = world_.grants();
        _delegations = world_.delegations();
        _stranger = world_.stranger();
        _patients = world_.patients();
        _guardians = world_.guardians();
        address[] memory hospital = world_.staffOf(HOSPITAL);
        _readers.push(hospital[0]);
        _readers.push(hospital[1]);
        _readers.push(world_.staffOf(CLINIC)[0]);
        _readers.push(world_.staffOf(FIRST_INSURER)[0]);
        _readers.push(address(uint160(HOSPITAL)));
        _readers.push(_guardians[0]);
        (_patient, _reader, _purpose) = (_patients[0], _readers[0], TREAT);
    }

    /// @notice A patient grants, by herself or under one who stands beside her.
    function grant(uint256 who, uint256 what, uint256 how) external acting {
        _choose(who);
        IGrants.Terms memory terms = _terms(what, how);
        uint16 by = how % 3 == 0 ? _living(how) : 0;
        if (by != 0) {
            terms.by = by;
            uint40 last = _besideOf[_patient][by].expiry;
            if (terms.expiry > last) terms.expiry = last;
            if (terms.expiry <= block.timestamp || terms.expiry <= terms.start) revert NothingToDo();
        }
        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        bool done;
        if (how % 2 == 0) {
            (done, ) = _try(authority.controller, address(_grants), abi.encodeCall(_grants.grant, (terms)));
        } else {
            IGrants.Freshness memory fresh = _fresh(authority.era, how);
            bytes memory signature = _signGrant(authority.controller, address(_grants), terms, fresh);
            done = _trySend(address(_grants), abi.encodeCall(_grants.grantBySig, (terms, fresh, signature)));
        }
        _must(done == !authority.frozen, authority.frozen ? "K6" : "G12");
        if (done) _keep(terms, authority.era, _generationOf(by), address(0));
    }

    /// @notice A patient takes classes or time from a reader.
    function narrow(uint256 who, uint256 how) external acting {
        _chooseKept(who);
        Kept storage kept = _kept();
        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        IGrants.Terms memory terms = _narrower(kept, how);
        bool may = !authority.frozen && kept.scope != 0 && kept.era == authority.era && block.timestamp < kept.expiry;
        may = may && terms.expiry > block.timestamp && terms.expiry > kept.start;
        bool done;
        if (how % 2 == 0) {
            bytes memory data = abi.encodeCall(
                _grants.narrow,
                (_patient, _reader, _purpose, terms.scope, terms.expiry)
            );
            (done, ) = _try(authority.controller, address(_grants), data);
        } else {
            IGrants.Freshness memory fresh = _fresh(authority.era, how);
            bytes memory signature = _signNarrow(authority.controller, address(_grants), terms, fresh);
            done = _trySend(address(_grants), abi.encodeCall(_grants.narrowBySig, (terms, fresh, signature)));
        }
        _must(done == may, "G12");
        if (!done && !may) revert NothingToDo();
        if (done) _narrowed(kept, terms);
    }

    /// @notice A patient revokes, also while a recovery is pending.
    function revoke(uint256 who, uint256 how) external acting {
        if (how % 4 == 0) _choose(who);
        else _chooseKept(who);
        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        if (how % 2 == 0) {
            bytes memory data = abi.encodeCall(_grants.revoke, (_patient, _reader, _purpose));
            _do(authority.controller, address(_grants), data);
        } else {
            IGrants.Freshness memory fresh = _fresh(authority.era, how);
            bytes memory signature = _signRevoke(authority.controller, address(_grants), fresh);
            bytes memory data = abi.encodeCall(_grants.revokeBySig, (_patient, _reader, _purpose, fresh, signature));
            if (!_trySend(address(_grants), data)) revert NothingToDo();
        }
        _forget();
    }

    /// @notice A patient names a programme, or ends anybody beside her.
    function setParent(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        bool ends = how % 4 == 0;
        uint16 by = ends ? uint16(1 + ((how / 4) % 5)) : uint16(1 + ((how / 4) % PROGRAMMES));
        address holder = _one(_guardians, how / 8);
        uint40 expiry = ends ? 0 : _hourAhead(how / 8, 40 days);
        bool done;
        if ((how / 2) % 2 == 0) {
            bytes memory data = abi.encodeCall(_grants.setParent, (patient, by, holder, expiry));
            (done, ) = _try(authority.controller, address(_grants), data);
        } else {
            uint32 generation = _besideOf[patient][by].generation;
            IGrants.Freshness memory fresh = IGrants.Freshness(generation, authority.era, _soon(how));
            bytes32 hash = keccak256(abi.encode(SET_PARENT_TYPEHASH, patient, by, holder, expiry, fresh));
            bytes memory signature = _sign(authority.controller, address(_grants), hash);
            bytes memory data = abi.encodeCall(_grants.setParentBySig, (patient, by, holder, expiry, fresh, signature));
            done = _trySend(address(_grants), data);
        }
        _must(done == !authority.frozen, authority.frozen ? "K6" : "G12");
        if (done) _parent(patient, by, holder, expiry);
    }

    /// @notice A patient appoints a delegate, or a quorum of three by two.
    function appoint(uint256 who, uint256 how) external acting {
        address patient = _choose(who);
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        bool quorum = how % 3 == 0;
        uint16 by = quorum ? QUORUM : DELEGATE + uint16((how / 3) % 2);
        IDelegations.Appointment memory terms = IDelegations.Appointment(
            patient,
            by,
            quorum ? _quorum(patient) : _guardians[by - DELEGATE],
            _scope(how / 8),
            uint16(1 << Purpose.unwrap(TREAT)) | uint16(how % 2 == 0 ? 0 : 1 << Purpose.unwrap(FAMRQT)),
            quorum ? 2 : 0,
            _hourAhead(how / 16, 40 days)
        );
        bool done;
        if ((how / 2) % 2 == 0) {
            bytes memory data = abi.encodeCall(_delegations.appoint, (terms));
            (done, ) = _try(authority.controller, address(_delegations), data);
        } else {
            uint32 generation = _besideOf[patient][by].generation;
            IGrants.Freshness memory fresh = IGrants.Freshness(generation, authority.era, _soon(how));
            bytes memory signature = _sign(authority.controller, address(_delegations), _hashAppoint(terms, fresh));
            bytes memory data = abi.encodeCall(_delegations.appointBySig, (terms, fresh, signature));
            done = _trySend(address(_delegations), data);
        }
        _must(done == !authority.frozen, authority.frozen ? "K6" : "G12");
        if (done) _appointed(terms, authority.era);
    }

    /// @notice A delegate or a quorum grants for a patient.
    function grantBeside(uint256 who, uint256 what, uint256 how) external acting {
        uint16 by = _chooseMandated(who, how);
        Beside storage beside = _besideOf[_patient][by];
        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        _purpose = _purposeIn(beside.purposes, what);
        IGrants.Terms memory terms = _terms(what, how);
        terms.by = by;
        uint64 within = Scope.unwrap(terms.scope) & beside.scope;
        terms.scope = Scope.wrap(within == 0 ? beside.scope : within);
        if (terms.expiry > beside.expiry) terms.expiry = beside.expiry;
        if (terms.expiry <= terms.start) terms.start = 0;
        _reader = terms.reader = _readerWhere(by, what, how % 8 != 0);

        Kept storage kept = _kept();
        bool free = kept.by == by || !_isLive(kept, _patient, _purpose);
        bool done = _beside(beside, terms, authority.era, how);
        // properties G6, G7: within its mandate, and in no place of a grant that another gave and that lives.
        _must(done == (free && !authority.frozen), "G7");
        if (!done && !free) revert NothingToDo();
        if (done) _keep(terms, authority.era, beside.generation, address(0));
    }

    /// @notice A delegate narrows or revokes what it granted; the latter also while a recovery is pending.
    function endBeside(uint256 who, uint256 how) external acting {
        _chooseBeside(who);
        Kept storage kept = _kept();
        Beside storage beside = _besideOf[_patient][kept.by];
        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        bool lives = _mandated(_patient, kept.by, authority.era);
        if (how % 2 == 0) {
            IGrants.Terms memory terms = _narrower(kept, how);
            bool may = lives && !authority.frozen && kept.era == authority.era && block.timestamp < kept.expiry;
            may = may && terms.expiry > block.timestamp && terms.expiry > kept.start;
            (bool done, ) = _try(
                beside.holder,
                address(_delegations),
                abi.encodeCall(_delegations.narrow, (_patient, _reader, _purpose, terms.scope, terms.expiry))
            );
            _must(done == may, "G6");
            if (!done && !may) revert NothingToDo();
            if (done) _narrowed(kept, terms);
        } else {
            (bool done, ) = _try(
                beside.holder,
                address(_delegations),
                abi.encodeCall(_delegations.revoke, (_patient, _reader, _purpose))
            );
            _must(done == lives, "G6");
            if (!done && !lives) revert NothingToDo();
            if (done) _forget();
        }
    }

    /// @notice A reader refers somebody else to what it may read, for itself or for its member.
    function refer(uint256 who, uint256 what, uint256 how) external acting {
        _chooseReferring(who);
        address from = _reader;
        Kept memory parent = _kept();
        address sender = from == _readers[4] ? _readers[how % 2] : from;
        IGrants.Terms memory terms = _terms(what, how);
        terms.reader = _readers[(how / 2) % 3];
        if (terms.reader == sender || terms.reader == from) terms.reader = _readers[(how / 2 + 1) % 3];
        _reader = terms.reader;
        uint64 within = Scope.unwrap(terms.scope) & parent.scope & ~uint64(1 << 63);
        terms.scope = Scope.wrap(within);
        if (terms.expiry > parent.expiry) terms.expiry = parent.expiry;

        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        bool may = !authority.frozen && within != 0 && terms.reader != from && terms.reader != sender;
        may = may && _stands(sender, from) && _explains(parent, from, within | (1 << 63));
        may = may && terms.expiry > block.timestamp && terms.expiry > terms.start && _isFreeFor(from);
        (bool done, ) = _try(sender, address(_grants), abi.encodeCall(_grants.refer, (terms, from)));
        // properties G2, G3, G5, G7: what it has, once, where the patient said so, and in no other's place.
        _must(done == may, "G5");
        if (!done && !may) revert NothingToDo();
        if (done) {
            terms.by = REFERRED;
            _keep(terms, authority.era, parent.nonce, from);
        }
    }

    /// @notice A referrer takes a referral back.
    function withdraw(uint256 who, uint256 how) external acting {
        _chooseReferred(who);
        Kept storage kept = _kept();
        address from = kept.from;
        address sender = from == _readers[4] ? _readers[how % 2] : from;
        // Who referred needs no standing; who acts for a member does.
        bool may = sender == from || _stands(sender, from);
        bytes memory data = abi.encodeCall(_grants.withdraw, (_patient, _reader, _purpose));
        (bool done, ) = _try(sender, address(_grants), data);
        _must(done == may, "G5");
        if (!done && !may) revert NothingToDo();
        if (!done) return;
        kept.expiry = 0;
        ++kept.nonce;
    }

    /// @notice A patient signs a grant that nobody sends yet.
    function signForLater(uint256 who, uint256 what, uint256 how) external acting {
        _choose(who);
        IGrants.Terms memory terms = _terms(what, how);
        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        IGrants.Freshness memory fresh = IGrants.Freshness(
            _kept().nonce,
            authority.era,
            uint40(block.timestamp + 1 hours)
        );
        bytes memory signature = _signGrant(authority.controller, address(_grants), terms, fresh);
        Flying memory flying = Flying(terms, fresh, signature, authority.controller);
        if (_flying.length < MOST_FLYING) _flying.push(flying);
        else _flying[turn % MOST_FLYING] = flying;
    }

    /// @notice Somebody sends what was signed for later: whatever was changed in between, it counts as it stands or not.
    function sendLater(uint256 which) external acting {
        if (_flying.length == 0) revert NothingToDo();
        uint256 index = which % _flying.length;
        Flying memory flying = _flying[index];
        (_patient, _reader, _purpose) = (flying.terms.pseudonym, flying.terms.reader, flying.terms.purpose);
        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        bool fresh = flying.freshness.nonce == _kept().nonce && flying.freshness.era == authority.era;
        bool same = flying.signer == authority.controller && !authority.frozen;
        bool timely = block.timestamp <= flying.freshness.deadline && flying.terms.expiry > block.timestamp;
        (bool done, ) = _try(
            _stranger,
            address(_grants),
            abi.encodeCall(_grants.grantBySig, (flying.terms, flying.freshness, flying.signature))
        );
        // properties H10, H11, K5: a revoke kills what is in flight, as do an era, another wallet and an hour.
        _must(done == (fresh && same && timely), "H11");
        if (done) _keep(flying.terms, authority.era, 0, address(0));
        _flying[index] = _flying[_flying.length - 1];
        _flying.pop();
    }

    /// @notice A signature that has counted is sent again.
    function hostileReplay(uint256 which) external acting {
        if (_spent.length == 0) revert NothingToDo();
        Spent memory spent = _spent[which % _spent.length];
        _refused(_stranger, spent.target, spent.data, "H11");
    }

    /// @notice Who is not the patient grants, narrows or revokes for her, by transactions or signatures.
    function hostileActor(uint256 who, uint256 what, uint256 how) external acting {
        _chooseKept(who);
        address intruder = how % 2 == 0 ? _reader : world.accountOf(uint32(1 + (how % 14)));
        if (how % 5 == 0) intruder = world.board();
        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        if (intruder == authority.controller) revert NothingToDo();
        IGrants.Terms memory terms = _terms(what, how);
        bytes memory data;
        uint256 kind = (how / 16) % 5;
        if (kind == 0) data = abi.encodeCall(_grants.grant, (terms));
        if (kind == 1) data = abi.encodeCall(_grants.revoke, (_patient, _reader, _purpose));
        if (kind == 2) data = abi.encodeCall(_grants.setParent, (_patient, 1, intruder, terms.expiry));
        if (kind == 3) data = abi.encodeCall(_grants.revokeFor, (_patient, _reader, _purpose));
        if (kind == 4) data = abi.encodeCall(_grants.grantFor, (terms, authority.era));
        // properties K2, B9
        _refused(intruder, address(_grants), data, "K2");

        if (world.keyOf(intruder) == 0 || authority.frozen) return;
        IGrants.Freshness memory fresh = _fresh(authority.era, how);
        bytes memory signature = _signGrant(intruder, address(_grants), terms, fresh);
        _refused(intruder, address(_grants), abi.encodeCall(_grants.grantBySig, (terms, fresh, signature)), "H11");
        // What a patient signed for one contract counts at no other.
        signature = _signGrant(authority.controller, address(_delegations), terms, fresh);
        _refused(intruder, address(_grants), abi.encodeCall(_grants.grantBySig, (terms, fresh, signature)), "H11");
    }

    /// @notice A delegate goes beyond its classes, purposes or time; a quorum is one too few, or one twice.
    function hostileDelegate(uint256 who, uint256 what, uint256 how) external acting {
        uint16 by = _chooseMandated(who, how);
        Beside storage beside = _besideOf[_patient][by];
        IKeys.Authority memory authority = _keys.authorityOf(_patient);
        IGrants.Terms memory terms = _terms(what, how);
        terms.by = by;
        uint256 kind = how % 3;
        _purpose = terms.purpose = kind == 1 ? HPAYMT : _purposeIn(beside.purposes, what);
        if (kind == 0) {
            if (beside.scope == Scope.unwrap(ScopeWords.CLASSES)) revert NothingToDo();
            terms.scope = ScopeWords.CLASSES;
        } else {
            terms.scope = Scope.wrap(beside.scope);
        }
        terms.start = 0;
        terms.expiry = kind == 2 ? beside.expiry + 1 hours : beside.expiry;
        if (by == QUORUM) {
            IGrants.Freshness memory fresh = _fresh(authority.era, how);
            bytes memory proof = _prove(_hashGrant(terms, fresh), 2);
            bytes memory data = abi.encodeCall(_delegations.grantBySig, (terms, fresh, proof));
            _refused(_stranger, address(_delegations), data, "G6");
            // property G8: fewer than the threshold, or one member twice, are no quorum.
            terms.expiry = beside.expiry;
            terms.scope = Scope.wrap(beside.scope);
            _purpose = terms.purpose = _purposeIn(beside.purposes, what);
            fresh = _fresh(authority.era, how);
            proof = _prove(_hashGrant(terms, fresh), how % 2 == 0 ? 1 : 3);
            data = abi.encodeCall(_delegations.grantBySig, (terms, fresh, proof));
            _refused(_stranger, address(_delegations), data, "G8");
        } else {
            _refused(beside.holder, address(_delegations), abi.encodeCall(_delegations.grant, (terms)), "G6");
        }
    }

    /// @notice Who was referred refers on, or a referrer gives more than it has.
    function hostileReferrer(uint256 who, uint256 what, uint256 how) external acting {
        bool onward = how % 2 == 0;
        if (onward) _chooseReferred(who);
        else _chooseReferring(who);
        Kept memory kept = _kept();
        address from = _reader;
        if (from == _readers[4] || from == _readers[5]) revert NothingToDo();
        IGrants.Terms memory terms = _terms(what, how);
        terms.reader = _guardians[2];
        if (onward) {
            terms.scope = Scope.wrap(kept.scope);
        } else {
            uint64 missing = Scope.unwrap(ScopeWords.CLASSES) & ~kept.scope;
            if (missing == 0) revert NothingToDo();
            terms.scope = Scope.wrap(missing);
        }
        // properties G2, G3
        _refused(from, address(_grants), abi.encodeCall(_grants.refer, (terms, from)), onward ? "G3" : "G2");
    }

    /// properties H1, G12
    function property_H1_one_grant_names_it_whole() external view looking returns (bool) {
        return _answersAlike(_patient, _reader, _purpose, turn) && _answersAlike(_other(), _otherReader(), TREAT, turn);
    }

    /// property H2
    function property_H2_two_grants_do_not_add_up() external view looking returns (bool) {
        Kept storage own = _keptOf[_key(_patient, _reader, _purpose)];
        Kept storage members = _keptOf[_key(_patient, _readers[4], _purpose)];
        uint64 both = (own.scope | members.scope) & ~uint64(1 << 63);
        if (both == 0 || !_grants.allowed(_patient, _reader, Scope.wrap(both), _purpose)) return true;
        return both & ~own.scope == 0 || both & ~members.scope == 0;
    }

    /// properties H6, K7, H20
    function property_H6_no_act_changes_what_another_may_read() external view returns (bool) {
        return _sameAs(_other(), _otherReader(), _purposes[(turn / 24) % 4]);
    }

    /// property H10
    function property_H10_the_nonce_counts_changes_of_its_place() external view returns (bool) {
        uint32 nonce = _grants.grantOf(_patient, _reader, _purpose).nonce;
        return nonce == _keptOf[_key(_patient, _reader, _purpose)].nonce;
    }

    /// property H11
    function property_H11_a_word_counts_once_and_in_its_hour() external view returns (bool) {
        return _held("H11");
    }

    /// properties K2, K6, B9
    function property_K2_only_the_controller_grants() external view returns (bool) {
        return _held("K2") && _held("K6");
    }

    /// property K3
    function property_K3_an_era_ends_what_was_granted_before() external view looking returns (bool) {
        Kept storage kept = _keptOf[_key(_patient, _reader, _purpose)];
        if (kept.scope == 0 || kept.era == _keys.eraOf(_patient)) return true;
        bool reads = _grants.allowed(_patient, _reader, Scope.wrap(kept.scope), _purpose);
        return !reads || _readersMemberReads(kept.scope);
    }

    /// property G1
    function property_G1_no_grant_outlives_its_parent() external view looking returns (bool) {
        Kept storage kept = _keptOf[_key(_patient, _reader, _purpose)];
        if (kept.by == 0 || kept.by == REFERRED || !_readsByItself(kept)) return true;
        Beside storage beside = _besideOf[_patient][kept.by];
        return beside.generation == kept.generation && block.timestamp < beside.expiry && kept.expiry <= beside.expiry;
    }

    /// properties G2, G3, G4
    function property_G4_a_referral_lives_by_its_referrers_grant() external view looking returns (bool) {
        Kept storage kept = _keptOf[_key(_patient, _reader, _purpose)];
        if (kept.by != REFERRED || !_readsByItself(kept)) return true;
        Kept storage parent = _keptOf[_key(_patient, kept.from, _purpose)];
        if (parent.nonce != kept.generation || parent.by == REFERRED) return false;
        return kept.scope & ~parent.scope == 0 && kept.expiry <= parent.expiry && block.timestamp < parent.expiry;
    }

    /// properties G2, G3, G5
    function property_G5_only_who_may_passes_it_on() external view returns (bool) {
        return _held("G2") && _held("G3") && _held("G5");
    }

    /// property G6
    function property_G6_a_delegate_keeps_to_its_mandate() external view returns (bool) {
        Kept storage kept = _keptOf[_key(_patient, _reader, _purpose)];
        Beside storage beside = _besideOf[_patient][kept.by];
        if (kept.by < DELEGATE || kept.by > QUORUM || kept.generation != beside.generation) return _held("G6");
        return _held("G6") && _grants.parentOf(_patient, kept.by).holder == beside.holder;
    }

    /// property G7
    function property_G7_nobody_takes_the_place_of_a_living_grant() external view returns (bool) {
        return _held("G7");
    }

    /// property G8
    function property_G8_fewer_or_the_same_twice_are_no_quorum() external view returns (bool) {
        return _held("G8");
    }

    /// property G12
    function property_G12_the_model_accepts_the_same_acts() external view returns (bool) {
        return _held("G12") && _sameAs(_patient, _reader, _purpose);
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](14);
        all[0] = "property_H1_one_grant_names_it_whole()";
        all[1] = "property_H2_two_grants_do_not_add_up()";
        all[2] = "property_H6_no_act_changes_what_another_may_read()";
        all[3] = "property_H10_the_nonce_counts_changes_of_its_place()";
        all[4] = "property_H11_a_word_counts_once_and_in_its_hour()";
        all[5] = "property_K2_only_the_controller_grants()";
        all[6] = "property_K3_an_era_ends_what_was_granted_before()";
        all[7] = "property_G1_no_grant_outlives_its_parent()";
        all[8] = "property_G4_a_referral_lives_by_its_referrers_grant()";
        all[9] = "property_G5_only_who_may_passes_it_on()";
        all[10] = "property_G6_a_delegate_keeps_to_its_mandate()";
        all[11] = "property_G7_nobody_takes_the_place_of_a_living_grant()";
        all[12] = "property_G8_fewer_or_the_same_twice_are_no_quorum()";
        all[13] = "property_G12_the_model_accepts_the_same_acts()";
    }

    // What the model says.

    /// @dev Whether the contract says yes to a reader exactly where the model does, for one class and for all of a grant.
    function _answersAlike(address patient, address reader, Purpose purpose, uint256 seed) private view returns (bool) {
        Kept storage own = _keptOf[_key(patient, reader, purpose)];
        uint64 asked = seed % 2 == 0 && own.scope != 0 ? own.scope : Scope.unwrap(_scope(seed / 2));
        Roles role = purpose.roleOf();
        uint32 member = role.isNone() ? 0 : _consortium.standing(reader, role);
        bool reads = role.isNone() || member != 0;
        if (reads) {
            reads = _reads(own, asked, patient, purpose);
            if (!reads && member != 0) {
                reads = _reads(_keptOf[_key(patient, address(uint160(member)), purpose)], asked, patient, purpose);
            }
        }
        return _grants.allowed(patient, reader, Scope.wrap(asked), purpose) == reads;
    }

    function _reads(Kept storage kept, uint64 asked, address patient, Purpose purpose) private view returns (bool) {
        if (asked == 0 || kept.scope == 0 || asked & ~kept.scope != 0) return false;
        return block.timestamp >= kept.start && _isLive(kept, patient, purpose);
    }

    /// @dev Whether the reader that was touched last reads by a grant of its own.
    function _readsByItself(Kept storage kept) private view returns (bool) {
        if (kept.scope == 0 || _readersMemberReads(kept.scope)) return false;
        return _grants.allowed(_patient, _reader, Scope.wrap(kept.scope), _purpose);
    }

    function _readersMemberReads(uint64 scope) private view returns (bool) {
        return _reads(_keptOf[_key(_patient, _readers[4], _purpose)], scope, _patient, _purpose);
    }

    function _isLive(Kept storage kept, address patient, Purpose purpose) private view returns (bool) {
        if (kept.scope == 0 || kept.era != _keys.eraOf(patient) || block.timestamp >= kept.expiry) return false;
        if (kept.by == 0) return true;
        if (kept.by != REFERRED) return _parentLives(patient, kept.by, kept.generation);
        Kept storage parent = _keptOf[_key(patient, kept.from, purpose)];
        if (parent.nonce != kept.generation || block.timestamp >= parent.expiry) return false;
        return parent.by == 0 || _parentLives(patient, parent.by, parent.generation);
    }

    function _parentLives(address patient, uint16 by, uint32 generation) private view returns (bool) {
        Beside storage beside = _besideOf[patient][by];
        return beside.generation == generation && block.timestamp < beside.expiry;
    }

    function _explains(Kept memory kept, address from, uint64 asked) private view returns (bool) {
        if (asked & ~kept.scope != 0 || block.timestamp < kept.start || kept.by == REFERRED) return false;
        return _isLive(_keptOf[_key(_patient, from, _purpose)], _patient, _purpose);
    }

    /// @dev Whether who refers is a clinician in standing, and refers on its own grant or its member's.
    function _stands(address sender, address from) private view returns (bool) {
        uint32 member = _consortium.standing(sender, CLINICIAN);
        return member != 0 && (from == sender || from == address(uint160(member))) && _purpose.roleOf() == CLINICIAN;
    }

    function _isFreeFor(address from) private view returns (bool) {
        Kept storage kept = _kept();
        if (kept.nonce == 0) return true;
        bool same = kept.by == REFERRED && kept.from == from;
        return kept.scope != 0 && (same || !_isLive(kept, _patient, _purpose));
    }

    function _mandated(address patient, uint16 by, uint32 era) private view returns (bool) {
        Beside storage beside = _besideOf[patient][by];
        bool lives = beside.mandateGeneration == beside.generation && block.timestamp < beside.expiry;
        return by >= DELEGATE && by < QUORUM && lives && beside.mandateEra == era && beside.threshold == 0;
    }

    function _sameAs(address patient, address reader, Purpose purpose) private view returns (bool) {
        IGrants.Grant memory found = _grants.grantOf(patient, reader, purpose);
        Kept storage kept = _keptOf[_key(patient, reader, purpose)];
        if (Scope.unwrap(found.scope) != kept.scope || found.nonce != kept.nonce) return false;
        if (kept.scope == 0) return true;
        return
            found.start == kept.start &&
            found.expiry == kept.expiry &&
            found.era == kept.era &&
            found.by == kept.by &&
            found.generation == kept.generation;
    }

    // What becomes of the model.

    function _keep(IGrants.Terms memory terms, uint32 era, uint32 generation, address from) private {
        Kept storage kept = _kept();
        (kept.scope, kept.start, kept.expiry) = (Scope.unwrap(terms.scope), terms.start, terms.expiry);
        (kept.era, kept.by, kept.generation, kept.from) = (era, terms.by, generation, from);
        ++kept.nonce;
    }

    function _narrowed(Kept storage kept, IGrants.Terms memory terms) private {
        (kept.scope, kept.expiry) = (Scope.unwrap(terms.scope), terms.expiry);
        ++kept.nonce;
    }

    function _forget() private {
        Kept storage kept = _kept();
        uint32 nonce = kept.nonce + 1;
        delete _keptOf[_key(_patient, _reader, _purpose)];
        kept.nonce = nonce;
    }

    function _parent(address patient, uint16 by, address holder, uint40 expiry) private {
        Beside storage beside = _besideOf[patient][by];
        (beside.holder, beside.expiry) = (holder, expiry);
        ++beside.generation;
    }

    function _generationOf(uint16 by) private view returns (uint32) {
        return by == 0 ? 0 : _besideOf[_patient][by].generation;
    }

    // What is chosen.

    function _choose(uint256 who) private returns (address) {
        _patient = _patients[who % _patients.length];
        _reader = _readers[(who / 8) % _readers.length];
        _purpose = _purposes[(who / 64) % 4];
        if (_purpose == HPAYMT) _reader = _readers[3];
        return _patient;
    }

    function _chooseKept(uint256 who) private {
        if (!_find(who, 0)) _grantPlainly(who);
    }

    function _chooseReferring(uint256 who) private {
        if (!_find(who, 1)) _grantPlainly(who);
    }

    function _chooseReferred(uint256 who) private {
        if (_find(who, 2)) return;
        if (!_find(who, 1)) _grantPlainly(who);
        address from = _reader;
        Kept memory parent = _kept();
        address sender = from == _readers[4] ? _readers[who % 2] : from;
        _reader = _readers[2];
        if (_reader == from || !_stands(sender, from) || !_isFreeFor(from)) revert NothingToDo();
        IGrants.Terms memory terms = IGrants.Terms(
            _patient,
            _reader,
            _purpose,
            Scope.wrap(parent.scope & ~uint64(1 << 63)),
            0,
            parent.expiry,
            0
        );
        _do(sender, address(_grants), abi.encodeCall(_grants.refer, (terms, from)));
        terms.by = REFERRED;
        _keep(terms, _keys.eraOf(_patient), parent.nonce, from);
    }

    function _chooseBeside(uint256 who) private {
        if (_find(who, 3)) return;
        uint16 by = _chooseMandated(who, 0);
        if (by == QUORUM || _keys.authorityOf(_patient).frozen) revert NothingToDo();
        Beside storage beside = _besideOf[_patient][by];
        (_reader, _purpose) = (_readers[who % 3], TREAT);
        Kept storage kept = _kept();
        if (kept.by != by && _isLive(kept, _patient, _purpose)) revert NothingToDo();
        IGrants.Terms memory terms = IGrants.Terms(
            _patient,
            _reader,
            _purpose,
            Scope.wrap(beside.scope),
            0,
            beside.expiry,
            by
        );
        _do(beside.holder, address(_delegations), abi.encodeCall(_delegations.grant, (terms)));
        _keep(terms, _keys.eraOf(_patient), beside.generation, address(0));
    }

    /// @dev A grant for others to act on, of a patient who is free to give it, to a clinician or the hospital.
    function _grantPlainly(uint256 who) private {
        for (uint256 i = 0; i < _patients.length; ++i) {
            _patient = _patients[(who + i) % _patients.length];
            (_reader, _purpose) = (who % 2 == 0 ? _readers[0] : _readers[4], TREAT);
            IKeys.Authority memory authority = _keys.authorityOf(_patient);
            if (authority.frozen) continue;
            IGrants.Terms memory terms = _terms(who, 2);
            terms.scope = Scope.wrap(Scope.unwrap(_scope(who)) | (1 << 63));
            _do(authority.controller, address(_grants), abi.encodeCall(_grants.grant, (terms)));
            _keep(terms, authority.era, 0, address(0));
            return;
        }
        revert NothingToDo();
    }

    /// @dev A place with a grant: any, one that may be referred on, a referral, one that a delegate gave.
    function _find(uint256 who, uint256 kind) private returns (bool) {
        uint256 count = _patients.length * _readers.length * 4;
        for (uint256 i = 0; i < count; ++i) {
            uint256 place = (who + i * 7) % count;
            address patient = _patients[place % _patients.length];
            address reader = _readers[(place / 4) % _readers.length];
            Purpose purpose = _purposes[(place / 24) % 4];
            Kept storage kept = _keptOf[_key(patient, reader, purpose)];
            if (kept.scope == 0) continue;
            // Most that is sought lives; what ran out is met as well.
            if (who % 8 != 0 && (block.timestamp >= kept.expiry || kept.era != _keys.eraOf(patient))) continue;
            if (kind == 1 && (kept.scope >> 63 == 0 || !(purpose.roleOf() == CLINICIAN))) continue;
            if (kind == 1 && block.timestamp >= kept.expiry) continue;
            if (kind == 2 && kept.by != REFERRED) continue;
            if (kind == 3 && (kept.by < DELEGATE || kept.by >= QUORUM)) continue;
            (_patient, _reader, _purpose) = (patient, reader, purpose);
            return true;
        }
        return false;
    }

    /// @dev A patient who has a delegate or a quorum whose mandate lives, and which.
    function _chooseMandated(uint256 who, uint256 how) private returns (uint16 by) {
        _choose(who);
        for (uint256 i = 0; i < _patients.length; ++i) {
            address patient = _patients[(who + i) % _patients.length];
            uint32 era = _keys.eraOf(patient);
            for (uint16 j = 0; j < 3; ++j) {
                by = DELEGATE + uint16((how / 32 + j) % 3);
                Beside storage beside = _besideOf[patient][by];
                bool lives = beside.mandateGeneration == beside.generation && block.timestamp < beside.expiry;
                if (!lives || beside.mandateEra != era) continue;
                _patient = patient;
                return by;
            }
        }
        return _appointPlainly(who);
    }

    /// @dev A delegate for others to act on, of a patient who is free to appoint one.
    function _appointPlainly(uint256 who) private returns (uint16) {
        for (uint256 i = 0; i < _patients.length; ++i) {
            _patient = _patients[(who + i) % _patients.length];
            IKeys.Authority memory authority = _keys.authorityOf(_patient);
            if (authority.frozen) continue;
            IDelegations.Appointment memory terms = IDelegations.Appointment(
                _patient,
                DELEGATE,
                _guardians[0],
                _scope(who),
                uint16(1 << Purpose.unwrap(TREAT)),
                0,
                _hourAhead(who, 40 days) + 2 days
            );
            _do(authority.controller, address(_delegations), abi.encodeCall(_delegations.appoint, (terms)));
            _appointed(terms, authority.era);
            return DELEGATE;
        }
        revert NothingToDo();
    }

    function _appointed(IDelegations.Appointment memory terms, uint32 era) private {
        _parent(terms.pseudonym, terms.by, terms.holder, terms.expiry);
        Beside storage beside = _besideOf[terms.pseudonym][terms.by];
        (beside.mandateGeneration, beside.mandateEra) = (beside.generation, era);
        (beside.scope, beside.purposes) = (Scope.unwrap(terms.scope), terms.purposes);
        beside.threshold = terms.threshold;
    }

    /// @dev A reader in whose place the delegate may grant, or may not; any where there is none such.
    function _readerWhere(uint16 by, uint256 what, bool free) private view returns (address reader) {
        for (uint256 i = 0; i < _readers.length; ++i) {
            reader = _readers[(what + i) % _readers.length];
            Kept storage kept = _keptOf[_key(_patient, reader, _purpose)];
            if ((kept.by == by || !_isLive(kept, _patient, _purpose)) == free) return reader;
        }
    }

    function _living(uint256 how) private view returns (uint16 by) {
        for (uint16 i = 0; i < PROGRAMMES; ++i) {
            by = 1 + uint16((how + i) % PROGRAMMES);
            if (block.timestamp < _besideOf[_patient][by].expiry) return by;
        }
        return 0;
    }

    function _other() private view returns (address) {
        return _patients[turn % _patients.length];
    }

    function _otherReader() private view returns (address) {
        return _readers[(turn / 4) % _readers.length];
    }

    function _terms(uint256 what, uint256 how) private view returns (IGrants.Terms memory) {
        uint40 start = how % 4 == 0 ? _hourAhead(what, 2 days) : 0;
        uint40 expiry =
            (start == 0 ? uint40(block.timestamp - (block.timestamp % 1 hours)) : start) +
                uint40(1 hours * (1 + ((what / 64) % (how % 5 == 0 ? 6 : 720))));
        Scope scope = _scope(what);
        if (how % 2 == 0) scope = Scope.wrap(Scope.unwrap(scope) | (1 << 63));
        return IGrants.Terms(_patient, _reader, _purpose, scope, start, expiry, 0);
    }

    function _narrower(Kept storage kept, uint256 how) private view returns (IGrants.Terms memory terms) {
        uint64 scope = kept.scope & (uint64(how / 4) | uint64(1 << (how % 17)));
        if (scope & ~uint64(1 << 63) == 0) scope = kept.scope;
        uint40 expiry = how % 3 == 0 ? kept.expiry - 1 hours : kept.expiry;
        terms = IGrants.Terms(_patient, _reader, _purpose, Scope.wrap(scope), 0, expiry, 0);
    }

    /// @dev One to many of the classes.
    function _scope(uint256 seed) private pure returns (Scope) {
        uint64 classes = Scope.unwrap(ScopeWords.CLASSES);
        uint64 scope = uint64(seed) & classes & (seed % 3 == 0 ? 0xff : type(uint64).max);
        return Scope.wrap(scope == 0 ? uint64(1 << (seed % 17)) : scope);
    }

    function _purposeIn(uint16 purposes, uint256 what) private pure returns (Purpose) {
        bool both = FAMRQT.isIn(purposes);
        return both && what % 2 == 0 ? FAMRQT : TREAT;
    }

    function _hourAhead(uint256 seed, uint256 span) private view returns (uint40) {
        uint256 hour = block.timestamp / 1 hours + 1 + (seed % (span / 1 hours));
        return uint40(hour * 1 hours);
    }

    // How it is signed.

    function _beside(
        Beside storage beside,
        IGrants.Terms memory terms,
        uint32 era,
        uint256 how
    ) private returns (bool done) {
        bool quorum = beside.threshold != 0;
        if (!quorum && how % 2 == 0) {
            (done, ) = _try(beside.holder, address(_delegations), abi.encodeCall(_delegations.grant, (terms)));
            return done;
        }
        IGrants.Freshness memory fresh = _fresh(era, how);
        bytes32 hash = _hashGrant(terms, fresh);
        bytes memory signature = quorum ? _prove(hash, 2) : _sign(beside.holder, address(_delegations), hash);
        return _trySend(address(_delegations), abi.encodeCall(_delegations.grantBySig, (terms, fresh, signature)));
    }

    function _quorum(address patient) private view returns (address) {
        bytes32 salt = keccak256(abi.encode(patient));
        return address(uint160(uint256(keccak256(abi.encode(patient, salt, _members())))));
    }

    function _members() private view returns (address[] memory members) {
        members = new address[](3);
        for (uint256 i = 0; i < 3; ++i) members[i] = _guardians[i];
    }

    /// @dev What shows a quorum: so many signed, and three stands for one who signs in two places.
    function _prove(bytes32 structHash, uint256 count) private view returns (bytes memory) {
        address[] memory members = _members();
        bytes[] memory signatures = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            if (count == 3) signatures[i] = _sign(members[0], address(_delegations), structHash);
            else if (i < count) signatures[i] = _sign(members[i], address(_delegations), structHash);
        }
        return abi.encode(Quorums.Proof(keccak256(abi.encode(_patient)), members, signatures));
    }

    function _trySend(address target, bytes memory data) private returns (bool done) {
        (done, ) = _try(_stranger, target, data);
        if (!done) return false;
        if (_spent.length < MOST_SPENT) _spent.push(Spent(target, data));
        else _spent[turn % MOST_SPENT] = Spent(target, data);
    }

    function _fresh(uint32 era, uint256 how) private view returns (IGrants.Freshness memory) {
        return IGrants.Freshness(_kept().nonce, era, _soon(how));
    }

    function _kept() private view returns (Kept storage) {
        return _keptOf[_key(_patient, _reader, _purpose)];
    }

    function _key(address patient, address reader, Purpose purpose) private pure returns (bytes32) {
        return keccak256(abi.encode(patient, reader, purpose));
    }

    function _hashGrant(IGrants.Terms memory terms, IGrants.Freshness memory fresh) private pure returns (bytes32) {
        bytes memory first = abi.encode(
            GRANT_TYPEHASH,
            terms.pseudonym,
            terms.reader,
            terms.purpose.hashOf(),
            ScopeWords.hashOf(terms.scope),
            terms.start,
            terms.expiry,
            terms.by
        );
        return keccak256(bytes.concat(first, abi.encode(fresh)));
    }

    function _signGrant(
        address signer,
        address verifier,
        IGrants.Terms memory terms,
        IGrants.Freshness memory fresh
    ) private view returns (bytes memory) {
        return _sign(signer, verifier, _hashGrant(terms, fresh));
    }

    function _signNarrow(
        address signer,
        address verifier,
        IGrants.Terms memory terms,
        IGrants.Freshness memory fresh
    ) private view returns (bytes memory) {
        bytes memory first = abi.encode(
            NARROW_TYPEHASH,
            terms.pseudonym,
            terms.reader,
            terms.purpose.hashOf(),
            ScopeWords.hashOf(terms.scope),
            terms.expiry
        );
        return _sign(signer, verifier, keccak256(bytes.concat(first, abi.encode(fresh))));
    }

    function _signRevoke(
        address signer,
        address verifier,
        IGrants.Freshness memory fresh
    ) private view returns (bytes memory) {
        bytes memory first = abi.encode(REVOKE_TYPEHASH, _patient, _reader, _purpose.hashOf());
        return _sign(signer, verifier, keccak256(bytes.concat(first, abi.encode(fresh))));
    }

    function _hashAppoint(
        IDelegations.Appointment memory terms,
        IGrants.Freshness memory fresh
    ) private pure returns (bytes32) {
        bytes memory first = abi.encode(
            APPOINT_TYPEHASH,
            terms.pseudonym,
            terms.by,
            terms.holder,
            Purposes.hashOf(terms.purposes),
            ScopeWords.hashOf(terms.scope),
            terms.threshold,
            terms.expiry
        );
        return keccak256(bytes.concat(first, abi.encode(fresh)));
    }
}
