// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {IRecords} from "../interfaces/health/IRecords.sol";
import {RecordStatuses} from "../libraries/RecordStatuses.sol";
import {FILED, INBOX, Marks, REPORTED, RESEALED} from "../types/Marks.sol";
import {RecordSlot, pack, packNew} from "../types/RecordSlot.sol";
import {CLINICIAN, DEVICE, INSURER, LABORATORY, PHARMACIST, Roles} from "../types/Roles.sol";
import {ByPseudonym} from "./ByPseudonym.sol";

/// @title Records
/// @notice Which sealed records exist under a pseudonym, since when, by whom, and what became of them.
contract Records is IRecords, ByPseudonym {
    using RecordStatuses for RecordStatus;

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

    /// @dev Who writes records: an insurer writes the explanation of a benefit.
    Roles private constant WRITERS = Roles.wrap(
        Roles.unwrap(CLINICIAN) |
            Roles.unwrap(PHARMACIST) |
            Roles.unwrap(LABORATORY) |
            Roles.unwrap(DEVICE) |
            Roles.unwrap(INSURER)
    );

    /// @dev Under this number stands what a patient anchored; members count from one.
    uint32 private constant PATIENT = 0;

    IConsortium private immutable _consortium;

    /// @dev The owner of a place is who anchored, above the pseudonym's 160 bits: nobody else's place is ever touched.
    mapping(uint256 owner => mapping(bytes32 digest => RecordSlot)) private _recordOf;
    mapping(uint32 author => mapping(bytes32 root => uint40 time)) private _dayOf;

    constructor(IConsortium consortium, IKeys keys) EIP712("Theriac Records", "1") ByPseudonym(keys) {
        _consortium = consortium;
    }

    /// @inheritdoc IRecords
    function recordOf(address pseudonym, uint32 anchoredBy, bytes32 digest) external view returns (Record memory) {
        return _recordOf[_owner(pseudonym, anchoredBy)][digest].unpack();
    }

    /// @inheritdoc IRecords
    function dayOf(uint32 author, bytes32 root) external view returns (uint40) {
        return _dayOf[author][root];
    }

    /// @inheritdoc IRecords
    function anchor(address pseudonym, bytes32 digest, uint32 version, uint40 before) external {
        uint32 author = _writer(msg.sender);
        _checkBefore(before);
        _checkVersion(pseudonym, version);

        _place(pseudonym, author, digest, packNew(version, author));

        emit Anchored(pseudonym, author, digest);
    }

    /// @inheritdoc IRecords
    function anchorMany(address pseudonym, bytes32[] calldata digests, uint32 version, uint40 before) external {
        uint32 author = _writer(msg.sender);
        _checkBefore(before);
        _checkVersion(pseudonym, version);

        _anchor(pseudonym, author, version, FILED, digests);
    }

    /// @inheritdoc IRecords
    function anchorInbox(address pseudonym, bytes32[] calldata digests) external {
        uint32 author = _writer(msg.sender);

        _anchor(pseudonym, author, 0, INBOX, digests);
    }

    /// @inheritdoc IRecords
    function anchorDay(bytes32 root, uint40 before, Row[] calldata rows) external {
        uint32 author = _writer(msg.sender);
        _checkBefore(before);
        if (root == bytes32(0)) revert NoDigest();
        if (_dayOf[author][root] != 0) revert AlreadyAnchored(address(0), author, root);

        _dayOf[author][root] = uint40(block.timestamp);

        emit DayAnchored(author, root);

        for (uint256 i = 0; i < rows.length; ++i) {
            _anchorRow(rows[i], author, root);
        }
    }

    /// @inheritdoc IRecords
    function report(address pseudonym, bytes32[] calldata digests, uint32 version, uint40 before) external {
        _checkFreeController(pseudonym, msg.sender);

        _report(pseudonym, digests, version, before);
    }

    /// @inheritdoc IRecords
    function reportBySig(Report calldata terms, bytes calldata signature) external {
        _checkFreeSignature(terms.pseudonym, terms.era, terms.deadline, _hashReport(terms), signature);

        _report(terms.pseudonym, terms.digests, terms.version, terms.before);
    }

    /// @inheritdoc IRecords
    function reseal(address pseudonym, Resealing[] calldata records, uint32 version, uint40 before) external {
        _checkFreeController(pseudonym, msg.sender);

        _reseal(pseudonym, records, version, before);
    }

    /// @inheritdoc IRecords
    function resealBySig(Reseal calldata terms, bytes calldata signature) external {
        _checkFreeSignature(terms.pseudonym, terms.era, terms.deadline, _hashReseal(terms), signature);

        _reseal(terms.pseudonym, terms.records, terms.version, terms.before);
    }

    /// @inheritdoc IRecords
    function disown(address pseudonym, bytes32 old) external {
        uint32 author = _authorFor(pseudonym, msg.sender);

        _amend(pseudonym, author, RecordStatus.Disowned, old, bytes32(0));
    }

    /// @inheritdoc IRecords
    function supersede(address pseudonym, bytes32 old, bytes32 digest) external {
        uint32 author = _authorFor(pseudonym, msg.sender);

        _amend(pseudonym, author, RecordStatus.Superseded, old, digest);
    }

    /// @inheritdoc IRecords
    function correct(address pseudonym, bytes32 old, bytes32 digest) external {
        uint32 author = _authorFor(pseudonym, msg.sender);

        _amend(pseudonym, author, RecordStatus.Corrected, old, digest);
    }

    /// @inheritdoc IRecords
    function amendBySig(Amendment calldata terms, bytes calldata signature) external {
        _checkFreeSignature(terms.pseudonym, terms.era, terms.deadline, _hashAmendment(terms), signature);

        _amend(terms.pseudonym, PATIENT, terms.act, terms.old, terms.digest);
    }

    function _report(address pseudonym, bytes32[] calldata digests, uint32 version, uint40 before) private {
        _checkBefore(before);
        _checkVersion(pseudonym, version);

        _anchor(pseudonym, PATIENT, version, REPORTED, digests);
    }

    function _anchor(
        address pseudonym,
        uint32 author,
        uint32 version,
        Marks marks,
        bytes32[] calldata digests
    ) private {
        if (digests.length == 0) revert NoDigest();

        RecordSlot record = packNew(version, author).marked(marks);
        for (uint256 i = 0; i < digests.length; ++i) {
            _place(pseudonym, author, digests[i], record);
        }

        emit AnchoredMany(pseudonym, author, version, digests);
    }

    /// @dev Rows are only told: one that is stale must not stop the other patients' records of the day.
    function _anchorRow(Row calldata row, uint32 author, bytes32 root) private {
        uint32 current = _keys.versionOf(row.pseudonym);
        if (row.proofs == bytes32(0)) revert NoDigest();

        if (row.version == 0 || row.version != current) {
            emit RowRefused(row.pseudonym, author, row.version, current, root);
        } else {
            emit RowAnchored(row.pseudonym, author, row.version, root, row.proofs);
        }
    }

    function _reseal(address pseudonym, Resealing[] calldata records, uint32 version, uint40 before) private {
        _checkBefore(before);
        _checkVersion(pseudonym, version);
        if (records.length == 0) revert NoDigest();

        for (uint256 i = 0; i < records.length; ++i) {
            _resealOne(pseudonym, records[i], version);
        }
    }

    /// @dev The new file stands in the patient's own place, so that resealing cannot occupy what a member will anchor.
    function _resealOne(address pseudonym, Resealing calldata resealing, uint32 version) private {
        Record memory record = _recordOf[_owner(pseudonym, resealing.anchoredBy)][resealing.old].unpack();
        if (record.time == 0) revert NotAnchored(pseudonym, resealing.anchoredBy, resealing.old);

        record.version = version;
        record.marks = Marks.wrap(Marks.unwrap(record.marks) | Marks.unwrap(RESEALED));
        _place(pseudonym, PATIENT, resealing.digest, pack(record));

        emit Resealed(pseudonym, record.author, version, resealing.anchoredBy, resealing.old, resealing.digest);
    }

    function _place(address pseudonym, uint32 anchoredBy, bytes32 digest, RecordSlot record) private {
        if (digest == bytes32(0)) revert NoDigest();
        mapping(bytes32 digest => RecordSlot) storage records = _recordOf[_owner(pseudonym, anchoredBy)];
        if (!records[digest].isEmpty()) revert AlreadyAnchored(pseudonym, anchoredBy, digest);

        records[digest] = record;
    }

    function _amend(address pseudonym, uint32 author, RecordStatus act, bytes32 old, bytes32 digest) private {
        mapping(bytes32 digest => RecordSlot) storage records = _recordOf[_owner(pseudonym, author)];
        Record memory record = records[old].unpack();
        if (record.time == 0) revert NotAnchored(pseudonym, author, old);
        if (record.author != author) revert NotTheAuthor(pseudonym, record.author, old);
        if (act == RecordStatus.Disowned) {
            if (digest != bytes32(0)) revert SameRecord(digest);
        } else {
            if (digest == old) revert SameRecord(digest);
            RecordStatus status = records[digest].unpack().status;
            if (status == RecordStatus.None) revert NotAnchored(pseudonym, author, digest);
            if (status != RecordStatus.Current) revert WrongStatus(digest, status, RecordStatus.Current);
        }

        record.status = record.status.move(old, act);
        records[old] = pack(record);

        emit Amended(pseudonym, author, act, old, digest);
    }

    function _owner(address pseudonym, uint32 anchoredBy) private pure returns (uint256) {
        return (uint256(anchoredBy) << 160) | uint160(pseudonym);
    }

    function _writer(address sender) private view returns (uint32 member) {
        member = _consortium.standing(sender, WRITERS);
        if (member == 0) revert NotAWriter(sender);
    }

    /// @dev The controller stands for what the patient anchored, everyone else for the member it writes for.
    function _authorFor(address pseudonym, address sender) private view returns (uint32) {
        IKeys.Authority memory authority = _keys.authorityOf(pseudonym);
        if (sender != authority.controller) return _writer(sender);
        if (authority.frozen) revert IKeys.Frozen(pseudonym);

        return PATIENT;
    }

    function _checkVersion(address pseudonym, uint32 version) private view {
        uint32 current = _keys.versionOf(pseudonym);
        if (version != current || version == 0) revert StaleVersion(pseudonym, version, current);
    }

    /// @dev An expiry publishes nothing, so the row's time must be checked here.
    function _checkBefore(uint40 before) private view {
        if (block.timestamp >= before) revert TooLate(before);
    }

    function _hashReport(Report calldata terms) private pure returns (bytes32) {
        bytes32 digests = keccak256(abi.encodePacked(terms.digests));
        return
            keccak256(
                abi.encode(
                    REPORT_TYPEHASH,
                    terms.pseudonym,
                    digests,
                    terms.version,
                    terms.before,
                    terms.era,
                    terms.deadline
                )
            );
    }

    function _hashReseal(Reseal calldata terms) private pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](terms.records.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(RESEALING_TYPEHASH, terms.records[i]));
        }
        bytes32 records = keccak256(abi.encodePacked(hashes));
        return
            keccak256(
                abi.encode(
                    RESEAL_TYPEHASH,
                    terms.pseudonym,
                    records,
                    terms.version,
                    terms.before,
                    terms.era,
                    terms.deadline
                )
            );
    }

    function _hashAmendment(Amendment calldata terms) private pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    AMEND_TYPEHASH,
                    terms.pseudonym,
                    terms.act.hashOf(),
                    terms.old,
                    terms.digest,
                    terms.era,
                    terms.deadline
                )
            );
    }
}
