// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Purpose} from "../../types/Purpose.sol";
import {Scope} from "../../types/Scope.sol";

/// @title IGrants
/// @notice Who may read which classes of a pseudonym's records, for which purpose and in which window [start, expiry).
/// @dev A grant says who may ask for a key. It cannot take back what was already read.
interface IGrants {
    /// @notice A permission; one slot.
    /// @param scope The classes that may be read; empty after a revoke.
    /// @param start The first second of the window, a full hour.
    /// @param expiry The second at which the window is over, a full hour.
    /// @param nonce Counts every change, so that a revoke kills signatures in flight.
    /// @param era The pseudonym's era when it was granted.
    /// @param by Under which parent it was granted, zero for none.
    /// @param generation The parent's generation when it was granted.
    struct Grant {
        Scope scope;
        uint40 start;
        uint40 expiry;
        uint32 nonce;
        uint32 era;
        uint16 by;
        uint32 generation;
    }

    /// @notice What a grant can stand under: a delegate, a quorum, a referral, a programme; one slot.
    /// @param holder The account that stands for the parent; for a quorum or a programme 20 bytes of a salted commitment.
    /// @param generation Counts every appointment and end; grants under an earlier one are void.
    /// @param expiry The second at which the parent ends; zero after it was ended.
    struct Parent {
        address holder;
        uint32 generation;
        uint40 expiry;
    }

    /// @notice What a pseudonym grants, in one piece.
    /// @param pseudonym Whose records they are.
    /// @param reader Who may read: a person's account, or a member's number as an address and so its staff.
    /// @param purpose Why, as a number of HL7 v3 PurposeOfUse; a wallet shows the word.
    /// @param scope Which classes; a wallet shows the words.
    /// @param start The first second of the window, a full hour.
    /// @param expiry The second at which the window is over, a full hour.
    /// @param by Under which parent, zero for none.
    struct Terms {
        address pseudonym;
        address reader;
        Purpose purpose;
        Scope scope;
        uint40 start;
        uint40 expiry;
        uint16 by;
    }

    /// @notice What makes a signature count once and not for long.
    /// @param nonce The grant's nonce; for a parent, its generation.
    /// @param era The pseudonym's era.
    /// @param deadline The last second the signature counts, at most an hour ahead.
    struct Freshness {
        uint32 nonce;
        uint32 era;
        uint40 deadline;
    }

    /// @notice Which rule said no; None when reading is allowed.
    enum Refusal {
        None,
        UnknownPurpose,
        EmptyScope,
        NoStanding,
        NoGrant,
        EraRaised,
        ParentEnded,
        NotStarted,
        Expired,
        OutOfScope
    }

    /// @notice A reader was granted classes; an earlier grant for the same purpose is replaced.
    event Granted(
        address indexed pseudonym,
        address indexed reader,
        Purpose indexed purpose,
        Scope scope,
        uint40 start,
        uint40 expiry,
        uint16 by
    );

    /// @notice A grant lost classes or time.
    event Narrowed(
        address indexed pseudonym,
        address indexed reader,
        Purpose indexed purpose,
        Scope scope,
        uint40 expiry
    );

    /// @notice A grant ended; signatures in flight ended with it.
    event Revoked(address indexed pseudonym, address indexed reader, Purpose indexed purpose);

    /// @notice A parent was appointed, or ended (expiry zero), and with it what was granted under it.
    event ParentSet(address indexed pseudonym, uint16 indexed by, address holder, uint32 generation, uint40 expiry);

    /// @notice A reader passed its grant on for a referral; `sender` is who did it for `from`, itself or its member.
    event Referred(
        address indexed pseudonym,
        address indexed reader,
        address indexed from,
        Purpose purpose,
        address sender
    );

    /// @notice There is no such purpose, or nobody refers for it.
    error NoSuchPurpose(Purpose purpose);

    /// @notice A grant needs classes, and only classes that exist.
    error WrongScope(Scope scope, Scope known);

    /// @notice A grant needs a reader, and nobody grants to the pseudonym itself.
    error WrongReader(address reader);

    /// @notice Windows begin and end on full hours.
    error NotAFullHour(uint40 time);

    /// @notice A window that is already over, or ends before it begins.
    error WrongWindow(uint40 start, uint40 expiry);

    /// @notice The parent has ended, or ends before what should stand under it.
    error WrongParent(uint16 by, uint40 expiry);

    /// @notice There is no live grant to narrow.
    error NotGranted(address pseudonym, address reader, Purpose purpose);

