// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IPrescriptions} from "../interfaces/medicine/IPrescriptions.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {LineSlot} from "../types/LineSlot.sol";
import {FILL_FOR} from "../types/Operations.sol";
import {PrescriptionSlot, packPrescription} from "../types/PrescriptionSlot.sol";
import {PHARMACIST, PRESCRIBER, Roles} from "../types/Roles.sol";

/// @title Prescriptions
/// @notice What a prescriber allowed to be dispensed, which pharmacy prepares it, and how much of it was given.
contract Prescriptions is IPrescriptions, EIP712 {
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

    bytes32 private constant CANCEL_TYPEHASH = keccak256(
        "Cancel(bytes32 prescription,uint32 lines,uint32 nonce,uint40 deadline)"
    );

    /// @dev Whoever signs has the pharmacy before them, or a relayer.
    uint256 private constant LONGEST = 1 hours;

    /// @dev A pharmacy that has no time to prepare something must not keep it from all others.
    uint256 private constant HOLD = 1 days;

    /// @dev As long as the pack itself can be taken back: Regulation (EU) 2016/161, article 13(1)(b).
    uint256 private constant UNDO_WINDOW = 10 days;

    /// @dev As many lines as a mask has bits.
    uint256 private constant MOST_LINES = 32;

    IConsortium private immutable _consortium;

    mapping(bytes32 prescription => PrescriptionSlot) private _prescriptionOf;

    mapping(bytes32 prescription => mapping(uint8 line => LineSlot)) private _lineOf;

    constructor(IConsortium consortium) EIP712("Theriac Prescriptions", "1") {
        _consortium = consortium;
    }

    /// @inheritdoc IPrescriptions
    function idOf(Terms calldata terms) public pure returns (bytes32 prescription) {
        assembly ("memory-safe") {
            // Four words, as they would be encoded. With an address that is none it is the number of nothing.
            let start := mload(0x40)
            calldatacopy(start, terms, 0x80)
            prescription := keccak256(start, 0x80)
        }
    }

    /// @inheritdoc IPrescriptions
    function prescriptionOf(bytes32 prescription) external view returns (Prescription memory) {
        return _prescriptionOf[prescription].unpack();
    }

    /// @inheritdoc IPrescriptions
    function lineOf(bytes32 prescription, uint8 line) external view returns (LineState memory) {
        return _lineOf[prescription][line].unpack();
    }

    /// @inheritdoc IPrescriptions
    function prescribe(address bearer, bytes32 lines, bytes32 file) external returns (bytes32 prescription) {
        return _prescribe(msg.sender, bearer, lines, file);
    }

    /// @inheritdoc IPrescriptions
    function prescribeBySig(
        Prescribe calldata terms,
        bytes calldata signature
    ) external returns (bytes32 prescription) {
        Terms calldata told = terms.terms;
        _checkDeadline(terms.deadline);
        bytes32 hash = keccak256(
            abi.encode(PRESCRIBE_TYPEHASH, told.prescriber, told.bearer, told.lines, told.file, terms.deadline)
        );
        _checkSignature(hash, signature, told.prescriber);

        return _prescribe(told.prescriber, told.bearer, told.lines, told.file);
    }

    /// @inheritdoc IPrescriptions
    function take(Take calldata terms, bytes calldata signature) external {
        uint32 member = _memberOf(msg.sender, PHARMACIST);

        _take(terms, signature, member);
    }

    /// @inheritdoc IPrescriptions
    function takeFor(address pharmacist, Take calldata terms, bytes calldata signature) external {
        uint32 member = _memberOf(pharmacist, PHARMACIST);
        _checkOperator(member);

        _take(terms, signature, member);
    }

    /// @inheritdoc IPrescriptions
    function giveBack(bytes32 prescription, uint32 lines) external {
        uint32 member = _memberOf(msg.sender, PHARMACIST);
        if (lines == 0) revert WrongLines(lines, 0);

        for (uint8 line = 0; lines >> line != 0; ++line) {
            if (!_names(lines, line)) continue;

            LineSlot slot = _lineOf[prescription][line];
            _checkHolder(prescription, line, slot, member);
            _lineOf[prescription][line] = slot.free();
        }

        emit GivenBack(prescription, member, lines);
    }

    /// @inheritdoc IPrescriptions
    function fill(Filling calldata filling) external {
        uint32 member = _memberOf(msg.sender, PHARMACIST);

        _fill(filling, member, address(0));
    }

    /// @inheritdoc IPrescriptions
    function fillFor(address pharmacist, Filling calldata filling) external {
        uint32 member = _memberOf(pharmacist, PHARMACIST);
        _checkOperator(member);

        _fill(filling, member, msg.sender);
    }

    /// @inheritdoc IPrescriptions
    function unfill(bytes32 prescription, uint8 line) external {
        uint32 member = _memberOf(msg.sender, PHARMACIST);

        _unfill(prescription, line, member, address(0));
    }

    /// @inheritdoc IPrescriptions
    function unfillFor(address pharmacist, bytes32 prescription, uint8 line) external returns (uint16 units) {
        uint32 member = _memberOf(pharmacist, PHARMACIST);
        _checkOperator(member);

        return _unfill(prescription, line, member, msg.sender);
    }

    /// @inheritdoc IPrescriptions
    function cancel(bytes32 prescription, uint32 lines) external {
        uint32 member = _memberOf(msg.sender, PRESCRIBER);
        PrescriptionSlot slot = _existing(prescription);
        if (member != slot.member()) revert NotThePrescriber(prescription, member, slot.member());
        _checkLines(lines, slot);

        _prescriptionOf[prescription] = slot.withCancelled(lines);

        emit Cancelled(prescription, member, lines);
    }

    /// @inheritdoc IPrescriptions
    function cancelBySig(Cancel calldata terms, bytes calldata signature) external {
        bytes32 prescription = idOf(terms.terms);
        PrescriptionSlot slot = _existing(prescription);
        _checkLines(terms.lines, slot);
        _checkWord(terms.nonce, terms.deadline, slot);
        bytes32 hash = keccak256(abi.encode(CANCEL_TYPEHASH, prescription, terms.lines, terms.nonce, terms.deadline));
        _checkSignature(hash, signature, terms.terms.bearer);

        _prescriptionOf[prescription] = slot.withNonceUsed().withCancelled(terms.lines);

        emit Cancelled(prescription, 0, terms.lines);
    }

    function _prescribe(
        address prescriber,
        address bearer,
        bytes32 lines,
        bytes32 file
    ) private returns (bytes32 prescription) {
        uint32 member = _memberOf(prescriber, PRESCRIBER);
        if (bearer == address(0) || lines == 0 || file == 0) revert EmptyPrescription();
        prescription = keccak256(abi.encode(prescriber, bearer, lines, file));
        if (!_prescriptionOf[prescription].isEmpty()) revert AlreadyPrescribed(prescription);

        _prescriptionOf[prescription] = packPrescription(member, block.timestamp);

        emit Prescribed(prescription, member, prescriber, bearer, lines, file);
    }

    function _take(Take calldata terms, bytes calldata signature, uint32 member) private {
        bytes32 prescription = idOf(terms.terms);
        PrescriptionSlot slot = _existing(prescription);
        _checkLines(terms.lines, slot);
        _checkWord(terms.nonce, terms.deadline, slot);
        bytes32 hash = keccak256(
            abi.encode(TAKE_TYPEHASH, prescription, terms.lines, terms.from, member, terms.nonce, terms.deadline)
        );
        _checkSignature(hash, signature, terms.terms.bearer);

        _prescriptionOf[prescription] = slot.withNonceUsed();
        uint256 ends = block.timestamp + HOLD;
        for (uint8 line = 0; terms.lines >> line != 0; ++line) {
            if (!_names(terms.lines, line)) continue;

            LineSlot held = _lineOf[prescription][line];
            _checkHolder(prescription, line, held, terms.from);
            _lineOf[prescription][line] = held.held(member, ends);
        }

        emit Taken(prescription, member, terms.lines, terms.from, uint40(ends));
    }

    function _fill(Filling calldata filling, uint32 member, address operator) private {
        bytes32 prescription = idOf(filling.terms);
        uint8 line = filling.line;
        _checkLine(prescription, filling);
        LineSlot slot = _lineOf[prescription][line];
        _checkHolder(prescription, line, slot, member);
        _checkMayBeFilled(prescription, line);
        _checkUnits(prescription, filling, slot);

        _lineOf[prescription][line] = slot.filledBy(filling.units, member, block.timestamp, operator);

        emit Filled(prescription, member, msg.sender, line, filling.units, filling.evidence);
    }

    function _unfill(bytes32 prescription, uint8 line, uint32 member, address operator) private returns (uint16 units) {
        LineSlot slot = _lineOf[prescription][line];
        bool its = slot.filler() == member && slot.operator() == uint96(uint160(operator));
        if (!its) revert NotTheFiller(prescription, line, slot.filler());
        uint256 latest = slot.time() + UNDO_WINDOW;
        if (block.timestamp > latest) revert TooLate(prescription, line, latest);

        units = uint16(slot.units());
        _lineOf[prescription][line] = slot.unfilled();

        emit Unfilled(prescription, member, msg.sender, line, units);
    }

    /// @dev The lines of a prescriber who was suspended are filled no more: the key may be somebody else's.
    function _checkMayBeFilled(bytes32 prescription, uint8 line) private view {
        PrescriptionSlot slot = _existing(prescription);
        if (_names(slot.cancelled(), line)) revert IsCancelled(prescription, line);
        if (!_consortium.inStanding(slot.member())) revert PrescriberNotInStanding(slot.member());
    }

    function _checkHolder(bytes32 prescription, uint8 line, LineSlot slot, uint32 member) private view {
        uint32 holder = slot.holderAt(block.timestamp);
        if (holder != member) revert NotTheHolder(prescription, line, member, holder);
    }

    function _checkUnits(bytes32 prescription, Filling calldata filling, LineSlot slot) private view {
        if (filling.units == 0 || filling.evidence == 0) revert EmptyFilling();
        Line calldata line = filling.opened;
        if (block.timestamp < line.earliest) revert TooEarly(prescription, filling.line, line.earliest);
        if (block.timestamp >= line.latest) revert TooLate(prescription, filling.line, line.latest);
        uint256 left = _due(line) - slot.filled();
        if (filling.units > left) revert TooMany(prescription, filling.line, filling.units, left);
    }

    /// @dev What was due stays due, so that it is never less than what was given.
    function _due(Line calldata line) private view returns (uint256 units) {
        uint256 refills = line.refills;
        if (line.interval != 0) {
            uint256 passed = (block.timestamp - line.earliest) / (uint256(line.interval) * 1 days);
            if (passed < refills) refills = passed;
        }
        units = uint256(line.quantity) * (refills + 1);
        if (units > type(uint16).max) units = type(uint16).max;
    }

    function _checkOperator(uint32 member) private view {
        bool may = _consortium.operatorOf(member, msg.sender) & FILL_FOR != 0;
        if (!may) revert NotAnOperator(msg.sender, member);
    }

    function _memberOf(address account, Roles roles) private view returns (uint32 member) {
        member = _consortium.standing(account, roles);
        if (member == 0) revert NoStanding(account);
    }

    function _existing(bytes32 prescription) private view returns (PrescriptionSlot slot) {
        slot = _prescriptionOf[prescription];
        if (slot.isEmpty()) revert NoSuchPrescription(prescription);
    }

    /// @dev Each word of the bearer counts once: a pharmacy cannot take the next refill by the word for the last.
    function _checkWord(uint32 nonce, uint40 deadline, PrescriptionSlot slot) private view {
        _checkDeadline(deadline);
        if (nonce != slot.nonce()) revert WrongNonce(nonce, slot.nonce());
    }

    function _checkSignature(bytes32 hash, bytes calldata signature, address signer) private view {
        if (!Signatures.isSignedBy(_hashTypedDataV4(hash), signature, signer)) revert WrongSignature(signer);
    }

    function _checkDeadline(uint40 deadline) private view {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        uint256 latest = block.timestamp + LONGEST;
        if (deadline > latest) revert DeadlineTooFar(deadline, latest);
    }

    /// @dev The line that is opened has to be one of those that were prescribed, at its place.
    function _checkLine(bytes32 prescription, Filling calldata filling) private pure {
        uint256 count = filling.hashes.length;
        bool shown = count <= MOST_LINES && filling.line < count;
        shown = shown && keccak256(abi.encodePacked(filling.hashes)) == filling.terms.lines;
        if (!shown || filling.hashes[filling.line] != _hashLine(filling.opened)) {
            revert WrongLine(prescription, filling.line);
        }
    }

    function _checkLines(uint32 lines, PrescriptionSlot slot) private pure {
        uint32 cancelled = slot.cancelled();
        if (lines == 0 || lines & cancelled != 0) revert WrongLines(lines, cancelled);
    }

    function _hashLine(Line calldata line) private pure returns (bytes32) {
        return keccak256(abi.encode(LINE_TYPEHASH, line));
    }

    function _names(uint32 lines, uint8 line) private pure returns (bool) {
        return (lines >> line) & 1 == 1;
    }
}
