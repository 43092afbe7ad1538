// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IKeys} from "./IKeys.sol";

/// @title IRecovery
/// @notice How guardians give a pseudonym whose wallet is lost to a new wallet, and how its controller objects.
/// @dev Guardians are a salted hash until they are used. No message of theirs names the era: whoever stole the wallet
/// raises it as often as it likes.
interface IRecovery {
    /// @notice Who may recover a pseudonym together. The chain keeps the hash of this until it is used.
    /// @param salt 32 random bytes of this set alone, so that nobody can guess the set from its hash.
    /// @param threshold How many of them start a recovery; fewer than an objection asks for.
    /// @param accounts At most 16, ascending; a guardian has another account for each pseudonym.
    struct Guardians {
        bytes32 salt;
        uint8 threshold;
        address[] accounts;
    }

    /// @notice Which guardians count for a pseudonym.
    /// @param guardians The hash of the set that counts now, zero for none.
    /// @param successor The hash of the set that will count, zero for none.
    /// @param since When the successor counts; zero where nothing is to come.
    /// @param nonce Counts the sets; a signature for the next one names it.
    /// @param opened When the set that counts now was first used, zero for never.
    struct Guard {
        bytes32 guardians;
        bytes32 successor;
        uint40 since;
        uint32 nonce;
        uint40 opened;
    }

    /// @notice A recovery as it stands.
    /// @param controller Who is to control the pseudonym; zero where none is pending.
    /// @param round Counts the recoveries; every signature names the one that it is for.
    /// @param ends The controller may object before, and the recovery can be finished from then on.
    /// @param lapses From then on anyone may end it.
    /// @param confirmed The guardians who are for it, by their places in the set.
    /// @param withdrawn Those who were and are not any more.
    /// @param needed How many must be for it: the threshold, or all but one once there was an objection.
    /// @param objected Whether the controller objected; it can do so once.
    struct Pending {
        address controller;
        uint32 round;
        uint40 ends;
        uint40 lapses;
        uint16 confirmed;
        uint16 withdrawn;
        uint8 needed;
        bool objected;
    }