    /// @notice Narrowing only takes away: these classes or this end go beyond the grant.
    error Wider(Scope scope, Scope granted, uint40 expiry, uint40 grantedUntil);

    /// @notice A signature names another nonce than the grant's.
    error WrongNonce(uint32 nonce, uint32 current);

    /// @notice Another's grant stands there, or the patient revoked what stood there.
    error Occupied(address reader, uint16 by);

    /// @notice The grant cannot be passed on: it does not stand, or not with these classes, or was not marked for it.
    error MayNotRefer(address from, Refusal refusal);

    /// @notice Only the contract of delegations may do this.
    error NotDelegations(address sender, address delegations);

    /// @notice The sender is neither the reader nor a clinician of the member that is.
    error NotTheReader(address sender, address reader);

    /// @notice A grant as it was last written, live or not.
    function grantOf(address pseudonym, address reader, Purpose purpose) external view returns (Grant memory);

    /// @notice A parent as it was last written, live or not.
    function parentOf(address pseudonym, uint16 by) external view returns (Parent memory);

    /// @notice From whose grant a referral came; it counts while the grant's `by` is the highest number.
    function referrerOf(address pseudonym, address reader, Purpose purpose) external view returns (address);

    /// @notice Whether the reader may read all these classes for this purpose now.
    /// @dev The reader's own grant is asked first, then its member's; a fixed number of reads. A reader without the
    /// role that the purpose asks for is refused though a grant stands.
    function allowed(address pseudonym, address reader, Scope scope, Purpose purpose) external view returns (bool);

    /// @notice Which rule refuses the reader; None when reading is allowed. Always agrees with `allowed`.
    function explain(address pseudonym, address reader, Scope scope, Purpose purpose) external view returns (Refusal);

    /// @notice Grants, or replaces a grant. Only the controller.
    function grant(Terms calldata terms) external;

    /// @notice Grants by the controller's signature; anyone may send it.
    function grantBySig(Terms calldata terms, Freshness calldata freshness, bytes calldata signature) external;

    /// @notice Takes classes or time from a live grant. Only the controller.
    function narrow(address pseudonym, address reader, Purpose purpose, Scope scope, uint40 expiry) external;

    /// @notice Narrows by the controller's signature; anyone may send it. Start and parent of the terms must be zero.
    function narrowBySig(Terms calldata terms, Freshness calldata freshness, bytes calldata signature) external;

    /// @notice Ends a grant, and every signature for it that was not sent yet. Only the controller.
    function revoke(address pseudonym, address reader, Purpose purpose) external;

    /// @notice Ends a grant by the controller's signature; anyone may send it.
    function revokeBySig(
        address pseudonym,
        address reader,
        Purpose purpose,
        Freshness calldata freshness,
        bytes calldata signature
    ) external;

    /// @notice Appoints a parent, or ends it with expiry zero; what stood under the earlier one is void. Only the controller.
    function setParent(address pseudonym, uint16 by, address holder, uint40 expiry) external;

    /// @notice Appoints or ends a parent by the controller's signature; anyone may send it.
    function setParentBySig(
        address pseudonym,
        uint16 by,
        address holder,
        uint40 expiry,
        Freshness calldata freshness,
        bytes calldata signature
    ) external;

    /// @notice Passes a grant on for a referral, never wider or longer. The reader whose grant it is, or a clinician of
    /// the member whose it is; the grant must be marked for it. The number of the terms must be zero.
    /// @dev It ends with the grant that it came from, whatever ends or changes that.
    function refer(Terms calldata terms, address from) external;

    /// @notice Takes a referral back. Whoever may refer for the same reader.
    function withdraw(address pseudonym, address reader, Purpose purpose) external;

    /// @notice The contract through which others than the controller grant: delegates, quorums.
    function delegations() external view returns (address);

    /// @notice Appoints a parent whose holder may act; its generation. Only Delegations.
    function setParentFor(address pseudonym, uint16 by, address holder, uint40 expiry) external returns (uint32);

    /// @notice Grants under a parent for its holder, in no other's live place. Only Delegations.
    function grantFor(Terms calldata terms, uint32 era) external;

    /// @notice Narrows for the holder under whom a grant stands. Only Delegations.
    function narrowFor(Terms calldata terms, uint32 era) external;

    /// @notice Ends a grant for the holder under whom it stands. Only Delegations.
    function revokeFor(address pseudonym, address reader, Purpose purpose) external;
}
