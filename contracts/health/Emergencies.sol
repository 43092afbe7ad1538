// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IEmergencies} from "../interfaces/health/IEmergencies.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {CaseStatuses} from "../libraries/CaseStatuses.sol";
import {AUDITOR, CLINICIAN, CUSTODIAN} from "../types/Roles.sol";
import {Scope} from "../types/Scope.sol";
import {ByPseudonym} from "./ByPseudonym.sol";

/// @title Emergencies
/// @notice Break-glass: a clinician states why, custodians release shares of a key, a reviewer closes the case.
contract Emergencies is IEmergencies, ByPseudonym {
    using CaseStatuses for Case;
    using CaseStatuses for CaseStatus;

    bytes32 private constant REVIEW_TYPEHASH = keccak256(
        "Review(address pseudonym,uint64 number,string verdict,uint40 barredUntil,uint32 era,uint40 deadline)"
    );

    /// @dev How long the clinician may read, and custodians may release.
    uint40 private constant WINDOW = 24 hours;

    /// @dev How long the patient alone reviews.
    uint40 private constant PATIENTS_OWN = 3 days;

    /// @dev How long a case that nobody reviews stands in the clinician's way. It can be reviewed after that, too.
    uint40 private constant LAPSE = 14 days;

    uint40 private constant RATE_DAY = 1 days;
    uint8 private constant RATE = 3;

    uint256 private constant LONGEST_BY_PATIENT = 30 days;
    uint256 private constant LONGEST_BY_AUDITOR = 365 days;

    /// @dev Every class; single records are shared by a grant and never by an escrow.
    Scope private constant READABLE = Scope.wrap(((1 << 17) - 1) + (1 << 60) + (1 << 61));

    IConsortium private immutable _consortium;

    /// @inheritdoc IEmergencies
    uint64 public caseCount;

    mapping(uint64 number => Case) private _caseOf;
    mapping(address clinician => Conduct) private _conductOf;

    /// @inheritdoc IEmergencies
    mapping(uint64 number => mapping(uint32 member => bool)) public isReleased;

    constructor(IConsortium consortium, IKeys keys) EIP712("Theriac Emergencies", "1") ByPseudonym(keys) {
        _consortium = consortium;
    }

    /// @inheritdoc IEmergencies
    function caseOf(uint64 number) external view returns (Case memory) {
        return _caseOf[number];
    }

    /// @inheritdoc IEmergencies
    function conductOf(address clinician) external view returns (Conduct memory) {
        return _conductOf[clinician];
    }

    /// @inheritdoc IEmergencies
    function allowed(address pseudonym, address reader, Scope scope) external view returns (bool) {
        return _explain(pseudonym, reader, scope) == Refusal.None;
    }

    /// @inheritdoc IEmergencies
    function explain(address pseudonym, address reader, Scope scope) external view returns (Refusal) {
        return _explain(pseudonym, reader, scope);
    }

    /// @inheritdoc IEmergencies
    function open(address pseudonym, uint32 version, Reason reason, bytes32 words) external returns (uint64 number) {
        uint32 member = _consortium.standing(msg.sender, CLINICIAN);
        if (member == 0) revert NotAClinician(msg.sender);
        if (reason == Reason.None) revert NoReason();
        if (words == bytes32(0)) revert NoDigest();
        IKeys.Authority memory authority = _keys.authorityOf(pseudonym);
        if (version != authority.version || version == 0) revert StaleVersion(pseudonym, version, authority.version);

        number = ++caseCount;
        _countFor(msg.sender, number);
        Case storage opened = _caseOf[number];
        opened.move(number, CaseStatus.Open);
        (opened.clinician, opened.member, opened.opened) = (msg.sender, member, uint40(block.timestamp));
        (opened.reason, opened.pseudonym) = (reason, pseudonym);
        (opened.version, opened.era) = (version, authority.era);

        emit Opened(number, pseudonym, msg.sender, member, version, reason, words);
    }

    /// @inheritdoc IEmergencies
    function release(uint64 number, bytes32 share) external {
        uint32 member = _consortium.standing(msg.sender, CUSTODIAN);
        if (member == 0) revert NotACustodian(msg.sender);
        if (share == bytes32(0)) revert NoDigest();
        Case memory found = _caseOf[number];
        _checkReleasable(number, found);
        if (isReleased[number][member]) revert AlreadyReleased(number, member);

        isReleased[number][member] = true;
        _caseOf[number].releases = found.releases + 1;

        emit Released(number, member, msg.sender, share);
    }

    /// @inheritdoc IEmergencies
    function withdraw(uint64 number) external {
        Case storage found = _caseOf[number];
        if (msg.sender != found.clinician) revert NotTheClinician(msg.sender, found.clinician);
        if (found.releases != 0) revert HasReleases(number, found.releases);

        found.move(number, CaseStatus.Withdrawn);

        emit Withdrawn(number);
    }

    /// @inheritdoc IEmergencies
    function review(uint64 number, CaseStatus verdict, uint40 barredUntil) external {
        Case memory found = _caseOf[number];
        IKeys.Authority memory authority = _keys.authorityOf(found.pseudonym);
        if (msg.sender == authority.controller) {
            if (authority.frozen) revert IKeys.Frozen(found.pseudonym);
            _review(number, verdict, barredUntil, LONGEST_BY_PATIENT, msg.sender, 0);
        } else {
            uint32 member = _checkAuditor(number, found, msg.sender);
            _review(number, verdict, barredUntil, LONGEST_BY_AUDITOR, msg.sender, member);
        }
    }

    /// @inheritdoc IEmergencies
    function reviewBySig(Review calldata terms, bytes calldata signature) external {
        _checkFreeSignature(terms.pseudonym, terms.era, terms.deadline, _hashReview(terms), signature);
        address pseudonym = _caseOf[terms.number].pseudonym;
        if (terms.pseudonym != pseudonym) revert WrongPseudonym(terms.number, pseudonym);

        address controller = _keys.authorityOf(pseudonym).controller;
        _review(terms.number, terms.verdict, terms.barredUntil, LONGEST_BY_PATIENT, controller, 0);
    }

    /// @inheritdoc IEmergencies
    function clear(address clinician) external {
        address board = _consortium.board();
        if (msg.sender != board) revert IConsortium.NotTheBoard(msg.sender, board);

        _conductOf[clinician].barredUntil = 0;

        emit Cleared(clinician);
    }

    /// @dev A bar never ends sooner by another sanction; only the board shortens it.
    function _review(
        uint64 number,
        CaseStatus verdict,
        uint40 barredUntil,
        uint256 longest,
        address by,
        uint32 member
    ) private {
        if (!verdict.isVerdict()) revert WrongVerdict(verdict);
        _checkBar(verdict, barredUntil, longest);

        Case storage found = _caseOf[number];
        found.move(number, verdict);
        address clinician = found.clinician;
        Conduct storage conduct = _conductOf[clinician];
        if (barredUntil > conduct.barredUntil) conduct.barredUntil = barredUntil;

        emit Reviewed(number, clinician, verdict, barredUntil, by, member);
    }

    /// @dev Refuses who is barred, whose latest case waits for its review, and who was quick.
    function _countFor(address clinician, uint64 number) private {
        Conduct memory conduct = _conductOf[clinician];
        if (block.timestamp < conduct.barredUntil) revert Barred(clinician, conduct.barredUntil);
        Case storage latest = _caseOf[conduct.latest];
        uint40 lapses = latest.opened + LAPSE;
        if (latest.status == CaseStatus.Open && block.timestamp < lapses) revert Unreviewed(conduct.latest, lapses);
        if (block.timestamp >= conduct.since + RATE_DAY) (conduct.since, conduct.opened) = (uint40(block.timestamp), 0);
        if (conduct.opened == RATE) revert TooMany(RATE, conduct.since + RATE_DAY);

        conduct.opened += 1;
        conduct.latest = number;
        _conductOf[clinician] = conduct;
    }

    function _explain(address pseudonym, address reader, Scope scope) private view returns (Refusal) {
        if (scope.isEmpty()) return Refusal.EmptyScope;
        Case memory found = _caseOf[_conductOf[reader].latest];
        if (found.status == CaseStatus.None || found.pseudonym != pseudonym) return Refusal.NoCase;
        if (found.status != CaseStatus.Open) return Refusal.Closed;
        if (_consortium.standing(reader, CLINICIAN) != found.member) return Refusal.NoStanding;
        if (_keys.eraOf(pseudonym) != found.era) return Refusal.EraRaised;
        if (block.timestamp >= found.opened + WINDOW) return Refusal.WindowOver;

        return READABLE.includes(scope) ? Refusal.None : Refusal.OutOfScope;
    }

    /// @dev Custodians look at all of this themselves; that the chain does too stops who does not.
    function _checkReleasable(uint64 number, Case memory found) private view {
        if (found.status != CaseStatus.Open) revert WrongStatus(number, found.status);
        uint40 ends = found.opened + WINDOW;
        if (block.timestamp >= ends) revert WindowOver(number, ends);
        IKeys.Authority memory authority = _keys.authorityOf(found.pseudonym);
        if (found.era != authority.era) revert EraRaised(number, found.era, authority.era);
        if (found.version != authority.version) {
            revert StaleVersion(found.pseudonym, found.version, authority.version);
        }
        if (_consortium.standing(found.clinician, CLINICIAN) != found.member) {
            revert NoStanding(found.clinician, found.member);
        }
    }

    function _checkAuditor(uint64 number, Case memory found, address sender) private view returns (uint32 member) {
        member = _consortium.standing(sender, AUDITOR);
        if (member == 0) revert NotAReviewer(sender);
        if (found.status == CaseStatus.None) revert WrongStatus(number, CaseStatus.None);
        if (member == found.member) revert OwnMember(number, member);
        uint40 from = found.opened + PATIENTS_OWN;
        if (block.timestamp < from) revert TooEarly(number, from);
    }

    function _checkBar(CaseStatus verdict, uint40 barredUntil, uint256 longest) private view {
        if (verdict == CaseStatus.Justified) {
            if (barredUntil != 0) revert WrongBar(barredUntil, 0);
            return;
        }
        uint256 latest = block.timestamp + longest;
        if (barredUntil <= block.timestamp || barredUntil > latest) revert WrongBar(barredUntil, latest);
    }

    function _hashReview(Review calldata terms) private pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    REVIEW_TYPEHASH,
                    terms.pseudonym,
                    terms.number,
                    terms.verdict.hashOf(),
                    terms.barredUntil,
                    terms.era,
                    terms.deadline
                )
            );
    }
}
