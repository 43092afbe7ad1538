// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Marks} from "../../types/Marks.sol";

/// @title IRecords
/// @notice Which sealed records exist under a pseudonym, since when, by whom, and what became of them.
/// @dev A record is the sha2-256 digest of its sealed file's CID. Whoever anchors it has a place of its own for it, so
/// that nobody can anchor first what another was about to anchor.
interface IRecords {
    /// @notice What became of a record.
    enum RecordStatus {
        None,
        Current,
        Superseded,
        Corrected,
        Disowned
    }

    /// @notice An anchored record; one slot.
    /// @param time The second at which it was first anchored; a record sealed anew keeps it.
    /// @param version The version of the bundle under which it was sealed; zero for an inbox.
    /// @param author The number of the member that wrote it; zero for the patient.
    /// @param status What became of it.
    /// @param marks What is special about it.
    struct Record {
        uint40 time;
        uint32 version;
        uint32 author;
        RecordStatus status;
        Marks marks;
    }

    /// @notice One patient's row in a day's root.
    /// @param pseudonym Whose records they are.
    /// @param version The version of the bundle under which they were sealed.
    /// @param proofs The digest of the sealed document that proves each of them under the root.
    struct Row {
        address pseudonym;
        uint32 version;
        bytes32 proofs;
    }

