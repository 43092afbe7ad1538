// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Scope} from "../../types/Scope.sol";

/// @title IEmergencies
/// @notice Who broke the glass for whom, why, who released a share of the key, and what a reviewer said of it.
/// @dev This contract opens nothing by itself: the key is in shares at custodians whom the patient chose, and they look
/// here before they release one. Which classes the key opens is in the sealed escrow, and the chain does not know it.
interface IEmergencies {
    /// @notice Where a case stands. Withdrawn, Sanctioned and Justified are the end.
    enum CaseStatus {
        None,
        Open,
        Withdrawn,
        Sanctioned,
        Justified
    }

    /// @notice Why a patient is not asked: she cannot answer, there is no time to, or others are in danger.
    enum Reason {
        None,
        CannotBeAsked,
        CannotWait,
        OthersInDanger
    }

    /// @notice A clinician's emergency; two slots.
    /// @param clinician Who opened it, and who alone is to read.
    /// @param member The member that the clinician was with; reading asks for standing with the same one.
    /// @param opened The second at which it was opened.
    /// @param status Where it stands.
    /// @param reason Why the patient is not asked.
    /// @param releases How many custodians have released a share.
    /// @param pseudonym The patient's emergency pseudonym.
    /// @param version The version of its bundle, whose escrow the shares are of.
    /// @param era The pseudonym's era.
    struct Case {
        address clinician;
        uint32 member;
        uint40 opened;
        CaseStatus status;
        Reason reason;
        uint8 releases;
        address pseudonym;
        uint32 version;
        uint32 era;
    }

    /// @notice What the next case of a clinician depends on; one slot.
    /// @param latest The clinician's latest case, zero for none.
    /// @param since When the day began in which cases are counted.
    /// @param opened How many were opened in it.
    /// @param barredUntil Sanctioned until this second; zero for not.
    struct Conduct {
        uint64 latest;
        uint40 since;
        uint8 opened;
        uint40 barredUntil;
    }

