// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRecords} from "../../interfaces/health/IRecords.sol";
import {Roles} from "../../types/Roles.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Records
/// @notice Used by tests and the bench only.
contract RecordsFloor is Floor {
    bytes32 private constant REPORT_TYPEHASH = keccak256(
        "Report(address pseudonym,bytes32[] digests,uint32 version,uint40 before,uint32 era,uint40 deadline)"
    );

    /// @dev Clinicians, pharmacists, laboratories, devices and insurers.
    Roles private constant WRITERS = Roles.wrap((1 << 0) | (1 << 2) | (1 << 9) | (1 << 10) | (1 << 5));

    uint256 private constant CURRENT = uint256(IRecords.RecordStatus.Current) << 104;
    uint256 private constant INBOX = 1 << 112;
    uint256 private constant REPORTED = 2 << 112;

    address private immutable _consortium;
    address private immutable _keys;

    uint256[2] private _names;
    mapping(uint256 owner => mapping(bytes32 digest => uint256 word)) private _recordOf;

    constructor(address place, address consortium, address keys) Floor("Theriac Records", place) {
        _consortium = consortium;
        _keys = keys;
    }

    function recordOf(
        address pseudonym,
        uint32 anchoredBy,
        bytes32 digest
    ) external view returns (uint256 time, uint256 version, uint256 author, uint256 status, uint256 marks) {
        uint256 word = _recordOf[(uint256(anchoredBy) << 160) | uint160(pseudonym)][digest];
        return (uint40(word), uint32(word >> 40), uint32(word >> 72), uint8(word >> 104), word >> 112);
    }

    function anchor(address pseudonym, bytes32 digest, uint32 version, uint40) external {
        uint256 author = _memberOf(_consortium, msg.sender, WRITERS);

        _recordOf[(author << 160) | uint160(pseudonym)][digest] = _word(version, author);

        emit IRecords.Anchored(pseudonym, uint32(author), digest);
    }

    function anchorMany(address pseudonym, bytes32[] calldata digests, uint32 version, uint40) external {
        uint256 author = _memberOf(_consortium, msg.sender, WRITERS);

        _anchor(pseudonym, author, version, 0, digests);
    }

    function anchorInbox(address pseudonym, bytes32[] calldata digests) external {
        uint256 author = _memberOf(_consortium, msg.sender, WRITERS);

        _anchor(pseudonym, author, 0, INBOX, digests);
    }

    function report(address pseudonym, bytes32[] calldata digests, uint32 version, uint40) external {
        _checkSender(_keys, pseudonym);

        _anchor(pseudonym, 0, version, REPORTED, digests);
    }

    function reportBySig(IRecords.Report calldata terms, bytes calldata signature) external {
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
        _checkSigned(_keys, terms.pseudonym, hash, signature);

        _anchor(terms.pseudonym, 0, terms.version, REPORTED, terms.digests);
    }

    function _anchor(
        address pseudonym,
        uint256 author,
        uint32 version,
        uint256 marks,
        bytes32[] calldata digests
    ) private {
        mapping(bytes32 => uint256) storage records = _recordOf[(author << 160) | uint160(pseudonym)];
        uint256 word = _word(version, author) | marks;
        unchecked {
            for (uint256 i = 0; i < digests.length; ++i) {
                records[digests[i]] = word;
            }
        }

        emit IRecords.AnchoredMany(pseudonym, uint32(author), version, digests);
    }

    function _word(uint256 version, uint256 author) private view returns (uint256) {
        return CURRENT | (author << 72) | (version << 40) | block.timestamp;
    }
}