    /// @notice What a patient reports of herself, signed.
    /// @param pseudonym Under which it stands.
    /// @param digests The sealed records.
    /// @param version The version of the bundle under which they were sealed.
    /// @param before They are refused from this second on.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Report {
        address pseudonym;
        bytes32[] digests;
        uint32 version;
        uint40 before;
        uint32 era;
        uint40 deadline;
    }

    /// @notice A record and the file it was sealed into anew.
    /// @param anchoredBy Who anchored the old one: a member's number, or zero for the patient.
    /// @param old The old digest.
    /// @param digest The new digest.
    struct Resealing {
        uint32 anchoredBy;
        bytes32 old;
        bytes32 digest;
    }

    /// @notice What a patient sealed anew, signed.
    /// @param pseudonym Under which it stands.
    /// @param records The old and new digests.
    /// @param version The version of the bundle under which they were sealed.
    /// @param before They are refused from this second on.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Reseal {
        address pseudonym;
        Resealing[] records;
        uint32 version;
        uint40 before;
        uint32 era;
        uint40 deadline;
    }

    /// @notice What a patient does to what she reported, signed; a wallet shows the act as a word.
    /// @param pseudonym Under which it stands.
    /// @param act Superseded, Corrected or Disowned.
    /// @param old The record it is done to.
    /// @param digest The record that takes its place; zero to disown.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Amendment {
        address pseudonym;
        RecordStatus act;
        bytes32 old;
        bytes32 digest;
        uint32 era;
        uint40 deadline;
    }

    /// @notice A record was anchored by a member, under the version of the bundle that was current then.
    event Anchored(address indexed pseudonym, uint32 author, bytes32 digest);

    /// @notice Many records were anchored; `author` zero stands for the patient, `version` zero for an inbox.
    event AnchoredMany(address indexed pseudonym, uint32 author, uint32 version, bytes32[] digests);

    /// @notice A record was sealed anew by the patient; author and time stay.
    event Resealed(
        address indexed pseudonym,
        uint32 author,
        uint32 version,
        uint32 anchoredBy,
        bytes32 old,
        bytes32 digest
    );

    /// @notice A day's root was anchored by a member.
    event DayAnchored(uint32 indexed author, bytes32 root);

    /// @notice A patient's row of a day's root counts.
    event RowAnchored(address indexed pseudonym, uint32 author, uint32 version, bytes32 root, bytes32 proofs);

    /// @notice A patient's row of a day's root was refused, because the bundle had changed; the other rows count.
    event RowRefused(address indexed pseudonym, uint32 author, uint32 version, uint32 current, bytes32 root);

    /// @notice A record was superseded, corrected or disowned; `digest` is what takes its place, or zero.
    event Amended(address indexed pseudonym, uint32 author, RecordStatus act, bytes32 old, bytes32 digest);

    /// @notice The sender may not write records: it holds no writing role of a member in standing.
    error NotAWriter(address sender);

    /// @notice The bundle is not of this version (any more), or there is none.
    error StaleVersion(address pseudonym, uint32 version, uint32 current);

    /// @notice The row that the record was sealed to has run out.
    error TooLate(uint40 before);

    /// @notice A record needs a digest, and a call needs a record.
    error NoDigest();

    /// @notice The author has anchored this before.
    error AlreadyAnchored(address pseudonym, uint32 author, bytes32 digest);

    /// @notice The author has not anchored this.
    error NotAnchored(address pseudonym, uint32 author, bytes32 digest);

    /// @notice A member wrote this record: the patient, who sealed it anew, does not say what became of it.
    error NotTheAuthor(address pseudonym, uint32 author, bytes32 digest);

    /// @notice A record's status does not allow this.
    error WrongStatus(bytes32 digest, RecordStatus status, RecordStatus wanted);

    /// @notice A record cannot take its own place.
    error SameRecord(bytes32 digest);

    /// @notice A record by who anchored it: a member's number, or zero for the patient.
    function recordOf(address pseudonym, uint32 anchoredBy, bytes32 digest) external view returns (Record memory);

    /// @notice The second at which a member anchored a day's root; zero for never.
    function dayOf(uint32 author, bytes32 root) external view returns (uint40);

    /// @notice Anchors a record. A writer of a member.
    /// @param pseudonym Under which it stands.
    /// @param digest The sha2-256 digest of the sealed file's CID.
    /// @param version The version of the bundle that the writer sealed under.
    /// @param before The earlier of the row's end and the next UTC midnight; refused from this second on.
    function anchor(address pseudonym, bytes32 digest, uint32 version, uint40 before) external;

    /// @notice Anchors many records of one patient. A writer of a member.
    function anchorMany(address pseudonym, bytes32[] calldata digests, uint32 version, uint40 before) external;

    /// @notice Anchors records sealed to an inbox; no bundle is needed, so that no record is ever refused. A writer of a member.
    function anchorInbox(address pseudonym, bytes32[] calldata digests) external;

    /// @notice Anchors a root over a day's records with a row for each patient; a stale row is refused by itself. A writer of a member.
    /// @param root The root of the day's tree.
    /// @param before Refused from this second on.
    /// @param rows A row for each patient.
    function anchorDay(bytes32 root, uint40 before, Row[] calldata rows) external;

    /// @notice Anchors what the patient reports of herself, marked. Only the controller.
    function report(address pseudonym, bytes32[] calldata digests, uint32 version, uint40 before) external;

    /// @notice Anchors what the patient reports by the controller's signature; anyone may send it.
    function reportBySig(Report calldata terms, bytes calldata signature) external;

    /// @notice Anchors records that the patient sealed anew; author, time and status are the old one's. Only the controller.
    function reseal(address pseudonym, Resealing[] calldata records, uint32 version, uint40 before) external;

    /// @notice Anchors records sealed anew by the controller's signature; anyone may send it.
    function resealBySig(Reseal calldata terms, bytes calldata signature) external;

    /// @notice Says that a record should never have been: of the wrong patient, say. Its author: a writer of the member, or the controller.
    function disown(address pseudonym, bytes32 old) external;

    /// @notice Says that a newer record takes the place of an old one. Its author.
    function supersede(address pseudonym, bytes32 old, bytes32 digest) external;

    /// @notice Says that a record was wrong and another puts it right. Its author.
    function correct(address pseudonym, bytes32 old, bytes32 digest) external;

    /// @notice Disowns, supersedes or corrects what the patient reported, by the controller's signature; anyone may send it.
    function amendBySig(Amendment calldata terms, bytes calldata signature) external;
}