    /// @notice The guardians to come, signed by the controller.
    /// @param pseudonym Whose guardians they are.
    /// @param guardians The hash of the set, zero for none.
    /// @param nonce How many sets there were before.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Appointment {
        address pseudonym;
        bytes32 guardians;
        uint32 nonce;
        uint32 era;
        uint40 deadline;
    }

    /// @notice To whom a pseudonym is to go, signed by each guardian who is for it, and by the new controller.
    /// @param pseudonym What is to change hands.
    /// @param controller The new controller.
    /// @param round Which recovery of the pseudonym it is; the first is one.
    /// @param deadline The last second the signatures count, at most a week ahead.
    struct TakeOver {
        address pseudonym;
        address controller;
        uint32 round;
        uint40 deadline;
    }

    /// @notice That the controller is there and objects, signed by it.
    /// @param pseudonym Whose recovery it is.
    /// @param round Which one.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Objection {
        address pseudonym;
        uint32 round;
        uint32 era;
        uint40 deadline;
    }

    /// @notice That a guardian is not for a recovery any more, signed by it.
    /// @param pseudonym Whose recovery it is.
    /// @param guardian Which guardian.
    /// @param round Which recovery.
    /// @param deadline The last second the signature counts, at most a week ahead.
    struct Withdrawal {
        address pseudonym;
        address guardian;
        uint32 round;
        uint40 deadline;
    }

    /// @notice Other guardians will count; zero for none.
    event GuardiansSet(address indexed pseudonym, bytes32 guardians, uint40 since);

    /// @notice Guardians started a recovery: the pseudonym is frozen.
    event Started(address indexed pseudonym, address indexed controller, uint32 round, uint40 ends);

    /// @notice Guardians are for a recovery, by their places in the set.
    event Confirmed(address indexed pseudonym, uint32 round, uint16 guardians);

    /// @notice The controller objected: so many guardians are needed now.
    event Objected(address indexed pseudonym, uint32 round, uint8 needed);

    /// @notice A guardian is not for a recovery any more.
    event Withdrawn(address indexed pseudonym, uint32 round, address guardian);

    /// @notice A recovery ended and changed nothing: too few guardians are left, or its time is over.
    event Ended(address indexed pseudonym, uint32 round);

    /// @notice A recovery was finished: another account controls the pseudonym.
    event Finished(address indexed pseudonym, uint32 round);

    /// @notice What was shown is not the set that counts.
    error WrongGuardians(bytes32 shown, bytes32 guardians);

    /// @notice Such a set cannot recover anything: more than 16, or a threshold that an objection would not raise.
    error WrongThreshold(uint8 threshold, uint256 size);

    /// @notice The accounts of a set ascend, so that none counts twice.
    error NotAscending(address account);

    /// @notice A signature is for another recovery than this one.
    error WrongRound(uint32 round, uint32 current);

    /// @notice A recovery of the pseudonym is pending already.
    error AlreadyPending(address pseudonym, uint32 round);

    /// @notice No recovery of the pseudonym is pending.
    error NothingPending(address pseudonym);

    /// @notice These guardians were used lately; they can start again from then on, or others can once they count.
    error TooSoon(address pseudonym, uint256 earliest);

    /// @notice The signatures are not as many as the guardians who are named, or some that are named are none.
    error WrongSigners(uint16 signers, uint256 signatures);

    /// @notice Fewer guardians than it takes.
    error TooFew(uint256 guardians, uint8 needed);

    /// @notice These guardians are for this recovery already, or withdrew from it.
    error AlreadyAnswered(uint16 signers);

    /// @notice The account is no guardian who is for this recovery.
    error NotConfirmed(address guardian);

    /// @notice There was an objection already; it is final.
    error AlreadyObjected(address pseudonym, uint32 round);

    /// @notice The time to object is over.
    error TooLate(uint40 ends);

    /// @notice It can be finished, or ended, from then on.
    error TooEarly(uint256 earliest);

    /// @notice The keys' contract, which this one made.
    function keys() external view returns (IKeys);

    /// @notice Which guardians count for the pseudonym, and which will.
    function guardOf(address pseudonym) external view returns (Guard memory);

    /// @notice The pseudonym's recovery as it stands.
    function pendingOf(address pseudonym) external view returns (Pending memory);

    /// @notice The hash by which a set is named.
    function hashOf(Guardians calldata guardians) external pure returns (bytes32);

    /// @notice Names the guardians that count in 30 days; those of before count until then. Only the controller. The
    /// first ones of a pseudonym without any document count at once.
    /// @param pseudonym Whose guardians they are.
    /// @param guardians The hash of the set, zero for none.
    function setGuardians(address pseudonym, bytes32 guardians) external;

    /// @notice Names the guardians by the controller's signature; anyone may send it.
    function setGuardiansBySig(Appointment calldata terms, bytes calldata signature) external;

    /// @notice Starts a recovery and freezes the pseudonym. Anyone may send it.
    /// @param terms What the guardians and the new controller signed.
    /// @param guardians The set that counts.
    /// @param signers Which of them signed, by their places.
    /// @param signatures Theirs, in the order of their places.
    /// @param acceptance The new controller's.
    function start(
        TakeOver calldata terms,
        Guardians calldata guardians,
        uint16 signers,
        bytes[] calldata signatures,
        bytes calldata acceptance
    ) external;

    /// @notice Adds guardians to a recovery that is pending. Anyone may send it.
    /// @param terms What they signed.
    /// @param guardians The set that started it.
    /// @param signers Which of them signed, by their places.
    /// @param signatures Theirs, in the order of their places.
    function confirm(
        TakeOver calldata terms,
        Guardians calldata guardians,
        uint16 signers,
        bytes[] calldata signatures
    ) external;

    /// @notice Objects to the pending recovery, once: more guardians are needed then. Only the controller.
    function object(address pseudonym) external;

    /// @notice Objects by the controller's signature; anyone may send it.
    function objectBySig(Objection calldata terms, bytes calldata signature) external;

    /// @notice Takes a guardian out of a recovery; with fewer than the threshold it ends. Anyone may send it.
    /// @param terms What the guardian signed.
    /// @param guardians The set that started it.
    /// @param signature The guardian's.
    function withdraw(Withdrawal calldata terms, Guardians calldata guardians, bytes calldata signature) external;

    /// @notice Gives the pseudonym to its new controller, once the time to object is over. Anyone.
    function finish(address pseudonym) external;

    /// @notice Ends a recovery that nobody finished in time. Anyone.
    function lapse(address pseudonym) external;
}
