// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IPrescriptions} from "../../contracts/interfaces/medicine/IPrescriptions.sol";
import {FILL_FOR} from "../../contracts/types/Operations.sol";
import {PHARMACIST, PRESCRIBER, Roles} from "../../contracts/types/Roles.sol";
import {Handler} from "../Handler.sol";
import {People} from "../models/People.sol";
import {Till} from "../models/Till.sol";
import {VM} from "../Vm.sol";
import {CLINIC, FIRST_PHARMACY, HOSPITAL, SECOND_PHARMACY, World} from "../World.sol";

/// @title PrescriptionHandler
/// @notice What prescribers, bearers and three pharmacies do with some prescriptions, and what others try.
/// @dev Where the contract keeps a sum, a holder and what was given last, this writes down what was said.
contract PrescriptionHandler is Handler {
    uint256 private constant MOST = 8;
    uint256 private constant HOLD = 1 days;
    uint256 private constant UNDO_WINDOW = 10 days;

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

    /// @dev A prescription and what was said about it.
    struct Script {
        bytes32 id;
        IPrescriptions.Terms terms;
        uint256 bearer;
        uint32 member;
        uint40 time;
        uint32 words;
        uint32 cancelled;
        uint8 count;
    }

    /// @dev A line, who holds it until when, and what was given of it.
    struct Told {
        IPrescriptions.Line opened;
        uint32 holder;
        uint40 holdEnds;
        uint256 given;
        uint16 units;
        uint32 filler;
        uint40 time;
        address through;
    }

    /// @dev A word that has counted.
    struct Spent {
        address sender;
        bytes data;
    }

    address private immutable _till;
    IPrescriptions private immutable _prescriptions;

    Script[] private _scripts;
    mapping(bytes32 prescription => mapping(uint8 line => Told)) private _toldOf;
    uint256 private _made;
    uint256 private _touched;
    Spent[] private _spent;

    constructor(World world_) Handler(world_) {
        _till = address(new Till());
        _prescriptions = world_.prescriptions();
        _permit(FIRST_PHARMACY);
        _permit(CLINIC);
        for (uint256 i = 0; i < 3; ++i) _prescribe(uint256(keccak256(abi.encode(i))));
    }

    // Acts

    function prescribe(uint256 seed) external acting {
        _prescribe(seed);
    }

    /// @notice The bearer lets a pharmacy have lines, whoever holds them.
    function take(uint256 seed, uint256 whom) external acting {
        Script storage script = _choose(seed);
        uint32 lines = _linesOf(script, _more(seed, 1));
        uint32 from = _holderOf(script, lines);
        uint32 to = _another(from, whom);
        (IPrescriptions.Take memory terms, bytes memory signature) = _word(script, lines, from, to, _soon(whom));
        bool through = to != SECOND_PHARMACY && _more(seed, 2) % 3 == 0;
        address pharmacist = _at(to, PHARMACIST, whom);
        bytes memory data =
            through
                ? abi.encodeCall(IPrescriptions.takeFor, (pharmacist, terms, signature))
                : abi.encodeCall(IPrescriptions.take, (terms, signature));
        _do(through ? _till : pharmacist, address(_prescriptions), data);
        _spend(through ? _till : pharmacist, data);

        ++script.words;
        for (uint8 i = 0; lines >> i != 0; ++i) {
            if ((lines >> i) & 1 == 0) continue;
            Told storage told = _toldOf[script.id][i];
            (told.holder, told.holdEnds) = (to, uint40(block.timestamp + HOLD));
        }
    }

    /// @notice Who holds a line gives it back.
    function giveBack(uint256 seed) external acting {
        (Script storage script, uint8 line) = _findHeld(seed, false);
        Told storage told = _toldOf[script.id][line];
        address pharmacist = _at(told.holder, PHARMACIST, seed);
        _say(pharmacist, abi.encodeCall(IPrescriptions.giveBack, (script.id, uint32(1) << line)));
        (told.holder, told.holdEnds) = (0, 0);
    }

    /// @notice Who holds a line gives something of it. Where nobody does, somebody takes it first.
    function fill(uint256 seed, uint256 units) external acting {
        _fill(seed, units);
    }

    /// @notice Who gave something takes it back. Where nothing was given, it is given first.
    function unfill(uint256 seed) external acting {
        if (_more(seed, 5) % 3 != 0) revert NothingToDo();
        (bool found, Script storage script, uint8 line) = _findFilled(seed);
        if (!found) {
            _fill(seed, seed);
            (found, script, line) = _findFilled(seed);
        }
        Told storage told = _toldOf[script.id][line];
        address pharmacist = _at(told.filler, PHARMACIST, seed);
        if (told.through == address(0)) _say(pharmacist, abi.encodeCall(IPrescriptions.unfill, (script.id, line)));
        else _say(_till, abi.encodeCall(IPrescriptions.unfillFor, (pharmacist, script.id, line)));

        told.given -= told.units;
        (told.units, told.filler, told.time, told.through) = (0, 0, 0, address(0));
    }

    /// @notice The prescriber's member, or the bearer, cancels a line. That is rare, so that some are left.
    function cancel(uint256 seed) external acting {
        if (_more(seed, 3) % 3 != 0) revert NothingToDo();
        Script storage script = _choose(seed);
        uint32 line = uint32(1) << uint32(_more(seed, 1) % script.count);
        if (script.cancelled & line != 0) revert NothingToDo();
        if (_more(seed, 2) % 2 == 0) {
            _say(_at(script.member, PRESCRIBER, seed), abi.encodeCall(IPrescriptions.cancel, (script.id, line)));
        } else {
            bytes memory data = _cancelling(script, line, script.bearer, _soon(seed));
            _say(world.stranger(), data);
            _spend(world.stranger(), data);
            ++script.words;
        }
        script.cancelled |= line;
    }

    // What others try

    /// @notice A prescription comes onto the chain again, or in the name of who did not sign it, or of no prescriber.
    function hostilePrescribe(uint256 seed) external acting {
        Script storage script = _choose(seed);
        IPrescriptions.Terms memory terms = script.terms;
        uint256 kind = _more(seed, 1) % 3;
        if (kind == 0) {
            bytes memory data = abi.encodeCall(IPrescriptions.prescribe, (terms.bearer, terms.lines, terms.file));
            _refused(terms.prescriber, address(_prescriptions), data, "P2");
        } else if (kind == 1) {
            bytes memory data = abi.encodeCall(
                IPrescriptions.prescribe,
                (terms.bearer, terms.lines, bytes32(seed | 1))
            );
            _refused(_at(SECOND_PHARMACY, PHARMACIST, seed), address(_prescriptions), data, "P1");
        } else {
            terms.file = bytes32(seed | 1);
            IPrescriptions.Prescribe memory told = IPrescriptions.Prescribe(terms, _soon(seed));
            bytes memory signature = _signature(script.bearer, _hashOf(told));
            bytes memory data = abi.encodeCall(IPrescriptions.prescribeBySig, (told, signature));
            _refused(world.stranger(), address(_prescriptions), data, "P1");
        }
    }

    /// @notice A word that somebody else signed, that is for another, or of another moment.
    function hostileTake(uint256 seed, uint256 how) external acting {
        Script storage script = _choose(seed);
        uint32 lines = _linesOf(script, _more(seed, 1));
        uint32 from = _holderOf(script, lines);
        uint32 to = _another(from, how);
        IPrescriptions.Take memory terms = IPrescriptions.Take(script.terms, lines, from, script.words, _soon(how));
        string memory number = _spoil(script, terms, _more(how, 1) % 6, how);
        uint256 key = script.bearer;
        if (_more(how, 1) % 6 == 0) key = uint256(keccak256(abi.encode(how)));
        uint32 signedFor = _more(how, 1) % 6 == 1 ? _another(to, how) : to;
        bytes memory signature = _signature(key, _hashOf(script, terms, signedFor));
        _refusedBy(_at(to, PHARMACIST, how), abi.encodeCall(IPrescriptions.take, (terms, signature)), number);
    }

    /// @notice What was sent is sent again, by whomever it was sent.
    function hostileAgain(uint256 seed) external acting {
        if (_spent.length == 0) revert NothingToDo();
        Spent storage spent = _spent[seed % _spent.length];
        _refusedBy(spent.sender, spent.data, "P11");
    }

    /// @notice A line is filled by who does not hold it, beyond what is due, as another one, for nothing.
    function hostileFill(uint256 seed, uint256 how) external acting {
        (Script storage script, uint8 line) = _findHeld(seed, true);
        uint32 by = _holds(_toldOf[script.id][line]);
        IPrescriptions.Filling memory filling = _filling(script, line, 1);
        string memory number = "P8";
        if (how % 3 == 0) by = _another(by, how / 3);
        else number = _spoil(script, filling, how / 3);
        _refusedBy(_at(by, PHARMACIST, how), abi.encodeCall(IPrescriptions.fill, (filling)), number);
    }

    /// @notice Who holds a line fills it before its earliest second, or from its latest on.
    function hostileUntimely(uint256 seed, uint256 how) external acting {
        bool isEarly = how % 2 == 0;
        (bool found, Script storage script, uint8 line) = _findUntimely(seed, isEarly);
        if (!found && isEarly) {
            _prescribe(how);
            (found, script, line) = _findUntimely(seed, isEarly);
        }
        if (!found) revert NothingToDo();

        uint32 by = _holds(_toldOf[script.id][line]);
        if (by == 0) {
            by = _pharmacy(seed);
            _takeLine(script, line, by, seed);
        }
        bytes memory data = abi.encodeCall(IPrescriptions.fill, (_filling(script, line, 1)));
        _refusedBy(_at(by, PHARMACIST, how), data, "P6");
    }

    /// @notice Who holds a line fills it after it was cancelled.
    function hostileCancelled(uint256 seed) external acting {
        if (seed % 2 == 0) revert NothingToDo();
        (Script storage script, uint8 line) = _findHeld(seed, true);
        uint32 holder = _holds(_toldOf[script.id][line]);
        _say(
            _at(script.member, PRESCRIBER, seed),
            abi.encodeCall(IPrescriptions.cancel, (script.id, uint32(1) << line))
        );
        script.cancelled |= uint32(1) << line;
        bytes memory data = abi.encodeCall(IPrescriptions.fill, (_filling(script, line, 1)));
        _refusedBy(_at(holder, PHARMACIST, seed), data, "P7");
    }

    /// @notice A filling is taken back by another pharmacy, past its contract, or too late.
    function hostileUnfill(uint256 seed, uint256 how) external acting {
        Script storage script = _choose(seed);
        uint8 line = uint8(_more(seed, 1) % script.count);
        Told storage told = _toldOf[script.id][line];
        bool isLate = told.filler == 0 || block.timestamp > told.time + UNDO_WINDOW;
        uint32 by = isLate && told.filler != 0 ? told.filler : _pharmacy(how);
        if (by == told.filler && !isLate) {
            // The right pharmacy, but not through what it was given through.
            if (told.through == address(0) && by == SECOND_PHARMACY) revert NothingToDo();
            address pharmacist = _at(by, PHARMACIST, how);
            if (told.through == address(0)) {
                _refusedBy(_till, abi.encodeCall(IPrescriptions.unfillFor, (pharmacist, script.id, line)), "P13");
            } else _refusedBy(pharmacist, abi.encodeCall(IPrescriptions.unfill, (script.id, line)), "P13");
            return;
        }
        bytes memory data = abi.encodeCall(IPrescriptions.unfill, (script.id, line));
        if (isLate && told.through != address(0)) {
            data = abi.encodeCall(IPrescriptions.unfillFor, (_at(by, PHARMACIST, how), script.id, line));
            _refusedBy(_till, data, "P13");
        } else _refusedBy(_at(by, PHARMACIST, how), data, "P13");
    }

    /// @notice A line is given back by who does not hold it, or through a contract that its pharmacy did not name.
    function hostileHold(uint256 seed, uint256 how) external acting {
        if (how % 2 == 0) {
            Script storage script = _choose(seed);
            uint8 line = uint8(_more(seed, 1) % script.count);
            uint32 by = _another(_holds(_toldOf[script.id][line]), how / 2);
            bytes memory data = abi.encodeCall(IPrescriptions.giveBack, (script.id, uint32(1) << line));
            _refusedBy(_at(by, PHARMACIST, how), data, "P12");
        } else {
            (Script storage script, uint8 line) = _findHeld(seed, true);
            if (_holds(_toldOf[script.id][line]) != SECOND_PHARMACY) _takeLine(script, line, SECOND_PHARMACY, seed);
            address pharmacist = _at(SECOND_PHARMACY, PHARMACIST, how);
            bytes memory data = abi.encodeCall(IPrescriptions.fillFor, (pharmacist, _filling(script, line, 1)));
            _refusedBy(_till, data, "P17");
        }
    }

    /// @notice Lines are cancelled by another member, a pharmacy, or somebody else's key.
    function hostileCancel(uint256 seed, uint256 how) external acting {
        Script storage script = _choose(seed);
        uint32 line = uint32(1) << uint32(_more(seed, 1) % script.count);
        if (how % 2 == 0) {
            address other = script.member == HOSPITAL ? world.stranger() : world.accountOf(HOSPITAL);
            if (how % 4 == 0) other = _at(FIRST_PHARMACY, PHARMACIST, how);
            _refusedBy(other, abi.encodeCall(IPrescriptions.cancel, (script.id, line)), "P15");
        } else {
            uint256 key = uint256(keccak256(abi.encode(how)));
            _refusedBy(world.stranger(), _cancelling(script, line, key, _soon(how)), "P15");
        }
    }

    // Properties

    /// @notice It comes onto the chain by its prescriber alone.
    /// property P1
    function property_P1_its_prescriber_said_so() external view returns (bool) {
        return _held("P1");
    }

    /// @notice For which member it was prescribed and when never changes.
    /// property P2
    function property_P2_it_comes_once_and_stays() external view looking returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            Script storage script = _looked(i);
            IPrescriptions.Prescription memory found = _prescriptions.prescriptionOf(script.id);
            if (found.member != script.member || found.time != script.time) return false;
        }
        return _held("P2");
    }

    /// @notice No more was given than had fallen due.
    /// property P3
    function property_P3_no_more_than_is_due() external view returns (bool) {
        return _held("P3");
    }

    /// @notice What a line says was given is what was given less what was taken back.
    /// property P4
    function property_P4_given_less_taken_back() external view looking returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            Script storage script = _looked(i);
            for (uint8 line = 0; line < script.count; ++line) {
                Told storage told = _toldOf[script.id][line];
                if (_prescriptions.lineOf(script.id, line).filled != told.given) return false;
            }
        }
        return true;
    }

    /// @notice Something is given only of a line as it was prescribed.
    /// property P5
    function property_P5_as_it_was_prescribed() external view returns (bool) {
        return _held("P5");
    }

    /// @notice Nothing is given before a line's earliest second, or from its latest on.
    /// property P6
    function property_P6_in_its_time() external view returns (bool) {
        return _held("P6");
    }

    /// @notice Nothing is given of a line that was cancelled.
    /// property P7
    function property_P7_nothing_cancelled_is_given() external view returns (bool) {
        return _held("P7");
    }

    /// @notice Only the pharmacy that holds a line gives something of it.
    /// property P8
    function property_P8_its_holder_gives() external view returns (bool) {
        return _held("P8");
    }

    /// @notice A line has the holder that a word named last, until a day is over.
    /// properties P9, P12
    function property_P9_one_holder_for_a_day() external view looking returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            Script storage script = _looked(i);
            for (uint8 line = 0; line < script.count; ++line) {
                IPrescriptions.LineState memory state = _prescriptions.lineOf(script.id, line);
                uint32 holder = block.timestamp < state.holdEnds ? state.holder : 0;
                if (holder != _holds(_toldOf[script.id][line])) return false;
            }
        }
        return _held("P12");
    }

    /// @notice A pharmacy comes to hold lines only by a word for it.
    /// property P10
    function property_P10_by_a_word_for_it() external view returns (bool) {
        return _held("P10");
    }

    /// @notice A word counts once; what is no word does not change the number.
    /// property P11
    function property_P11_a_word_counts_once() external view looking returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            Script storage script = _looked(i);
            if (_prescriptions.prescriptionOf(script.id).nonce != script.words) return false;
        }
        return _held("P11");
    }

    /// @notice Only what was given last is taken back, by who gave it, through the same, in ten days.
    /// property P13
    function property_P13_only_the_last_is_taken_back() external view looking returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            Script storage script = _looked(i);
            for (uint8 line = 0; line < script.count; ++line) {
                IPrescriptions.LineState memory state = _prescriptions.lineOf(script.id, line);
                Told storage told = _toldOf[script.id][line];
                if (state.units != told.units || state.filler != told.filler || state.time != told.time) return false;
            }
        }
        return _held("P13");
    }

    /// @notice Lines are cancelled by their prescriber's member or a word, and stay it.
    /// property P15
    function property_P15_cancelled_stays_cancelled() external view looking returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            Script storage script = _looked(i);
            if (_prescriptions.prescriptionOf(script.id).cancelled != script.cancelled) return false;
        }
        return _held("P15");
    }

    /// @notice No word counts that names a cancelled line.
    /// property P16
    function property_P16_no_word_for_what_is_cancelled() external view returns (bool) {
        return _held("P16");
    }

    /// @notice A contract acts only for a pharmacist whose member lets it.
    /// property P17
    function property_P17_only_an_operator_acts_for_others() external view returns (bool) {
        return _held("P17");
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](15);
        all[0] = "property_P1_its_prescriber_said_so()";
        all[1] = "property_P2_it_comes_once_and_stays()";
        all[2] = "property_P3_no_more_than_is_due()";
        all[3] = "property_P4_given_less_taken_back()";
        all[4] = "property_P5_as_it_was_prescribed()";
        all[5] = "property_P6_in_its_time()";
        all[6] = "property_P7_nothing_cancelled_is_given()";
        all[7] = "property_P8_its_holder_gives()";
        all[8] = "property_P9_one_holder_for_a_day()";
        all[9] = "property_P10_by_a_word_for_it()";
        all[10] = "property_P11_a_word_counts_once()";
        all[11] = "property_P13_only_the_last_is_taken_back()";
        all[12] = "property_P15_cancelled_stays_cancelled()";
        all[13] = "property_P16_no_word_for_what_is_cancelled()";
        all[14] = "property_P17_only_an_operator_acts_for_others()";
    }

    function _fill(uint256 seed, uint256 units) private {
        (Script storage script, uint8 line) = _findHeld(seed, true);
        Told storage told = _toldOf[script.id][line];
        uint256 left = _due(told.opened) - told.given;
        uint16 given = uint16(1 + (units % left));
        bool through = told.holder != SECOND_PHARMACY && _more(seed, 2) % 2 == 0;
        address pharmacist = _at(told.holder, PHARMACIST, seed);
        IPrescriptions.Filling memory filling = _filling(script, line, given);
        bytes memory data =
            through
                ? abi.encodeCall(IPrescriptions.fillFor, (pharmacist, filling))
                : abi.encodeCall(IPrescriptions.fill, (filling));
        _say(through ? _till : pharmacist, data);

        told.given += given;
        (told.units, told.filler, told.time) = (given, told.holder, uint40(block.timestamp));
        told.through = through ? _till : address(0);
        (told.holder, told.holdEnds) = (0, 0);
        // property P3: at no time more was given than had fallen due.
        _must(_prescriptions.lineOf(script.id, line).filled <= _due(told.opened), "P3");
    }

    // How an act is chosen

    function _choose(uint256 seed) private returns (Script storage script) {
        _touched = seed % _scripts.length;
        return _scripts[_touched];
    }

    function _looked(uint256 i) private view returns (Script storage) {
        return _scripts[i == 0 ? _touched : turn % _scripts.length];
    }

    /// @dev Lines that may be taken by one word: one, or all that the same pharmacy holds.
    function _linesOf(Script storage script, uint256 seed) private view returns (uint32 lines) {
        uint32 open = ((uint32(1) << script.count) - 1) & ~script.cancelled;
        if (open == 0) revert NothingToDo();
        uint8 first = uint8(seed % script.count);
        while ((open >> first) & 1 == 0) first = (first + 1) % script.count;
        lines = uint32(1) << first;
        if ((seed >> 8) % 2 == 0) return lines;
        uint32 holder = _holds(_toldOf[script.id][first]);
        for (uint8 i = 0; i < script.count; ++i) {
            if ((open >> i) & 1 == 1 && _holds(_toldOf[script.id][i]) == holder) lines |= uint32(1) << i;
        }
    }

    function _holderOf(Script storage script, uint32 lines) private view returns (uint32) {
        uint8 first = 0;
        while ((lines >> first) & 1 == 0) ++first;
        return _holds(_toldOf[script.id][first]);
    }

    function _holds(Told storage told) private view returns (uint32) {
        return block.timestamp < told.holdEnds ? told.holder : 0;
    }

    /// @dev A line that is held, and of which something may be given, if that is wanted.
    function _findHeld(uint256 seed, bool open) private returns (Script storage script, uint8 line) {
        for (uint256 k = 0; k < _scripts.length; ++k) {
            script = _choose((seed % _scripts.length) + k);
            for (line = 0; line < script.count; ++line) {
                Told storage told = _toldOf[script.id][line];
                bool may = _holds(told) != 0;
                if (open) may = may && _mayFill(script, told, line);
                if (may) return (script, line);
            }
        }
        return _takeAny(seed);
    }

    /// @dev A pharmacy takes a line of which something may be given.
    function _takeAny(uint256 seed) private returns (Script storage script, uint8 line) {
        for (uint256 k = 0; k < _scripts.length; ++k) {
            script = _choose((seed % _scripts.length) + k);
            for (line = 0; line < script.count; ++line) {
                Told storage told = _toldOf[script.id][line];
                if (!_mayFill(script, told, line)) continue;
                _takeLine(script, line, _pharmacy(seed), seed);
                return (script, line);
            }
        }
        revert NothingToDo();
    }

    /// @dev A pharmacy takes a line from whoever holds it, or that nobody holds.
    function _takeLine(Script storage script, uint8 line, uint32 to, uint256 seed) private {
        Told storage told = _toldOf[script.id][line];
        (IPrescriptions.Take memory terms, bytes memory signature) = _word(
            script,
            uint32(1) << line,
            _holds(told),
            to,
            _soon(seed)
        );
        _say(_at(to, PHARMACIST, seed), abi.encodeCall(IPrescriptions.take, (terms, signature)));
        ++script.words;
        (told.holder, told.holdEnds) = (to, uint40(block.timestamp + HOLD));
    }

    /// @dev A line for which it is too early, or too late.
    function _findUntimely(uint256 seed, bool isEarly) private returns (bool found, Script storage script, uint8 line) {
        script = _choose(seed);
        for (uint256 k = 0; k < _scripts.length; ++k) {
            script = _choose((seed % _scripts.length) + k);
            for (line = 0; line < script.count; ++line) {
                IPrescriptions.Line storage opened = _toldOf[script.id][line].opened;
                bool isIt = isEarly ? block.timestamp < opened.earliest : block.timestamp >= opened.latest;
                if (isIt && (script.cancelled >> line) & 1 == 0) return (true, script, line);
            }
        }
    }

    function _mayFill(Script storage script, Told storage told, uint8 line) private view returns (bool) {
        bool inTime = block.timestamp >= told.opened.earliest && block.timestamp < told.opened.latest;
        bool isOpen = (script.cancelled >> line) & 1 == 0 && world.consortium().inStanding(script.member);
        return inTime && isOpen && _due(told.opened) > told.given;
    }

    /// @dev A line of which something may be taken back.
    function _findFilled(uint256 seed) private returns (bool found, Script storage script, uint8 line) {
        script = _choose(seed);
        for (uint256 k = 0; k < _scripts.length; ++k) {
            script = _choose((seed % _scripts.length) + k);
            for (line = 0; line < script.count; ++line) {
                Told storage told = _toldOf[script.id][line];
                if (told.filler != 0 && block.timestamp <= told.time + UNDO_WINDOW) return (true, script, line);
            }
        }
    }

    /// @dev The quantity at once, and again with each refill whose day has come.
    function _due(IPrescriptions.Line storage line) private view returns (uint256 due) {
        for (uint256 refill = 0; refill <= line.refills; ++refill) {
            uint256 day = line.earliest + refill * line.interval * 1 days;
            if (day <= block.timestamp) due += line.quantity;
        }
    }

    /// @dev Makes a word one that does not count, and says by which property. The first two kinds are of its signature.
    function _spoil(
        Script storage script,
        IPrescriptions.Take memory terms,
        uint256 kind,
        uint256 how
    ) private view returns (string memory) {
        if (kind < 2) return "P10";
        if (kind == 2 && script.cancelled != 0) {
            terms.lines |= script.cancelled;
            return "P16";
        }
        if (kind == 2) {
            terms.from = terms.from == 0 ? FIRST_PHARMACY : 0;
            return "P10";
        }
        if (kind == 3) ++terms.nonce;
        else if (kind == 4) terms.deadline = uint40(block.timestamp - 1 - (how % 1 hours));
        else terms.deadline = uint40(block.timestamp + 1 hours + 1);
        return "P11";
    }

    /// @dev Makes a filling that may be one that is not to be.
    function _spoil(
        Script storage script,
        IPrescriptions.Filling memory filling,
        uint256 how
    ) private view returns (string memory) {
        Told storage told = _toldOf[script.id][filling.line];
        uint256 kind = how % 5;
        if (kind == 0) ++filling.opened.quantity;
        else if (kind == 1) ++filling.line;
        else if (kind == 2) filling.units = 0;
        else if (kind == 3) filling.evidence = 0;
        else {
            filling.units = uint16(_due(told.opened) - told.given + 1);
            return "P3";
        }
        return "P5";
    }

    function _another(uint32 member, uint256 seed) private pure returns (uint32) {
        uint32 other = _pharmacy(seed);
        return other == member ? _pharmacy((seed % 3) + 1) : other;
    }

    function _at(uint32 member, Roles roles, uint256 seed) private view returns (address) {
        return People.at(world, member, roles, seed);
    }

    function _pharmacy(uint256 seed) private pure returns (uint32) {
        if (seed % 3 == 0) return FIRST_PHARMACY;
        return seed % 3 == 1 ? SECOND_PHARMACY : CLINIC;
    }

    // What is said

    function _say(address sender, bytes memory data) private {
        _do(sender, address(_prescriptions), data);
    }

    function _refusedBy(address sender, bytes memory data, string memory number) private {
        _refused(sender, address(_prescriptions), data, number);
    }

    function _spend(address sender, bytes memory data) private {
        if (_spent.length < 12) _spent.push(Spent(sender, data));
        else _spent[turn % 12] = Spent(sender, data);
    }

    function _prescribe(uint256 seed) private {
        uint32 member = HOSPITAL;
        address prescriber = _at(member, PRESCRIBER, seed);
        uint256 bearer = uint256(keccak256(abi.encode("bearer", ++_made)));
        uint8 count = uint8(1 + (_more(seed, 1) % 4));
        IPrescriptions.Line[] memory lines = new IPrescriptions.Line[](count);
        bytes32[] memory hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            lines[i] = _line(_more(seed, 2 + i));
            hashes[i] = keccak256(abi.encode(LINE_TYPEHASH, lines[i]));
        }
        IPrescriptions.Terms memory terms = IPrescriptions.Terms(
            prescriber,
            VM.addr(bearer),
            keccak256(abi.encodePacked(hashes)),
            bytes32(_made)
        );
        _put(terms, _more(seed, 9) % 2 == 0, seed);
        _keep(terms, lines, bearer, member);
    }

    function _put(IPrescriptions.Terms memory terms, bool signed, uint256 seed) private {
        if (signed) {
            IPrescriptions.Prescribe memory told = IPrescriptions.Prescribe(terms, _soon(seed));
            bytes memory signature = _sign(terms.prescriber, address(_prescriptions), _hashOf(told));
            _say(world.stranger(), abi.encodeCall(IPrescriptions.prescribeBySig, (told, signature)));
        } else {
            _say(terms.prescriber, abi.encodeCall(IPrescriptions.prescribe, (terms.bearer, terms.lines, terms.file)));
        }
    }

    function _keep(
        IPrescriptions.Terms memory terms,
        IPrescriptions.Line[] memory lines,
        uint256 bearer,
        uint32 member
    ) private {
        if (_scripts.length < MOST) _scripts.push();
        _touched = (_made - 1) % MOST;
        Script storage script = _scripts[_touched];
        script.id = keccak256(abi.encode(terms.prescriber, terms.bearer, terms.lines, terms.file));
        script.terms = terms;
        (script.bearer, script.member, script.count) = (bearer, member, uint8(lines.length));
        (script.time, script.words, script.cancelled) = (uint40(block.timestamp), 0, 0);
        for (uint8 i = 0; i < lines.length; ++i) _toldOf[script.id][i].opened = lines[i];
    }

    function _line(uint256 seed) private view returns (IPrescriptions.Line memory line) {
        line.item = bytes32(seed);
        line.quantity = uint16(1 + (seed % 4));
        line.refills = uint8((seed >> 8) % 4);
        line.interval = uint16((seed >> 16) % 4);
        line.earliest = uint40(block.timestamp + ((seed >> 24) % 3) * ((seed >> 32) % 1 days));
        line.latest = uint40(line.earliest + 1 days + ((seed >> 64) % 30 days));
    }

    function _filling(
        Script storage script,
        uint8 line,
        uint16 units
    ) private view returns (IPrescriptions.Filling memory filling) {
        filling.terms = script.terms;
        filling.hashes = new bytes32[](script.count);
        for (uint8 i = 0; i < script.count; ++i) {
            filling.hashes[i] = keccak256(abi.encode(LINE_TYPEHASH, _toldOf[script.id][i].opened));
        }
        filling.line = line;
        filling.opened = _toldOf[script.id][line].opened;
        filling.units = units;
        filling.evidence = "evidence";
    }

    function _word(
        Script storage script,
        uint32 lines,
        uint32 from,
        uint32 to,
        uint40 deadline
    ) private view returns (IPrescriptions.Take memory terms, bytes memory signature) {
        terms = IPrescriptions.Take(script.terms, lines, from, script.words, deadline);
        signature = _signature(script.bearer, _hashOf(script, terms, to));
    }

    function _cancelling(
        Script storage script,
        uint32 lines,
        uint256 key,
        uint40 deadline
    ) private view returns (bytes memory) {
        IPrescriptions.Cancel memory terms = IPrescriptions.Cancel(script.terms, lines, script.words, deadline);
        bytes32 hash = keccak256(abi.encode(CANCEL_TYPEHASH, script.id, lines, script.words, deadline));
        return abi.encodeCall(IPrescriptions.cancelBySig, (terms, _signature(key, hash)));
    }

    function _hashOf(
        Script storage script,
        IPrescriptions.Take memory terms,
        uint32 to
    ) private view returns (bytes32) {
        return
            keccak256(abi.encode(TAKE_TYPEHASH, script.id, terms.lines, terms.from, to, terms.nonce, terms.deadline));
    }

    function _hashOf(IPrescriptions.Prescribe memory told) private pure returns (bytes32) {
        IPrescriptions.Terms memory terms = told.terms;
        return
            keccak256(
                abi.encode(PRESCRIBE_TYPEHASH, terms.prescriber, terms.bearer, terms.lines, terms.file, told.deadline)
            );
    }

    function _signature(uint256 key, bytes32 structHash) private view returns (bytes memory) {
        bytes32 hash = world.hashOf(address(_prescriptions), structHash);
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    function _permit(uint32 member) private {
        bytes memory data = abi.encodeCall(IConsortium.setOperator, (_till, FILL_FOR));
        _do(world.accountOf(member), address(world.consortium()), data);
    }
}
