// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Consortium} from "../../contracts/Consortium.sol";
import {Emergencies} from "../../contracts/health/Emergencies.sol";
import {Keys} from "../../contracts/health/Keys.sol";
import {IEmergencies} from "../../contracts/interfaces/health/IEmergencies.sol";
import {IKeys} from "../../contracts/interfaces/health/IKeys.sol";
import {CaseStatuses} from "../../contracts/libraries/CaseStatuses.sol";
import {AUDITOR, CLINICIAN, CUSTODIAN} from "../../contracts/types/Roles.sol";
import {Scope} from "../../contracts/types/Scope.sol";
import {Handler} from "../Handler.sol";
import {AUTHORITY, CLINIC, FIRST_CUSTODIAN, HOSPITAL, SECOND_CUSTODIAN, THIRD_CUSTODIAN, World} from "../World.sol";

/// @title EmergenciesHandler
/// @notice Clinicians break the glass, custodians release shares, patients and auditors review, the board clears.
contract EmergenciesHandler is Handler {
    bytes32 private constant REVIEW_TYPEHASH = keccak256(
        "Review(address pseudonym,uint64 number,string verdict,uint40 barredUntil,uint32 era,uint40 deadline)"
    );

    uint256 private constant MOST_SPENT = 8;

    /// @dev Who leaves a custodian may come to act for a member that was admitted later.
    uint32 private constant MOST_MEMBERS = 22;

    /// @dev A case as a chart would tell it.
    struct Told {
        address clinician;
        uint32 member;
        address patient;
        uint40 opened;
        uint32 version;
        uint32 era;
        IEmergencies.CaseStatus status;
        uint8 releases;
    }

    /// @dev How a clinician has behaved: when her latest days' cases were opened, and until when she is barred.
    struct Behaved {
        uint64 latest;
        uint40 since;
        uint8 opened;
        uint40 barredUntil;
    }

    Consortium private immutable _consortium;
    Keys private immutable _keys;
    Emergencies private immutable _emergencies;
    address private immutable _stranger;

    address[] private _patients;
    address[] private _clinicians;
    address[] private _custodians;
    address[] private _auditors;

    uint64 private _count;
    uint64 private _touched;
    mapping(uint64 number => Told) private _caseOf;
    mapping(address clinician => Behaved) private _behaved;
    mapping(uint64 number => mapping(uint32 member => bool)) private _released;
    bytes[] private _spent;

    constructor(World world_) Handler(world_) {
        _consortium = world_.consortium();
        _keys = world_.keys();
        _emergencies = world_.emergencies();
        _stranger = world_.stranger();
        _patients = world_.patients();
        _clinicians.push(world_.staffOf(HOSPITAL)[0]);
        _clinicians.push(world_.staffOf(HOSPITAL)[1]);
        _clinicians.push(world_.staffOf(CLINIC)[0]);
        _custodians.push(world_.staffOf(FIRST_CUSTODIAN)[0]);
        _custodians.push(world_.accountOf(FIRST_CUSTODIAN));
        _custodians.push(world_.staffOf(SECOND_CUSTODIAN)[0]);
        _custodians.push(world_.staffOf(THIRD_CUSTODIAN)[0]);
        _auditors.push(world_.staffOf(AUTHORITY)[0]);
        _auditors.push(world_.staffOf(SECOND_CUSTODIAN)[1]);
    }

    /// @notice A clinician states an emergency.
    function open(uint256 who, uint256 how) external acting {
        address clinician = _one(_clinicians, how);
        address patient = _patients[who % _patients.length];
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        bool may = authority.version != 0 && _mayOpen(clinician);
        bool done = _tryOpen(clinician, patient, authority.version, how);
        // property E10: nobody who is silent keeps a clinician from emergencies for longer than 14 days.
        _must(done == may, "E10");
        if (!done && !may) revert NothingToDo();
        if (done) _opened(clinician, patient, authority);
    }

    /// @notice A custodian releases a share.
    function release(uint256 which, uint256 how) external acting {
        uint64 number = which % 8 == 0 ? _open(which) : _releasable(which);
        Told storage told = _caseOf[number];
        address custodian = _one(_custodians, how);
        uint32 member = _consortium.standing(custodian, CUSTODIAN);
        bool may = member != 0 && !_released[number][member] && _mayRelease(told);
        bytes memory data = abi.encodeCall(_emergencies.release, (number, bytes32(how | 1)));
        (bool done, ) = _try(custodian, address(_emergencies), data);
        // properties E6, E7: once a member and case, and only while all stands as it did.
        _must(done == may, "E7");
        if (!done && !may) revert NothingToDo();
        if (!done) return;
        _released[number][member] = true;
        ++told.releases;
    }

    /// @notice A clinician withdraws a case of which no share was released.
    function withdraw(uint256 which) external acting {
        uint64 number = _open(which);
        Told storage told = _caseOf[number];
        bool may = told.releases == 0 && told.status == IEmergencies.CaseStatus.Open;
        bytes memory data = abi.encodeCall(_emergencies.withdraw, (number));
        (bool done, ) = _try(told.clinician, address(_emergencies), data);
        _must(done == may, "E9");
        if (!done && !may) revert NothingToDo();
        if (done) told.status = IEmergencies.CaseStatus.Withdrawn;
    }

    /// @notice The patient reviews, by a transaction or a signature.
    function review(uint256 which, uint256 how) external acting {
        uint64 number = _open(which);
        Told storage told = _caseOf[number];
        IKeys.Authority memory authority = _keys.authorityOf(told.patient);
        (IEmergencies.CaseStatus verdict, uint40 bar) = _verdict(how, 30 days);
        bool may = !authority.frozen && told.status == IEmergencies.CaseStatus.Open;
        bool done = _tryReview(number, told.patient, verdict, bar, how);
        _must(done == may, "E9");
        if (!done && !may) revert NothingToDo();
        if (done) _end(told, verdict, bar);
    }

    /// @notice An auditor of another member reviews, after the patient's three days.
    function audit(uint256 which, uint256 how) external acting {
        uint64 number = _open(which);
        Told storage told = _caseOf[number];
        address auditor = _one(_auditors, how / 4);
        uint32 member = _consortium.standing(auditor, AUDITOR);
        (IEmergencies.CaseStatus verdict, uint40 bar) = _verdict(how, 365 days);
        bool may = member != 0 && member != told.member && told.status == IEmergencies.CaseStatus.Open;
        may = may && block.timestamp >= told.opened + 3 days;
        bytes memory data = abi.encodeCall(_emergencies.review, (number, verdict, bar));
        (bool done, ) = _try(auditor, address(_emergencies), data);
        _must(done == may, "E9");
        if (!done && !may) revert NothingToDo();
        if (done) _end(told, verdict, bar);
    }

    /// @notice The board ends a bar.
    function clear(uint256 who) external acting {
        address clinician = _one(_clinicians, who);
        _do(_consortium.board(), address(_emergencies), abi.encodeCall(_emergencies.clear, (clinician)));
        _behaved[clinician].barredUntil = 0;
    }

    /// @notice Who is no clinician opens, who is no custodian releases, who may not ends a case or clears a bar.
    function hostileActor(uint256 which, uint256 how) external acting {
        address patient = _patients[which % _patients.length];
        address sender = how % 2 == 0 ? _stranger : world.accountOf(uint32(5 + (how % 4)));
        uint256 kind = (how / 2) % 3;
        if (kind == 0) {
            uint32 version = _keys.versionOf(patient);
            bytes memory data = abi.encodeCall(
                _emergencies.open,
                (patient, version, IEmergencies.Reason.CannotWait, bytes32(how | 1))
            );
            _refused(sender, address(_emergencies), data, "E7");
        } else if (kind == 1) {
            uint64 number = _open(which);
            _refused(
                sender,
                address(_emergencies),
                abi.encodeCall(_emergencies.release, (number, bytes32(how | 1))),
                "E7"
            );
            _refused(sender, address(_emergencies), abi.encodeCall(_emergencies.withdraw, (number)), "E9");
            bytes memory data = abi.encodeCall(_emergencies.review, (number, IEmergencies.CaseStatus.Justified, 0));
            if (sender == _keys.authorityOf(_caseOf[number].patient).controller) revert NothingToDo();
            _refused(sender, address(_emergencies), data, "E9");
        } else {
            _refused(sender, address(_emergencies), abi.encodeCall(_emergencies.clear, (_clinicians[0])), "E7");
        }
    }

    /// @notice A signed review is sent again, or another signs one.
    function hostileSigner(uint256 which, uint256 how) external acting {
        if (how % 2 == 0 && _spent.length != 0) {
            _refused(_stranger, address(_emergencies), _spent[which % _spent.length], "H11");
            return;
        }
        uint64 number = _open(which);
        Told storage told = _caseOf[number];
        IKeys.Authority memory authority = _keys.authorityOf(told.patient);
        IEmergencies.Review memory terms = IEmergencies.Review(
            told.patient,
            number,
            IEmergencies.CaseStatus.Justified,
            0,
            authority.era,
            _soon(how)
        );
        address signer = told.clinician;
        if (how % 3 == 0) {
            address other = _patients[(which + 1) % _patients.length];
            if (other == told.patient) revert NothingToDo();
            // Another pseudonym's controller names its own, and a case that is not its own.
            IKeys.Authority memory others = _keys.authorityOf(other);
            (terms.pseudonym, terms.era, signer) = (other, others.era, others.controller);
        }
        bytes memory data = abi.encodeCall(_emergencies.reviewBySig, (terms, _signReview(signer, terms)));
        _refused(_stranger, address(_emergencies), data, "E9");
    }

    /// property E6
    function property_E6_a_member_releases_once_for_a_case() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            uint64 number = _looked(i);
            IEmergencies.Case memory found = _emergencies.caseOf(number);
            uint8 members = 0;
            for (uint32 member = 1; member <= MOST_MEMBERS; ++member) {
                if (_released[number][member]) ++members;
            }
            uint32 custodian = FIRST_CUSTODIAN + uint32(turn % 3);
            if (_emergencies.isReleased(number, custodian) != _released[number][custodian]) return false;
            if (found.releases != members) return false;
        }
        return true;
    }

    /// property E7
    function property_E7_no_release_unless_all_stands() external view returns (bool) {
        return _held("E7");
    }

    /// property E9
    function property_E9_a_case_ends_once() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            uint64 number = _looked(i);
            if (_emergencies.caseOf(number).status != _caseOf[number].status) return false;
        }
        return _emergencies.caseCount() == _count && _held("E9");
    }

    /// property E10
    function property_E10_silence_bars_nobody_for_longer_than_a_fortnight() external view returns (bool) {
        address clinician = _clinicians[turn % _clinicians.length];
        IEmergencies.Conduct memory conduct = _emergencies.conductOf(clinician);
        Behaved storage behaved = _behaved[clinician];
        bool same = conduct.latest == behaved.latest && conduct.barredUntil == behaved.barredUntil;
        return same && _held("E10");
    }

    /// property H1: what an emergency allows, it allows one clinician, about one pseudonym, for a day.
    function property_H1_the_glass_is_broken_for_one_and_a_day() external view looking returns (bool) {
        address clinician = _clinicians[turn % _clinicians.length];
        address patient = _patients[(turn / 3) % _patients.length];
        Told storage told = _caseOf[_behaved[clinician].latest];
        bool allowed = told.status == IEmergencies.CaseStatus.Open && told.patient == patient;
        allowed = allowed && block.timestamp < told.opened + 1 days && told.era == _keys.eraOf(patient);
        allowed = allowed && _consortium.standing(clinician, CLINICIAN) == told.member;
        return _emergencies.allowed(patient, clinician, Scope.wrap(1)) == allowed;
    }

    /// property H11
    function property_H11_a_review_counts_once() external view returns (bool) {
        return _held("H11");
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](6);
        all[0] = "property_E6_a_member_releases_once_for_a_case()";
        all[1] = "property_E7_no_release_unless_all_stands()";
        all[2] = "property_E9_a_case_ends_once()";
        all[3] = "property_E10_silence_bars_nobody_for_longer_than_a_fortnight()";
        all[4] = "property_H1_the_glass_is_broken_for_one_and_a_day()";
        all[5] = "property_H11_a_review_counts_once()";
    }

    function _mayOpen(address clinician) private view returns (bool) {
        Behaved storage behaved = _behaved[clinician];
        Told storage latest = _caseOf[behaved.latest];
        bool waits = latest.status == IEmergencies.CaseStatus.Open && block.timestamp < latest.opened + 14 days;
        bool quick = block.timestamp < behaved.since + 1 days && behaved.opened == 3;
        if (waits || quick || block.timestamp < behaved.barredUntil) return false;
        return _consortium.standing(clinician, CLINICIAN) != 0;
    }

    function _tryOpen(address clinician, address patient, uint32 version, uint256 how) private returns (bool done) {
        IEmergencies.Reason reason = IEmergencies.Reason(1 + ((how / 4) % 3));
        bytes memory data = abi.encodeCall(_emergencies.open, (patient, version, reason, bytes32(how | 1)));
        (done, ) = _try(clinician, address(_emergencies), data);
    }

    function _opened(address clinician, address patient, IKeys.Authority memory authority) private {
        Behaved storage behaved = _behaved[clinician];
        if (block.timestamp >= behaved.since + 1 days) {
            (behaved.since, behaved.opened) = (uint40(block.timestamp), 0);
        }
        ++behaved.opened;
        behaved.latest = _touched = ++_count;
        Told storage told = _caseOf[_count];
        (told.clinician, told.member) = (clinician, _consortium.standing(clinician, CLINICIAN));
        (told.patient, told.opened) = (patient, uint40(block.timestamp));
        (told.version, told.era) = (authority.version, authority.era);
        told.status = IEmergencies.CaseStatus.Open;
    }

    function _mayRelease(Told storage told) private view returns (bool) {
        IKeys.Authority memory authority = _keys.authorityOf(told.patient);
        if (told.status != IEmergencies.CaseStatus.Open || block.timestamp >= told.opened + 1 days) return false;
        if (told.version != authority.version || told.era != authority.era) return false;
        return _consortium.standing(told.clinician, CLINICIAN) == told.member;
    }

    function _tryReview(
        uint64 number,
        address patient,
        IEmergencies.CaseStatus verdict,
        uint40 bar,
        uint256 how
    ) private returns (bool done) {
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        bytes memory data = abi.encodeCall(_emergencies.review, (number, verdict, bar));
        if (how % 4 < 2) {
            (done, ) = _try(authority.controller, address(_emergencies), data);
            return done;
        }
        IEmergencies.Review memory terms = IEmergencies.Review(
            patient,
            number,
            verdict,
            bar,
            authority.era,
            _soon(how)
        );
        data = abi.encodeCall(_emergencies.reviewBySig, (terms, _signReview(authority.controller, terms)));
        (done, ) = _try(_stranger, address(_emergencies), data);
        if (!done) return false;
        if (_spent.length < MOST_SPENT) _spent.push(data);
        else _spent[turn % MOST_SPENT] = data;
    }

    /// @dev A case, mostly one that is open.
    function _open(uint256 which) private returns (uint64 number) {
        if (_count == 0 || (which % 8 > 1 && _latestOpen(which, 0) == 0)) return _openAnother(which);
        for (uint64 i = 0; i < 6; ++i) {
            number = 1 + uint64((which + i) % _count);
            if (i < 4) number = 1 + _count - number;
            if (_caseOf[number].status == IEmergencies.CaseStatus.Open) break;
        }
        if (which % 4 != 0) number = _latestOpen(which, number);
        _touched = number;
    }

    /// @dev A case of which shares can be released, opened for the purpose if there is none.
    function _releasable(uint256 which) private returns (uint64 number) {
        for (uint256 i = 0; i < _clinicians.length; ++i) {
            number = _behaved[_clinicians[(which + i) % _clinicians.length]].latest;
            if (!_mayRelease(_caseOf[number])) continue;
            _touched = number;
            return number;
        }
        return _openAnother(which);
    }

    function _openAnother(uint256 which) private returns (uint64) {
        address patient = _patients[(which / 4) % _patients.length];
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        for (uint256 i = 0; i < _clinicians.length; ++i) {
            address clinician = _clinicians[(which + i) % _clinicians.length];
            if (authority.version == 0 || !_mayOpen(clinician)) continue;
            bool done = _tryOpen(clinician, patient, authority.version, which);
            _must(done, "E10");
            if (!done) continue;
            _opened(clinician, patient, authority);
            return _count;
        }
        revert NothingToDo();
    }

    function _latestOpen(uint256 which, uint64 other) private view returns (uint64) {
        for (uint256 i = 0; i < _clinicians.length; ++i) {
            uint64 latest = _behaved[_clinicians[(which / 4 + i) % _clinicians.length]].latest;
            if (_caseOf[latest].status == IEmergencies.CaseStatus.Open) return latest;
        }
        return other;
    }

    function _looked(uint256 index) private view returns (uint64) {
        return index == 0 || _count == 0 ? _touched : 1 + uint64(turn % _count);
    }

    function _verdict(uint256 how, uint256 longest) private view returns (IEmergencies.CaseStatus, uint40) {
        if (how % 2 == 0) return (IEmergencies.CaseStatus.Justified, 0);
        uint256 longestNow = (how / 8) % 4 == 0 ? longest : 2 days;
        return (IEmergencies.CaseStatus.Sanctioned, uint40(block.timestamp + 1 + ((how / 32) % longestNow)));
    }

    /// @dev A bar never ends sooner by another sanction.
    function _end(Told storage told, IEmergencies.CaseStatus verdict, uint40 bar) private {
        told.status = verdict;
        Behaved storage behaved = _behaved[told.clinician];
        if (bar > behaved.barredUntil) behaved.barredUntil = bar;
    }

    function _signReview(address signer, IEmergencies.Review memory terms) private view returns (bytes memory) {
        bytes32 hash = keccak256(
            abi.encode(
                REVIEW_TYPEHASH,
                terms.pseudonym,
                terms.number,
                CaseStatuses.hashOf(terms.verdict),
                terms.barredUntil,
                terms.era,
                terms.deadline
            )
        );
        return _sign(signer, address(_emergencies), hash);
    }
}
