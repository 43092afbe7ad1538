// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Roles} from "../types/Roles.sol";

/// @title IConsortium
/// @notice Who is a member, licensed as what, until when; and the staff and devices that joined a member.
/// @dev A board decides who is a member. It may be a key, a multisig or a governor: the contract only compares addresses.
interface IConsortium {
    /// @notice Where a membership stands. Removed is final; a removed member comes back as a new one.
    enum MemberStatus {
        None,
        Admitted,
        Suspended,
        Removed
    }

    /// @notice A member and its licence; one slot.
    /// @param account The account that acts for the member: it takes staff on, dismisses them and names operators.
    /// @param roles What the member is licensed as.
    /// @param expiry The licence counts while the block's time is before this second.
    /// @param tier A number that the board gives, for the rules of others (a hospital's grade, say).
    /// @param status Where the membership stands.
    struct Member {
        address account;
        Roles roles;
        uint40 expiry;
        uint8 tier;
        MemberStatus status;
    }

    /// @notice An account's place with a member; one slot.
    /// @param member The member's number, zero for none.
    /// @param roles What the account does there; it counts only as far as the member's own licence.
    /// @param nonce How often the account joined or left; a signed message to join or leave names it.
    struct Affiliation {
        uint32 member;
        Roles roles;
        uint32 nonce;
    }

    /// @notice What a person or a device signs to join a member. The wallet shows the roles as words.
    /// @param account The account that joins and signs.
    /// @param member The number of the member it joins.
    /// @param roles What it will do there.
    /// @param nonce The account's nonce.
    /// @param deadline The last second the signature counts, at most seven days ahead.
    struct Join {
        address account;
        uint32 member;
        Roles roles;
        uint32 nonce;
        uint40 deadline;
    }

    /// @notice What a person signs to leave a member without sending a transaction.
    /// @param account The account that leaves and signs.
    /// @param member The number of the member it leaves.
    /// @param nonce The account's nonce.
    /// @param deadline The last second the signature counts, at most seven days ahead.
    struct Leave {
        address account;
        uint32 member;
        uint32 nonce;
        uint40 deadline;
    }

    /// @notice A member was admitted.
    event Admitted(uint32 indexed member, address indexed account, Roles roles, uint8 tier, uint40 expiry);

    /// @notice A member's licence was renewed or changed.
    event Renewed(uint32 indexed member, Roles roles, uint8 tier, uint40 expiry);

    /// @notice A member was suspended; its staff have no standing from this block on.
    event Suspended(uint32 indexed member, uint16 reason);

    /// @notice A suspended member was admitted again.
    event Reinstated(uint32 indexed member);

    /// @notice A member was removed for good.
    event Removed(uint32 indexed member, uint16 reason);

    /// @notice Another account acts for the member from now on.
    event AccountReplaced(uint32 indexed member, address indexed account, address indexed replaced);

    /// @notice An account joined a member.
    event Joined(uint32 indexed member, address indexed account, Roles roles);

    /// @notice An account is with its member no longer, by its own will or the member's.
    event Left(uint32 indexed member, address indexed account);

    /// @notice A member allowed a contract to act for it, or took that back (mask zero).
    event OperatorSet(uint32 indexed member, address indexed operator, uint8 mask);

    /// @notice A new key of the consortium was sealed to each member in standing; `digest` names the sealed document.
    event KeyRenewed(uint32 indexed number, bytes32 digest);

    /// @notice The board offered its seat to another account.
    event BoardOffered(address indexed board, address indexed offered);

    /// @notice The board's seat changed hands.
    event BoardTaken(address indexed board, address indexed former);

    /// @notice The sender is not the board.
    error NotTheBoard(address sender, address board);

    /// @notice The board's seat was not offered to the sender.
    error NotOffered(address sender, address offered);

    /// @notice There is no member with this number, or its status does not allow this.
    error WrongStatus(uint32 member, MemberStatus status);

    /// @notice The sender does not act for this member.
    error NotTheMember(address sender, uint32 member, address account);

    /// @notice The member is not in standing now.
    error MemberNotInStanding(uint32 member);

    /// @notice The account already belongs to a member.
    error AlreadyAffiliated(address account, uint32 member);

    /// @notice The account does not belong to this member.
    error NotAffiliated(address account, uint32 member);

