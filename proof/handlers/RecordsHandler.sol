// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Consortium} from "../../contracts/Consortium.sol";
import {Keys} from "../../contracts/health/Keys.sol";
import {Records} from "../../contracts/health/Records.sol";
import {IKeys} from "../../contracts/interfaces/health/IKeys.sol";
import {IRecords} from "../../contracts/interfaces/health/IRecords.sol";
import {RecordStatuses} from "../../contracts/libraries/RecordStatuses.sol";
import {FILED, INBOX, Marks, REPORTED, RESEALED} from "../../contracts/types/Marks.sol";
import {CLINICIAN, DEVICE, INSURER, LABORATORY, PHARMACIST, Roles} from "../../contracts/types/Roles.sol";
import {Handler} from "../Handler.sol";
import {AUTHORITY, CLINIC, FIRST_INSURER, HOSPITAL, World} from "../World.sol";

/// @title RecordsHandler
/// @notice What members and patients anchor, report, seal anew and amend.
contract RecordsHandler is Handler {
    bytes32 private constant REPORT_TYPEHASH = keccak256(
        "Report(address pseudonym,bytes32[] digests,uint32 version,uint40 before,uint32 era,uint40 deadline)"
    );
    bytes32 private constant RESEALING_TYPEHASH = keccak256("Resealing(uint32 anchoredBy,bytes32 old,bytes32 digest)");
    bytes32 private constant RESEAL_TYPEHASH = keccak256(
        "Reseal(address pseudonym,Resealing[] records,uint32 version,uint40 before,uint32 era,uint40 deadline)Resealing(uint32 anchoredBy,bytes32 old,bytes32 digest)"
    );
    bytes32 private constant AMEND_TYPEHASH = keccak256(
        "Amend(address pseudonym,string act,bytes32 old,bytes32 digest,uint32 era,uint40 deadline)"
    );

    uint256 private constant MOST_SPENT = 12;

    /// @dev Where a record stands: whose it is, who anchored it there, as which digest.
    struct Place {
        address patient;
        uint32 anchoredBy;
        bytes32 digest;
    }

    Consortium private immutable _consortium;
    Keys private immutable _keys;
    Records private immutable _records;
    address private immutable _stranger;
    Roles private immutable _writers;

    address[] private _patients;
    address[] private _staff;
    Place[] private _places;
    mapping(bytes32 place => IRecords.Record) private _recordOf;
    uint256[] private _amended;
    bytes[] private _spent;
    uint256 private _touched;
    uint256 private _digests;

    constructor(World world_) Handler(world_) {
        _consortium = world_.consortium();
        _keys = world_.keys();
        _records = world_.records();
        _stranger = world_.stranger();
        _patients = world_.patients();
        _writers = CLINICIAN | PHARMACIST | LABORATORY | DEVICE | INSURER;
        _hire(HOSPITAL);
        _hire(CLINIC);
        _hire(FIRST_INSURER);
        _hire(AUTHORITY);
    }

    /// @notice A member's writer anchors a record under the current version.
    function anchor(uint256 who, uint256 how) external acting {
        (address writer, uint32 author) = _writer(how);
        address patient = _published(who);
        bytes32 digest = _fresh();
        uint32 version = _keys.versionOf(patient);
        _do(writer, address(_records), abi.encodeCall(_records.anchor, (patient, digest, version, _before(how))));
        _write(patient, author, digest, version, author, FILED);
    }

    /// @notice A member's writer anchors some at once.
    function anchorMany(uint256 who, uint256 how) external acting {
        (address writer, uint32 author) = _writer(how);
        address patient = _published(who);
        bytes32[] memory digests = _freshOnes(1 + (how % 3));
        uint32 version = _keys.versionOf(patient);
        _do(writer, address(_records), abi.encodeCall(_records.anchorMany, (patient, digests, version, _before(how))));
        for (uint256 i = 0; i < digests.length; ++i) _write(patient, author, digests[i], version, author, FILED);
    }

    /// @notice What cannot be sealed to a class goes to the inbox, whatever became of the pseudonym.
    function anchorInbox(uint256 who, uint256 how) external acting {
        (address writer, uint32 author) = _writer(how);
        address patient = _patients[who % _patients.length];
        bytes32[] memory digests = _freshOnes(1 + (how % 3));
        (bool done, ) = _try(writer, address(_records), abi.encodeCall(_records.anchorInbox, (patient, digests)));
        _must(done, "H17");
        if (!done) return;
        for (uint256 i = 0; i < digests.length; ++i) _write(patient, author, digests[i], 0, author, INBOX);
    }

    /// @notice A day of imaging, of which one row is stale.
    function anchorDay(uint256 who, uint256 how) external acting {
        (address writer, uint32 author) = _writer(how);
        bytes32 root = _fresh();
        IRecords.Row[] memory rows = new IRecords.Row[](2);
        address patient = _patients[who % _patients.length];
        rows[0] = IRecords.Row(patient, _keys.versionOf(patient), bytes32(how | 1));
        rows[1] = IRecords.Row(patient, uint32(how % 3), bytes32(how | 2));
        (bool done, ) = _try(writer, address(_records), abi.encodeCall(_records.anchorDay, (root, _before(how), rows)));
        // property H13: a row that is stale refuses itself only.
        _must(done && _records.dayOf(author, root) == block.timestamp, "H13");
    }

    /// @notice A patient reports records, by a transaction or a signature.
    function report(uint256 who, uint256 how) external acting {
        address patient = _free(who);
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        bytes32[] memory digests = _freshOnes(1 + (how % 3));
        uint40 before = _before(how);
        if (how % 2 == 0) {
            _do(
                authority.controller,
                address(_records),
                abi.encodeCall(_records.report, (patient, digests, authority.version, before))
            );
        } else {
            IRecords.Report memory terms = IRecords.Report(
                patient,
                digests,
                authority.version,
                before,
                authority.era,
                _soon(how)
            );
            _send(abi.encodeCall(_records.reportBySig, (terms, _signReport(authority.controller, terms))));
        }
        for (uint256 i = 0; i < digests.length; ++i) _write(patient, 0, digests[i], authority.version, 0, REPORTED);
    }

    /// @notice A patient seals a record anew.
    function reseal(uint256 which, uint256 how) external acting {
        Place memory old = _known(which);
        if (_keys.authorityOf(old.patient).frozen) old = _known(_more(which, 1));
        address patient = old.patient;
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        if (authority.frozen || authority.version == 0) revert NothingToDo();
        IRecords.Resealing[] memory rows = new IRecords.Resealing[](1);
        rows[0] = IRecords.Resealing(old.anchoredBy, old.digest, _fresh());
        uint40 before = _before(how);
        if (how % 2 == 0) {
            bytes memory data = abi.encodeCall(_records.reseal, (patient, rows, authority.version, before));
            _do(authority.controller, address(_records), data);
        } else {
            IRecords.Reseal memory terms = IRecords.Reseal(
                patient,
                rows,
                authority.version,
                before,
                authority.era,
                _soon(how)
            );
            _send(abi.encodeCall(_records.resealBySig, (terms, _signReseal(authority.controller, terms))));
        }
        IRecords.Record memory was = _recordOf[_key(old)];
        _write(patient, 0, rows[0].digest, authority.version, was.author, was.marks);
        IRecords.Record storage kept = _recordOf[_key(_places[_places.length - 1])];
        (kept.time, kept.status) = (was.time, was.status);
        kept.marks = Marks.wrap(Marks.unwrap(was.marks) | Marks.unwrap(RESEALED));
    }

    /// @notice The author's member, or the patient for her own, disowns, supersedes or corrects a record.
    function amend(uint256 which, uint256 how) external acting {
        Place memory old = _known(which);
        // Mostly of a record that is current, but every fourth of one that has moved before.
        bool again = (how / 64) % 4 == 0 && _amended.length != 0;
        if (again) old = _places[_touched = _amended[(how / 256) % _amended.length]];
        for (uint256 i = 0; i < 4 && !again && _recordOf[_key(old)].status != IRecords.RecordStatus.Current; ++i) {
            old = _known(_more(which, i));
        }
        IRecords.Record storage kept = _recordOf[_key(old)];
        IRecords.RecordStatus act = IRecords.RecordStatus(2 + (how % 3));
        bytes32 digest = act == IRecords.RecordStatus.Disowned ? bytes32(0) : _fellow(old, how);
        address sender = _mayAmend(old);
        bool may = kept.author == old.anchoredBy && _mayBecome(kept.status, act);
        if (digest != 0) {
            Place memory other = Place(old.patient, old.anchoredBy, digest);
            may = may && digest != old.digest && _recordOf[_key(other)].status == IRecords.RecordStatus.Current;
        }

        bool done;
        if (old.anchoredBy == 0 && how % 2 == 0) {
            IKeys.Authority memory authority = _keys.authorityOf(old.patient);
            IRecords.Amendment memory terms = IRecords.Amendment(
                old.patient,
                act,
                old.digest,
                digest,
                authority.era,
                _soon(how)
            );
            bytes memory data = abi.encodeCall(
                _records.amendBySig,
                (terms, _signAmendment(authority.controller, terms))
            );
            (done, ) = _try(_stranger, address(_records), data);
            if (done) _spend(data);
        } else {
            (done, ) = _try(sender, address(_records), _amendment(old, act, digest));
        }
        // properties H15, H16: the status moves one way, and by its author's member or the patient for her own.
        _must(done == may, "H15");
        if (!done && !may) revert NothingToDo();
        if (!done) return;
        kept.status = act;
        _amended.push(_touched);
    }

    /// @notice Who writes for no member, or under another version, or too late, anchors.
    function hostileAnchor(uint256 who, uint256 how) external acting {
        address patient = _patients[who % _patients.length];
        uint32 version = _keys.versionOf(patient);
        bytes32 digest = _fresh();
        uint256 kind = how % 4;
        if (kind == 0) {
            // property H12
            address sender = _one(_staff, how / 4);
            if (how % 3 == 0) sender = _keys.authorityOf(patient).controller;
            if (how % 3 == 1) sender = world.board();
            if (_consortium.standing(sender, _writers) != 0) revert NothingToDo();
            bytes memory data = abi.encodeCall(_records.anchor, (patient, digest, version, _before(how)));
            _refused(sender, address(_records), data, "H12");
            return;
        }
        (address writer, ) = _writer(how);
        uint40 before = _before(how);
        // property H13
        if (kind == 1) version += 1 + uint32(how % 2);
        if (kind == 2) version = version == 0 ? 0 : version - 1;
        if (kind == 3) before = uint40(block.timestamp - (how % 1 days));
        _refused(writer, address(_records), abi.encodeCall(_records.anchor, (patient, digest, version, before)), "H13");
    }

    /// @notice A record that stands is anchored again, or another member's is amended.
    function hostileAuthor(uint256 which, uint256 how) external acting {
        Place memory old = _known(which);
        (address writer, uint32 author) = _writer(how);
        if (how % 2 == 0) {
            if (author != old.anchoredBy) revert NothingToDo();
            bytes32[] memory digests = new bytes32[](1);
            digests[0] = old.digest;
            bytes memory data = abi.encodeCall(_records.anchorInbox, (old.patient, digests));
            // property H14: nobody takes another's place, nor its own again.
            _refused(writer, address(_records), data, "H14");
        } else {
            if (author == old.anchoredBy) revert NothingToDo();
            // property H16
            _refused(writer, address(_records), abi.encodeCall(_records.disown, (old.patient, old.digest)), "H16");
        }
    }

    /// @notice Somebody else signs for a patient, or what she signed is sent again.
    function hostileSigner(uint256 who, uint256 how) external acting {
        if (how % 2 == 0 && _spent.length != 0) {
            _refused(_stranger, address(_records), _spent[who % _spent.length], "H11");
            return;
        }
        address patient = _free(who);
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        uint256 kind = (how / 2) % 3;
        IRecords.Report memory terms = IRecords.Report(
            patient,
            _freshOnes(1),
            authority.version,
            _before(how),
            authority.era + (kind == 1 ? 1 : 0),
            uint40(block.timestamp + (kind == 2 ? 1 hours + 1 : 1 hours))
        );
        address signer = kind == 0 ? _stranger : authority.controller;
        bytes memory data = abi.encodeCall(_records.reportBySig, (terms, _signReport(signer, terms)));
        _refused(_stranger, address(_records), data, "H11");
    }

    /// property H11
    function property_H11_a_patients_word_counts_once() external view returns (bool) {
        return _held("H11");
    }

    /// property H12
    function property_H12_only_writers_anchor() external view returns (bool) {
        return _held("H12");
    }

    /// property H13
    function property_H13_under_the_current_version_and_in_time() external view returns (bool) {
        return _held("H13");
    }

    /// property H14
    function property_H14_what_is_anchored_stays() external view returns (bool) {
        for (uint256 i = 0; i < 2 && _places.length != 0; ++i) {
            Place storage place = _places[(i == 0 ? _touched : turn) % _places.length];
            IRecords.Record memory found = _records.recordOf(place.patient, place.anchoredBy, place.digest);
            IRecords.Record storage kept = _recordOf[_key(place)];
            if (found.time != kept.time || found.version != kept.version || found.author != kept.author) return false;
            if (!(found.marks == kept.marks)) return false;
        }
        return _held("H14");
    }

    /// property H15
    function property_H15_the_status_moves_one_way() external view returns (bool) {
        for (uint256 i = 0; i < 2 && _places.length != 0; ++i) {
            Place storage place = _places[(i == 0 ? _touched : turn) % _places.length];
            IRecords.Record memory found = _records.recordOf(place.patient, place.anchoredBy, place.digest);
            if (found.status != _recordOf[_key(place)].status) return false;
        }
        return _held("H15");
    }

    /// property H16
    function property_H16_only_its_author_moves_it() external view returns (bool) {
        return _held("H16");
    }

    /// property H17
    function property_H17_the_inbox_never_refuses() external view returns (bool) {
        return _held("H17");
    }

    /// property H20
    function property_H20_nothing_is_written_elsewhere() external view returns (bool) {
        if (_places.length == 0) return true;
        Place storage place = _places[turn % _places.length];
        address other = _patients[(turn / 7) % _patients.length];
        uint32 author = uint32(turn % 4);
        IRecords.Record memory found = _records.recordOf(other, author, place.digest);
        return found.time == _recordOf[_key(Place(other, author, place.digest))].time;
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](8);
        all[0] = "property_H11_a_patients_word_counts_once()";
        all[1] = "property_H12_only_writers_anchor()";
        all[2] = "property_H13_under_the_current_version_and_in_time()";
        all[3] = "property_H14_what_is_anchored_stays()";
        all[4] = "property_H15_the_status_moves_one_way()";
        all[5] = "property_H16_only_its_author_moves_it()";
        all[6] = "property_H17_the_inbox_never_refuses()";
        all[7] = "property_H20_nothing_is_written_elsewhere()";
    }

    function _hire(uint32 member) private {
        address[] memory staff = world.staffOf(member);
        for (uint256 i = 0; i < staff.length; ++i) _staff.push(staff[i]);
    }

    function _writer(uint256 how) private view returns (address writer, uint32 member) {
        for (uint256 i = 0; i < _staff.length; ++i) {
            writer = _staff[(how / 8 + i) % _staff.length];
            member = _consortium.standing(writer, _writers);
            if (member != 0) return (writer, member);
        }
        revert NothingToDo();
    }

    function _published(uint256 who) private view returns (address patient) {
        for (uint256 i = 0; i < _patients.length; ++i) {
            patient = _patients[(who + i) % _patients.length];
            if (_keys.versionOf(patient) != 0) return patient;
        }
        revert NothingToDo();
    }

    function _free(uint256 who) private view returns (address patient) {
        for (uint256 i = 0; i < _patients.length; ++i) {
            patient = _patients[(who + i) % _patients.length];
            IKeys.Authority memory authority = _keys.authorityOf(patient);
            if (!authority.frozen && authority.version != 0) return patient;
        }
        revert NothingToDo();
    }

    /// @dev One of the records, the latest more often.
    function _known(uint256 which) private returns (Place memory) {
        if (_places.length == 0) revert NothingToDo();
        uint256 among = which % 3 == 0 || _places.length < 8 ? _places.length : 8;
        _touched = _places.length - 1 - ((which / 3) % among);
        return _places[_touched];
    }

    /// @dev Another record in the same place, which may replace the first one.
    function _fellow(Place memory old, uint256 how) private view returns (bytes32) {
        for (uint256 i = 0; i < 16 && i < _places.length; ++i) {
            Place storage other = _places[(how + _places.length - i) % _places.length];
            if (other.patient != old.patient || other.anchoredBy != old.anchoredBy) continue;
            if (other.digest != old.digest) return other.digest;
        }
        return old.digest;
    }

    /// @dev Who speaks for the place: a writer of the member, or the controller. Nobody where none can now.
    function _mayAmend(Place memory old) private view returns (address) {
        IKeys.Authority memory authority = _keys.authorityOf(old.patient);
        if (old.anchoredBy == 0) {
            if (authority.frozen) revert NothingToDo();
            return authority.controller;
        }
        for (uint256 i = 0; i < _staff.length; ++i) {
            bool writes = _consortium.standing(_staff[i], _writers) == old.anchoredBy;
            if (writes && _staff[i] != authority.controller) return _staff[i];
        }
        revert NothingToDo();
    }

    function _mayBecome(IRecords.RecordStatus from, IRecords.RecordStatus to) private pure returns (bool) {
        if (from == IRecords.RecordStatus.Current) return true;
        return to == IRecords.RecordStatus.Disowned && from != IRecords.RecordStatus.Disowned;
    }

    function _amendment(
        Place memory old,
        IRecords.RecordStatus act,
        bytes32 digest
    ) private view returns (bytes memory) {
        if (act == IRecords.RecordStatus.Disowned) return abi.encodeCall(_records.disown, (old.patient, old.digest));
        if (act == IRecords.RecordStatus.Superseded) {
            return abi.encodeCall(_records.supersede, (old.patient, old.digest, digest));
        }
        return abi.encodeCall(_records.correct, (old.patient, old.digest, digest));
    }

    function _write(
        address patient,
        uint32 anchoredBy,
        bytes32 digest,
        uint32 version,
        uint32 author,
        Marks marks
    ) private {
        Place memory place = Place(patient, anchoredBy, digest);
        _recordOf[_key(place)] = IRecords.Record(
            uint40(block.timestamp),
            version,
            author,
            IRecords.RecordStatus.Current,
            marks
        );
        _touched = _places.length;
        _places.push(place);
    }

    function _send(bytes memory data) private {
        _do(_stranger, address(_records), data);
        _spend(data);
    }

    function _spend(bytes memory data) private {
        if (_spent.length < MOST_SPENT) _spent.push(data);
        else _spent[turn % MOST_SPENT] = data;
    }

    function _key(Place memory place) private pure returns (bytes32) {
        return keccak256(abi.encode(place));
    }

    function _fresh() private returns (bytes32) {
        return keccak256(abi.encode(++_digests));
    }

    function _freshOnes(uint256 count) private returns (bytes32[] memory digests) {
        digests = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) digests[i] = _fresh();
    }

    function _before(uint256 how) private view returns (uint40) {
        return uint40(block.timestamp + 1 + (how % 1 days));
    }

    function _signReport(address signer, IRecords.Report memory terms) private view returns (bytes memory) {
        bytes32 hash = keccak256(
            abi.encode(
                REPORT_TYPEHASH,
                terms.pseudonym,
                keccak256(abi.encodePacked(terms.digests)),
                terms.version,
                terms.before,
                terms.era,
                terms.deadline
            )
        );
        return _sign(signer, address(_records), hash);
    }

    function _signReseal(address signer, IRecords.Reseal memory terms) private view returns (bytes memory) {
        bytes32 row = keccak256(abi.encode(RESEALING_TYPEHASH, terms.records[0]));
        bytes32 hash = keccak256(
            abi.encode(
                RESEAL_TYPEHASH,
                terms.pseudonym,
                keccak256(abi.encodePacked(row)),
                terms.version,
                terms.before,
                terms.era,
                terms.deadline
            )
        );
        return _sign(signer, address(_records), hash);
    }

    function _signAmendment(address signer, IRecords.Amendment memory terms) private view returns (bytes memory) {
        bytes32 hash = keccak256(
            abi.encode(
                AMEND_TYPEHASH,
                terms.pseudonym,
                RecordStatuses.hashOf(terms.act),
                terms.old,
                terms.digest,
                terms.era,
                terms.deadline
            )
        );
        return _sign(signer, address(_records), hash);
    }
}
