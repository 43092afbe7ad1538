// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Carrier} from "../../contracts/Carrier.sol";
import {AccessLog} from "../../contracts/health/AccessLog.sol";
import {Keys} from "../../contracts/health/Keys.sol";
import {Letters} from "../../contracts/health/Letters.sol";
import {ICarrier} from "../../contracts/interfaces/ICarrier.sol";
import {IKeys} from "../../contracts/interfaces/health/IKeys.sol";
import {ILetters} from "../../contracts/interfaces/health/ILetters.sol";
import {Handler} from "../Handler.sol";
import {World} from "../World.sol";

/// @title LettersHandler
/// @notice Patients write letters, carriers take groups of signed ones along, readers log what they read.
contract LettersHandler is Handler {
    bytes32 private constant LETTER_TYPEHASH = keccak256(
        "Letter(address from,address to,bytes32 letter,uint32 nonce,uint32 era,uint40 deadline)"
    );

    uint256 private constant MOST_SPENT = 8;

    Keys private immutable _keys;
    Letters private immutable _letters;
    Carrier private immutable _carrier;
    AccessLog private immutable _log;
    address private immutable _relayer;

    address[] private _patients;
    mapping(address patient => uint32) private _nonceOf;
    bytes[] private _spent;
    address private _touched;

    constructor(World world_) Handler(world_) {
        _keys = world_.keys();
        _letters = world_.letters();
        _carrier = world_.carrier();
        _log = world_.accessLog();
        _relayer = world_.relayer();
        _patients = world_.patients();
        _touched = _patients[0];
    }

    /// @notice A controller sends letters itself: that moves no nonce.
    function send(uint256 who, uint256 how) external acting {
        address patient = _free(who);
        address controller = _keys.authorityOf(patient).controller;
        if (how % 2 == 0) {
            _do(controller, address(_letters), abi.encodeCall(_letters.send, (patient, _relayer, bytes32(how | 1))));
            return;
        }
        ILetters.Addressed[] memory letters = new ILetters.Addressed[](2);
        letters[0] = ILetters.Addressed(_relayer, bytes32(how | 1));
        letters[1] = ILetters.Addressed(controller, bytes32(how));
        _do(controller, address(_letters), abi.encodeCall(_letters.sendMany, (patient, letters)));
    }

    /// @notice A letter is signed and sent by somebody.
    function sendSigned(uint256 who, uint256 how) external acting {
        address patient = _free(who);
        bytes memory data = _signed(patient, _nonceOf[patient], how);
        _do(_relayer, address(_letters), data);
        _sent(patient, data);
    }

    /// @notice A group of signed letters is carried, of which the second may fail: then the first is not told either.
    function carry(uint256 who, uint256 how) external acting {
        address patient = _free(who);
        bool fails = how % 3 == 0;
        ICarrier.Call[] memory calls = new ICarrier.Call[](2);
        bytes memory first = _signed(patient, _nonceOf[patient], how);
        bytes memory second = _signed(patient, _nonceOf[patient] + (fails ? 0 : 1), how / 2);
        calls[0] = ICarrier.Call(address(_letters), first);
        calls[1] = ICarrier.Call(address(_letters), second);
        (bool done, ) = _try(_relayer, address(_carrier), abi.encodeCall(_carrier.carry, (calls)));
        // property T1: all are done or none.
        _must(done != fails, "T1");
        if (!done) return;
        _sent(patient, first);
        _sent(patient, second);
    }

    /// @notice Two groups are carried, each by itself, and the first may fail.
    function carryEach(uint256 who, uint256 how) external acting {
        address patient = _free(who);
        bool fails = how % 2 == 0;
        ICarrier.Group[] memory groups = new ICarrier.Group[](2);
        groups[0].gasLimit = uint64(how % 3 == 0 ? 0 : 600_000);
        groups[0].calls = new ICarrier.Call[](1);
        bytes memory first = _signed(patient, _nonceOf[patient] + (fails ? 7 : 0), how);
        groups[0].calls[0] = ICarrier.Call(address(_letters), first);
        groups[1].calls = new ICarrier.Call[](1);
        bytes memory second = _signed(patient, _nonceOf[patient] + (fails ? 0 : 1), how / 2);
        groups[1].calls[0] = ICarrier.Call(address(_letters), second);
        (bool carried, bytes memory answer) = _try(
            _relayer,
            address(_carrier),
            abi.encodeCall(_carrier.carryEach, (groups))
        );
        bool[] memory done = carried ? abi.decode(answer, (bool[])) : new bool[](2);
        // property T2: a group that fails takes nothing from the others.
        _must(carried && done[0] != fails && done[1], "T2");
        if (done[0]) _sent(patient, first);
        if (done[1]) _sent(patient, second);
    }

    /// @notice A reader logs what it read.
    function log(uint256 who, uint256 how) external acting {
        address reader = world.staffOf(uint32(1 + (who % 4)))[0];
        _do(reader, address(_log), abi.encodeCall(_log.log, (bytes32(how | 1), uint32(1 + (how % 100)))));
    }

    /// @notice Letters go out in a pseudonym's name, through the carrier too, without its word.
    function hostileSender(uint256 who, uint256 how) external acting {
        address patient = _patients[who % _patients.length];
        address controller = _keys.authorityOf(patient).controller;
        bytes memory data = abi.encodeCall(_letters.send, (patient, _relayer, bytes32(how | 1)));
        if (how % 3 == 0) {
            _refused(_relayer, address(_letters), data, "T4");
        } else if (how % 3 == 1) {
            // property T3: what the carrier does it does as itself, whoever sent it.
            ICarrier.Call[] memory calls = new ICarrier.Call[](1);
            calls[0] = ICarrier.Call(address(_letters), data);
            _refused(controller, address(_carrier), abi.encodeCall(_carrier.carry, (calls)), "T3");
            _refused(controller, address(_carrier), abi.encodeCall(_carrier.carryGroup, (calls)), "T3");
        } else {
            uint32 nonce = _nonceOf[patient] + 1 + uint32(how % 3);
            _refused(_relayer, address(_letters), _signed(patient, nonce, how), "T5");
        }
    }

    /// @notice A letter that was told is sent again.
    function hostileReplay(uint256 which) external acting {
        if (_spent.length == 0) revert NothingToDo();
        _refused(_relayer, address(_letters), _spent[which % _spent.length], "T5");
    }

    /// property T1
    function property_T1_a_group_is_done_whole_or_not() external view returns (bool) {
        return _held("T1") && _letters.nonceOf(_touched) == _nonceOf[_touched];
    }

    /// property T2
    function property_T2_a_group_fails_alone() external view returns (bool) {
        return _held("T2");
    }

    /// property T3
    function property_T3_the_carrier_has_no_rights() external view returns (bool) {
        return _held("T3");
    }

    /// property T4
    function property_T4_no_letter_without_the_controllers_word() external view returns (bool) {
        return _held("T4");
    }

    /// property T5
    function property_T5_a_signed_letter_is_told_once() external view returns (bool) {
        address patient = _patients[turn % _patients.length];
        return _letters.nonceOf(patient) == _nonceOf[patient] && _held("T5");
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](5);
        all[0] = "property_T1_a_group_is_done_whole_or_not()";
        all[1] = "property_T2_a_group_fails_alone()";
        all[2] = "property_T3_the_carrier_has_no_rights()";
        all[3] = "property_T4_no_letter_without_the_controllers_word()";
        all[4] = "property_T5_a_signed_letter_is_told_once()";
    }

    function _free(uint256 who) private returns (address patient) {
        for (uint256 i = 0; i < _patients.length; ++i) {
            patient = _patients[(who + i) % _patients.length];
            if (_keys.authorityOf(patient).frozen) continue;
            _touched = patient;
            return patient;
        }
        revert NothingToDo();
    }

    function _signed(address patient, uint32 nonce, uint256 how) private view returns (bytes memory) {
        IKeys.Authority memory authority = _keys.authorityOf(patient);
        ILetters.Letter memory terms = ILetters.Letter(
            patient,
            _relayer,
            bytes32(how | 1),
            nonce,
            authority.era,
            _soon(how)
        );
        bytes32 hash = keccak256(abi.encode(LETTER_TYPEHASH, terms));
        return abi.encodeCall(_letters.sendBySig, (terms, _sign(authority.controller, address(_letters), hash)));
    }

    function _sent(address patient, bytes memory data) private {
        ++_nonceOf[patient];
        if (_spent.length < MOST_SPENT) _spent.push(data);
        else _spent[turn % MOST_SPENT] = data;
    }
}
