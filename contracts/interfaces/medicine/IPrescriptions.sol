// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title IPrescriptions
/// @notice What a prescriber allowed to be dispensed, which pharmacy prepares it, and how much of it was given.
/// @dev No patient is on the chain. A prescription is for whoever has its bearer key: an account that is used for nothing
/// else, so that a pharmacy cannot take what nobody brought to it. Its number is the hash of its terms. The chain has the
/// hash of its lines; a line is shown when it is filled, and says nothing of the medicine but a salted commitment.
interface IPrescriptions {
    /// @notice What a prescription's number is the hash of.
    /// @param prescriber The account that prescribed.
    /// @param bearer The account whose key the patient has.
    /// @param lines The hash of the lines, as EIP-712 hashes an array of them.
    /// @param file The digest of the sealed file with what the lines stand for.
    struct Terms {
        address prescriber;
        address bearer;
        bytes32 lines;
        bytes32 file;
    }

    /// @notice One thing that was prescribed.
    /// @param item The salted commitment to what it is.
    /// @param quantity How many units may be given at first, and again with each refill. The sealed file says of what.
    /// @param refills How often the quantity may be given again.
    /// @param interval The days from one refill's falling due to the next one's; zero where all are due from the start.
    /// @param earliest The second from which it may be filled.
    /// @param latest The second from which it may be filled no more.
    struct Line {
        bytes32 item;
        uint16 quantity;
        uint8 refills;
        uint16 interval;
        uint40 earliest;
        uint40 latest;
    }

    /// @notice What a prescriber signs, so that anyone can carry it. The wallet shows the lines, the chain sees their hash.
    /// @param terms What is prescribed.
    /// @param deadline The last second at which it counts.
    struct Prescribe {
        Terms terms;
        uint40 deadline;
    }

    /// @notice The bearer's word that a pharmacy may have lines. What is signed, a Take, names the prescription by its
    /// number, and in `to` the pharmacy.
    /// @param terms The prescription's terms.
    /// @param lines Which lines: bit i is line i.
    /// @param from The member that holds them now and gives them up; zero where none does.
    /// @param nonce How often the bearer's word was used before.
    /// @param deadline The last second at which it counts.
    struct Take {
        Terms terms;
        uint32 lines;
        uint32 from;
        uint32 nonce;
        uint40 deadline;
    }

    /// @notice The bearer's word that lines are filled no more. What is signed names the prescription by its number.
    /// @param terms The prescription's terms.
    /// @param lines Which lines: bit i is line i.
    /// @param nonce How often the bearer's word was used before.
    /// @param deadline The last second at which it counts.
    struct Cancel {
        Terms terms;
        uint32 lines;
        uint32 nonce;
        uint40 deadline;
    }

    /// @notice A line that is filled.
    /// @param terms The prescription's terms.
    /// @param hashes The hashes of all its lines, in order.
    /// @param line Which of them is filled.
    /// @param opened That line.
    /// @param units How many units are given.
    /// @param evidence The digest of the sealed file that says what was given.
    struct Filling {
        Terms terms;
        bytes32[] hashes;
        uint8 line;
        Line opened;
        uint16 units;
        bytes32 evidence;
    }

    /// @notice What is known of a prescription.
    /// @param member The member it was prescribed for; zero where there is no such prescription.
    /// @param time When it came onto the chain.
    /// @param nonce How often the bearer's word was used.
    /// @param cancelled The lines that were cancelled: bit i is line i.
    struct Prescription {
        uint32 member;
        uint40 time;
        uint32 nonce;
        uint32 cancelled;
    }

    /// @notice What is known of a line.
    /// @param filled How many units were given and not taken back.
    /// @param holder The pharmacy that prepares it; zero for none.
    /// @param holdEnds The second from which it is held no more.
    /// @param filler The pharmacy that filled it last; zero where that was taken back.
    /// @param units How many units it gave then.
    /// @param time When that was.
    /// @param operator The last 96 bits of the contract through which that was; zero where it was none.
    struct LineState {
        uint16 filled;
        uint32 holder;
        uint32 holdEnds;
        uint32 filler;
        uint16 units;
        uint32 time;
        uint96 operator;
    }

    /// @notice Something was prescribed.
    event Prescribed(
        bytes32 indexed prescription,
        uint32 indexed member,
        address prescriber,
        address bearer,
        bytes32 lines,
        bytes32 file
    );

    /// @notice A pharmacy holds lines until `ends`; `from` gave them up.
    event Taken(bytes32 indexed prescription, uint32 indexed member, uint32 lines, uint32 from, uint40 ends);

    /// @notice A pharmacy holds lines no more.
    event GivenBack(bytes32 indexed prescription, uint32 indexed member, uint32 lines);

    /// @notice A line was filled.
    event Filled(
        bytes32 indexed prescription,
        uint32 indexed member,
        address indexed by,
        uint8 line,
        uint16 units,
        bytes32 evidence
    );

