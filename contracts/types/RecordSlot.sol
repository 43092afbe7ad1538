// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IRecords} from "../interfaces/health/IRecords.sol";
import {Marks} from "./Marks.sol";

/// @notice A record as it lies in storage: one word, read and written at once; zero is no record.
type RecordSlot is uint256;

using {isEmpty, marked, unpack} for RecordSlot global;

/// @notice time 40 | version 32 | author 32 | status 8 | marks 8, lowest bits first.
function pack(IRecords.Record memory record) pure returns (RecordSlot) {
    uint256 word = record.time;
    word |= uint256(record.version) << 40;
    word |= uint256(record.author) << 72;
    word |= uint256(record.status) << 104;
    word |= uint256(Marks.unwrap(record.marks)) << 112;
    return RecordSlot.wrap(word);
}

/// @dev A record anchored in this block, current and without marks.
function packNew(uint32 version, uint32 author) view returns (RecordSlot) {
    uint256 current = uint256(IRecords.RecordStatus.Current) << 104;
    return RecordSlot.wrap(current | (uint256(author) << 72) | (uint256(version) << 40) | block.timestamp);
}

function marked(RecordSlot slot, Marks marks) pure returns (RecordSlot) {
    return RecordSlot.wrap(RecordSlot.unwrap(slot) | (uint256(Marks.unwrap(marks)) << 112));
}

function unpack(RecordSlot slot) pure returns (IRecords.Record memory record) {
    uint256 word = RecordSlot.unwrap(slot);
    record.time = uint40(word);
    record.version = uint32(word >> 40);
    record.author = uint32(word >> 72);
    record.status = IRecords.RecordStatus(uint8(word >> 104));
    record.marks = Marks.wrap(uint8(word >> 112));
}

function isEmpty(RecordSlot slot) pure returns (bool) {
    return RecordSlot.unwrap(slot) == 0;
}
