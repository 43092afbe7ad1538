// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../interfaces/IConsortium.sol";
import {IPrescriptions} from "../../interfaces/medicine/IPrescriptions.sol";
import {LineSlot} from "../../types/LineSlot.sol";
import {FILL_FOR} from "../../types/Operations.sol";
import {PrescriptionSlot, packPrescription} from "../../types/PrescriptionSlot.sol";
import {PHARMACIST, PRESCRIBER} from "../../types/Roles.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Prescriptions
/// @notice Used by tests and the bench only.
contract PrescriptionsFloor is Floor {
    bytes32 private constant LINE_TYPEHASH = keccak256(
        "Line(bytes32 item,uint16 quantity,uint8 refills,uint16 interval,uint40 earliest,uint40 latest)"
    );
    bytes32 private constant PRESCRIBE_TYPEHASH = keccak256(
        "Prescribe(address prescriber,address bearer,Line[] lines,bytes32 file,uint40 deadline)"
        "Line(bytes32 item,uint16 quantity,uint8 refills,uint16 interval,uint40 earliest,uint40 latest)"
    );
    bytes32 private constant TAKE_TYPEHASH = keccak256(
        "Take(bytes32 prescription,uint32 lines,uint32 from,uint32 to,uint32 nonce,uint40 deadline)"
    );

    uint256 private constant HOLD = 1 days;

    address private immutable _consortium;

    uint256[2] private _names;
    mapping(bytes32 prescription => PrescriptionSlot) private _prescriptionOf;
    mapping(bytes32 prescription => mapping(uint8 line => LineSlot)) private _lineOf;

    constructor(address place, address consortium) Floor("Theriac Prescriptions", place) {
        _consortium = consortium;
    }

    function idOf(IPrescriptions.Terms calldata terms) public pure returns (bytes32 prescription) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, terms, 0x80)
            prescription := keccak256(start, 0x80)
        }
    }

    function prescribe(address bearer, bytes32 lines, bytes32 file) external returns (bytes32 prescription) {
        return _prescribe(msg.sender, bearer, lines, file);
    }

    function prescribeBySig(
        IPrescriptions.Prescribe calldata terms,
        bytes calldata signature
    ) external returns (bytes32 prescription) {
        address prescriber = terms.terms.prescriber;
        if (_signerOf(_hash(PRESCRIBE_TYPEHASH, 0x04, 5), signature) != prescriber) revert NotTheirs();

        return _prescribe(prescriber, terms.terms.bearer, terms.terms.lines, terms.terms.file);
    }

    function take(IPrescriptions.Take calldata terms, bytes calldata signature) external {
        _take(terms, signature, _memberOf(_consortium, msg.sender, PHARMACIST));
    }

    function takeFor(address pharmacist, IPrescriptions.Take calldata terms, bytes calldata signature) external {
        _take(terms, signature, _memberThrough(pharmacist));
    }

    function fill(IPrescriptions.Filling calldata filling) external {
        _fill(filling, _memberOf(_consortium, msg.sender, PHARMACIST), address(0));
    }

    function fillFor(address pharmacist, IPrescriptions.Filling calldata filling) external {
        _fill(filling, _memberThrough(pharmacist), msg.sender);
    }

    function _prescribe(
        address prescriber,
        address bearer,
        bytes32 lines,
        bytes32 file
    ) private returns (bytes32 prescription) {
        uint32 member = _memberOf(_consortium, prescriber, PRESCRIBER);
        prescription = keccak256(abi.encode(prescriber, bearer, lines, file));

        _prescriptionOf[prescription] = packPrescription(member, block.timestamp);

        emit IPrescriptions.Prescribed(prescription, member, prescriber, bearer, lines, file);
    }

    function _take(IPrescriptions.Take calldata terms, bytes calldata signature, uint32 member) private {
        bytes32 prescription = idOf(terms.terms);
        (uint32 lines, uint32 from) = (terms.lines, terms.from);
        bytes32 hash = keccak256(
            abi.encode(TAKE_TYPEHASH, prescription, lines, from, member, terms.nonce, terms.deadline)
        );
        if (_signerOf(hash, signature) != terms.terms.bearer) revert NotTheirs();

        unchecked {
            _prescriptionOf[prescription] = _prescriptionOf[prescription].withNonceUsed();
            mapping(uint8 => LineSlot) storage slots = _lineOf[prescription];
            uint256 ends = block.timestamp + HOLD;
            for (uint8 line = 0; lines >> line != 0; ++line) {
                if ((lines >> line) & 1 == 1) slots[line] = slots[line].held(member, ends);
            }

            emit IPrescriptions.Taken(prescription, member, lines, from, uint40(ends));
        }
    }

    function _fill(IPrescriptions.Filling calldata filling, uint32 member, address operator) private {
        bytes32 prescription = idOf(filling.terms);
        uint8 line = filling.line;
        bool isShown = keccak256(abi.encodePacked(filling.hashes)) == filling.terms.lines;
        if (!isShown || filling.hashes[line] != keccak256(abi.encode(LINE_TYPEHASH, filling.opened))) {
            revert NotTheirs();
        }
        mapping(uint8 => LineSlot) storage slots = _lineOf[prescription];
        LineSlot slot = slots[line];
        if (slot.holderAt(block.timestamp) != member) revert NotTheirs();

        unchecked {
            slots[line] = slot.filledBy(filling.units, member, block.timestamp, operator);
        }

        emit IPrescriptions.Filled(prescription, member, msg.sender, line, filling.units, filling.evidence);
    }

    function _memberThrough(address pharmacist) private view returns (uint32 member) {
        member = _memberOf(_consortium, pharmacist, PHARMACIST);
        if (IConsortium(_consortium).operatorOf(member, msg.sender) & FILL_FOR == 0) revert NotTheirs();
    }
}