    /// @notice What a patient says of a case, signed by the pseudonym's controller. A wallet shows the verdict's word.
    /// @param pseudonym The emergency pseudonym.
    /// @param number The case.
    /// @param verdict Justified or Sanctioned.
    /// @param barredUntil Until when the clinician is barred; zero unless sanctioned.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Review {
        address pseudonym;
        uint64 number;
        CaseStatus verdict;
        uint40 barredUntil;
        uint32 era;
        uint40 deadline;
    }

    /// @notice Which rule said no; None when reading is allowed.
    enum Refusal {
        None,
        EmptyScope,
        NoCase,
        Closed,
        NoStanding,
        EraRaised,
        WindowOver,
        OutOfScope
    }

    /// @notice A clinician stated an emergency. `words` is the digest of what was said of it, sealed to the patient.
    event Opened(
        uint64 indexed number,
        address indexed pseudonym,
        address indexed clinician,
        uint32 member,
        uint32 version,
        Reason reason,
        bytes32 words
    );

    /// @notice A custodian released its share; `share` is the digest of it, sealed to the clinician.
    event Released(uint64 indexed number, uint32 indexed member, address custodian, bytes32 share);

    /// @notice A clinician took a case back of which no share had been released.
    event Withdrawn(uint64 indexed number);

    /// @notice A case was reviewed, by the patient (member zero) or by an auditor of a member.
    event Reviewed(
        uint64 indexed number,
        address indexed clinician,
        CaseStatus verdict,
        uint40 barredUntil,
        address by,
        uint32 member
    );

    /// @notice The board ended a clinician's bar early.
    event Cleared(address indexed clinician);

    /// @notice Only a clinician of a member in standing breaks the glass.
    error NotAClinician(address sender);

    /// @notice The clinician was sanctioned; the bar ends at this second, or when the board clears it.
    error Barred(address clinician, uint40 until);

    /// @notice The clinician's latest case was not reviewed yet; it stands in the way until then, or until it lapses.
    error Unreviewed(uint64 number, uint40 lapses);

    /// @notice The clinician has opened as many cases as a day allows.
    error TooMany(uint8 opened, uint40 until);

    /// @notice A case needs a reason.
    error NoReason();

    /// @notice A case needs the digest of its words, a release that of its share.
    error NoDigest();

    /// @notice The bundle has another version by now; zero means that none was published.
    error StaleVersion(address pseudonym, uint32 version, uint32 current);

    /// @notice The case is not where this would be possible.
    error WrongStatus(uint64 number, CaseStatus status);

    /// @notice Only a custodian of a member in standing releases shares.
    error NotACustodian(address sender);

    /// @notice The window of the case is over.
    error WindowOver(uint64 number, uint40 ended);

    /// @notice The patient revoked everything since the case was opened.
    error EraRaised(uint64 number, uint32 era, uint32 current);

    /// @notice The clinician is not, or no longer, a clinician of the member in standing that the case names.
    error NoStanding(address clinician, uint32 member);

    /// @notice A member releases one share for a case.
    error AlreadyReleased(uint64 number, uint32 member);

    /// @notice Only the clinician of the case takes it back.
    error NotTheClinician(address sender, address clinician);

    /// @notice A case of which a share was released is reviewed, not taken back.
    error HasReleases(uint64 number, uint8 releases);

    /// @notice The sender is neither the patient nor an auditor of a member in standing.
    error NotAReviewer(address sender);

    /// @notice Nobody reviews what the own member did.
    error OwnMember(uint64 number, uint32 member);

    /// @notice The first days are the patient's: an auditor reviews from this second on.
    error TooEarly(uint64 number, uint40 from);

    /// @notice The case is about another pseudonym than the one that signed.
    error WrongPseudonym(uint64 number, address pseudonym);

    /// @notice A review says Justified, or Sanctioned.
    error WrongVerdict(CaseStatus verdict);

    /// @notice A sanction bars from now on, no longer than until `latest`; what is justified bars nobody.
    error WrongBar(uint40 barredUntil, uint256 latest);

    /// @notice How many cases were opened; they are numbered from one.
    function caseCount() external view returns (uint64);

    /// @notice A case as it stands.
    function caseOf(uint64 number) external view returns (Case memory);

    /// @notice What a clinician's next case depends on.
    function conductOf(address clinician) external view returns (Conduct memory);

    /// @notice Whether a member has released its share for a case.
    function isReleased(uint64 number, uint32 member) external view returns (bool);

    /// @notice Whether the reader may read all these classes of the pseudonym's emergency records now.
    /// @dev By the reader's latest case alone: an earlier one was reviewed, was taken back or is long over.
    function allowed(address pseudonym, address reader, Scope scope) external view returns (bool);

    /// @notice Which rule refuses the reader; None when reading is allowed. Always agrees with `allowed`.
    function explain(address pseudonym, address reader, Scope scope) external view returns (Refusal);

    /// @notice States an emergency. Only a clinician in standing who is not barred, whose latest case does not stand in
    /// the way, and who has not opened as many as a day allows.
    /// @param pseudonym The patient's emergency pseudonym, as her card names it.
    /// @param version The version of its bundle now.
    /// @param reason Why the patient is not asked.
    /// @param words The digest of what is said of it, sealed to the patient.
    /// @return number The case.
    function open(address pseudonym, uint32 version, Reason reason, bytes32 words) external returns (uint64 number);

    /// @notice Says that a share was sealed to the clinician. Only a custodian, once a member and case, within the window,
    /// for the bundle's current version, while the clinician has standing.
    /// @param number The case.
    /// @param share The digest of the sealed share.
    function release(uint64 number, bytes32 share) external;

    /// @notice Takes a case back. Only its clinician, and only while no share was released.
    function withdraw(uint64 number) external;

    /// @notice Closes a case with a verdict. The pseudonym's controller, or after the patient's days an auditor of another
    /// member than the clinician's.
    /// @param number The case.
    /// @param verdict Justified or Sanctioned.
    /// @param barredUntil Until when the clinician is barred; zero unless sanctioned.
    function review(uint64 number, CaseStatus verdict, uint40 barredUntil) external;

    /// @notice Closes a case by the controller's signature; anyone may send it.
    function reviewBySig(Review calldata terms, bytes calldata signature) external;

    /// @notice Ends a clinician's bar. Only the board.
    function clear(address clinician) external;
}