    /// @notice The account that acts for a member cannot leave it; the board replaces it first.
    error ActsForMember(address account, uint32 member);

    /// @notice A set of roles is empty or goes beyond what can be given here.
    error WrongRoles(Roles roles, Roles possible);

    /// @notice A licence cannot end in the past.
    error ExpiryPassed(uint40 expiry);

    /// @notice An operator must be a contract of its own, not a key nor a key that borrows code (EIP-7702).
    error NotAContract(address operator);

    /// @notice The zero address was given where an account is needed.
    error NoAccount();

    /// @notice A signature names another nonce than the account's.
    error WrongNonce(uint32 nonce, uint32 current);

    /// @notice The signature's deadline has passed.
    error SignatureExpired(uint40 deadline);

    /// @notice The signature's deadline is further ahead than this message may reach.
    error DeadlineTooFar(uint40 deadline, uint256 latest);

    /// @notice The signature is not that of the account it names.
    error WrongSignature(address signer);

    /// @notice The lists handed in are not of one length.
    error LengthsDiffer(uint256 messages, uint256 signatures);

    /// @notice The account that decides who is a member.
    function board() external view returns (address);

    /// @notice The account that the board's seat is offered to, or zero.
    function offeredBoard() external view returns (address);

    /// @notice How many members were ever admitted; also the number of the latest.
    function memberCount() external view returns (uint32);

    /// @notice The number of the consortium's current key for directory tags; zero before the first.
    function keyNumber() external view returns (uint32);

    /// @notice A member by its number.
    function memberOf(uint32 number) external view returns (Member memory);

    /// @notice An account's place with a member.
    function affiliationOf(address account) external view returns (Affiliation memory);

    /// @notice What a contract may do for a member: a mask that the contract that asks gives meaning to.
    function operatorOf(uint32 member, address operator) external view returns (uint8 mask);

    /// @notice The number of the member for which the account holds at least one of the roles now, or zero.
    /// @dev Two reads, whatever the number of members and staff. Zero roles have no standing.
    function standing(address account, Roles roles) external view returns (uint32 member);

    /// @notice Whether the member is admitted and its licence has not run out.
    function inStanding(uint32 member) external view returns (bool);

    /// @notice Admits a member. Only the board.
    /// @param account The account that will act for it; it must not belong to a member.
    /// @param roles What it is licensed as.
    /// @param tier The board's grade for it.
    /// @param expiry The second at which the licence ends.
    /// @return number The new member's number, counting from one.
    function admit(address account, Roles roles, uint8 tier, uint40 expiry) external returns (uint32 number);

    /// @notice Renews or changes a member's licence; a suspension stays. Only the board.
    function renew(uint32 member, Roles roles, uint8 tier, uint40 expiry) external;

    /// @notice Suspends a member, and with it all its staff and devices, at once. Only the board.
    function suspend(uint32 member, uint16 reason) external;

    /// @notice Ends a suspension. Only the board.
    function reinstate(uint32 member) external;

    /// @notice Removes a member for good. Only the board.
    function remove(uint32 member, uint16 reason) external;

    /// @notice Lets another account act for a member: when a key is lost, or staff change. The board or the member.
    function replaceAccount(uint32 member, address account) external;

    /// @notice Takes on an account that signed to join. Only the member.
    function join(Join calldata terms, bytes calldata signature) external;

    /// @notice Takes on many accounts in one transaction; one wrong signature refuses all. Only the member.
    function joinMany(Join[] calldata terms, bytes[] calldata signatures) external;

    /// @notice Leaves the member the sender belongs to.
    function leave() external;

    /// @notice Leaves a member by signature; anyone may send it.
    function leaveBySig(Leave calldata terms, bytes calldata signature) external;

    /// @notice Ends an account's place with the member. Only the member.
    function dismiss(address account) external;

    /// @notice Allows a contract to act for the member, within the mask; zero takes it back. Only the member.
    function setOperator(address operator, uint8 mask) external;

    /// @notice Names the next key of the consortium, sealed to each member in a document. Only the board.
    function renewKey(bytes32 digest) external;

    /// @notice Offers the board's seat; zero takes the offer back. Only the board.
    function offerBoard(address next) external;

    /// @notice Takes the board's seat that was offered to the sender.
    function acceptBoard() external;
}