    /// @notice What was filled last was taken back.
    event Unfilled(bytes32 indexed prescription, uint32 indexed member, address indexed by, uint8 line, uint16 units);

    /// @notice Lines are not filled any more; by the prescriber's member, or by the bearer where that is zero.
    event Cancelled(bytes32 indexed prescription, uint32 indexed member, uint32 lines);

    /// @notice The account holds no such role for a member in standing.
    error NoStanding(address account);

    /// @notice The member that prescribed it is not in standing; another has to prescribe it anew.
    error PrescriberNotInStanding(uint32 member);

    /// @notice The member does not let this contract fill for it.
    error NotAnOperator(address operator, uint32 member);

    /// @notice Another member prescribed it.
    error NotThePrescriber(bytes32 prescription, uint32 member, uint32 prescriber);

    /// @notice It needs a bearer, lines and a file.
    error EmptyPrescription();

    /// @notice These terms were prescribed before.
    error AlreadyPrescribed(bytes32 prescription);

    /// @notice There is no such prescription.
    error NoSuchPrescription(bytes32 prescription);

    /// @notice The hashes or the line are not those of the prescription.
    error WrongLine(bytes32 prescription, uint8 line);

    /// @notice A word about lines has to name some, and no cancelled ones.
    error WrongLines(uint32 lines, uint32 cancelled);

    /// @notice Another member than the one named holds the line, or none does.
    error NotTheHolder(bytes32 prescription, uint8 line, uint32 member, uint32 holder);

    /// @notice The line was cancelled.
    error IsCancelled(bytes32 prescription, uint8 line);

    /// @notice It is too early for this line.
    error TooEarly(bytes32 prescription, uint8 line, uint40 earliest);

    /// @notice It is too late: the line may be filled no more, or its last filling be taken back no more.
    error TooLate(bytes32 prescription, uint8 line, uint256 latest);

    /// @notice So many units were not prescribed, not by now, or were given before.
    error TooMany(bytes32 prescription, uint8 line, uint256 units, uint256 left);

    /// @notice The last filling was another pharmacy's, through another contract, or was taken back.
    error NotTheFiller(bytes32 prescription, uint8 line, uint32 filler);

    /// @notice A filling has to give something and to say what.
    error EmptyFilling();

    /// @notice The bearer's word was given for another time.
    error WrongNonce(uint32 nonce, uint32 current);

    /// @notice The message counts no more.
    error SignatureExpired(uint40 deadline);

    /// @notice A deadline may be an hour ahead.
    error DeadlineTooFar(uint40 deadline, uint256 latest);

    /// @notice The signature is not that of the account it should be of.
    error WrongSignature(address signer);

    /// @notice The number of a prescription with these terms.
    function idOf(Terms calldata terms) external pure returns (bytes32 prescription);

    /// @notice What is known of a prescription.
    function prescriptionOf(bytes32 prescription) external view returns (Prescription memory);

    /// @notice What is known of a line; all zero where nothing was done with it.
    function lineOf(bytes32 prescription, uint8 line) external view returns (LineState memory);

    /// @notice Prescribes. Only a prescriber.
    function prescribe(address bearer, bytes32 lines, bytes32 file) external returns (bytes32 prescription);

    /// @notice Prescribes what a prescriber signed; anyone may carry it.
    function prescribeBySig(Prescribe calldata terms, bytes calldata signature) external returns (bytes32 prescription);

    /// @notice Holds lines for a day, so that a pharmacy can prepare them. Only a pharmacist, with the bearer's word; where
    /// another pharmacy holds them, the word names it, and they change hands.
    function take(Take calldata terms, bytes calldata signature) external;

    /// @notice Holds lines for a pharmacist, whose member lets the sender do so.
    function takeFor(address pharmacist, Take calldata terms, bytes calldata signature) external;

    /// @notice Lets go of lines. Only the pharmacy that holds them.
    function giveBack(bytes32 prescription, uint32 lines) external;

    /// @notice Fills a line that the pharmacy holds, and holds it no more.
    function fill(Filling calldata filling) external;

    /// @notice Fills a line for a pharmacist, whose member lets the sender do so.
    function fillFor(address pharmacist, Filling calldata filling) external;

    /// @notice Takes the last filling of a line back, within ten days of it. Only the pharmacy that filled it.
    function unfill(bytes32 prescription, uint8 line) external;

    /// @notice Takes back what the sender filled for a member: so many units.
    function unfillFor(address pharmacist, bytes32 prescription, uint8 line) external returns (uint16 units);

    /// @notice Cancels lines; what was given stays given. Only a prescriber of the member that prescribed.
    function cancel(bytes32 prescription, uint32 lines) external;

    /// @notice Cancels lines by the bearer's word; anyone may carry it.
    function cancelBySig(Cancel calldata terms, bytes calldata signature) external;
}
