// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {MemberStatuses} from "./libraries/MemberStatuses.sol";
import {RoleWords} from "./libraries/RoleWords.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {EVERY_ROLE, Roles} from "./types/Roles.sol";

/// @title Consortium
/// @notice Who is a member, licensed as what, until when; and the staff and devices that joined a member.
contract Consortium is IConsortium, EIP712 {
    using MemberStatuses for Member;

    bytes32 private constant JOIN_TYPEHASH =
        keccak256("Join(address account,uint32 member,string[] roles,uint32 nonce,uint40 deadline)");
    bytes32 private constant LEAVE_TYPEHASH =
        keccak256("Leave(address account,uint32 member,uint32 nonce,uint40 deadline)");

    /// @dev A person signs at her own desk and the member sends it when its office is open.
    uint256 private constant SIGNATURE_WINDOW = 7 days;

    /// @dev How an account begins that borrows code by EIP-7702: its key can still do what the code would not.
    bytes3 private constant DELEGATION_PREFIX = 0xef0100;

    /// @inheritdoc IConsortium
    address public board;

    /// @inheritdoc IConsortium
    address public offeredBoard;

    /// @inheritdoc IConsortium
    uint32 public memberCount;

    /// @inheritdoc IConsortium
    uint32 public keyNumber;

    /// @inheritdoc IConsortium
    mapping(uint32 member => mapping(address operator => uint8 mask)) public operatorOf;

    mapping(uint32 number => Member) private _memberOf;
    mapping(address account => Affiliation) private _affiliationOf;

    constructor(address firstBoard) EIP712("Theriac Consortium", "1") {
        if (firstBoard == address(0)) revert NoAccount();

        board = firstBoard;

        emit BoardTaken(firstBoard, address(0));
    }

    modifier onlyBoard() {
        if (msg.sender != board) revert NotTheBoard(msg.sender, board);
        _;
    }

    /// @inheritdoc IConsortium
    function memberOf(uint32 number) external view returns (Member memory) {
        return _memberOf[number];
    }

    /// @inheritdoc IConsortium
    function affiliationOf(address account) external view returns (Affiliation memory) {
        return _affiliationOf[account];
    }

    /// @inheritdoc IConsortium
    function standing(address account, Roles roles) external view returns (uint32) {
        Affiliation memory affiliation = _affiliationOf[account];
        if (affiliation.member == 0) return 0;

        Member memory member = _memberOf[affiliation.member];
        if (!member.isInStanding()) return 0;

        return (affiliation.roles & member.roles & roles).isNone() ? 0 : affiliation.member;
    }

    /// @inheritdoc IConsortium
    function inStanding(uint32 member) external view returns (bool) {
        return _memberOf[member].isInStanding();
    }

    /// @inheritdoc IConsortium
    function admit(
        address account,
        Roles roles,
        uint8 tier,
        uint40 expiry
    ) external onlyBoard returns (uint32 number) {
        if (account == address(0)) revert NoAccount();
        _checkLicence(roles, expiry);
        _checkUnaffiliated(account);

        number = ++memberCount;
        _memberOf[number] = Member(account, roles, expiry, tier, MemberStatus.Admitted);
        _affiliate(account, number, EVERY_ROLE);

        emit Admitted(number, account, roles, tier, expiry);
    }

    /// @inheritdoc IConsortium
    function renew(uint32 member, Roles roles, uint8 tier, uint40 expiry) external onlyBoard {
        Member storage renewed = _existing(member);
        _checkLicence(roles, expiry);

        renewed.roles = roles;
        renewed.tier = tier;
        renewed.expiry = expiry;

        emit Renewed(member, roles, tier, expiry);
    }

    /// @inheritdoc IConsortium
    function suspend(uint32 member, uint16 reason) external onlyBoard {
        _memberOf[member].move(member, MemberStatus.Admitted, MemberStatus.Suspended);

        emit Suspended(member, reason);
    }

    /// @inheritdoc IConsortium
    function reinstate(uint32 member) external onlyBoard {
        _memberOf[member].move(member, MemberStatus.Suspended, MemberStatus.Admitted);

        emit Reinstated(member);
    }

    /// @inheritdoc IConsortium
    function remove(uint32 member, uint16 reason) external onlyBoard {
        Member storage removed = _existing(member);

        removed.move(member, removed.status, MemberStatus.Removed);

        emit Removed(member, reason);
    }

    /// @inheritdoc IConsortium
    function replaceAccount(uint32 member, address account) external {
        Member storage changed = _existing(member);
        address replaced = changed.account;
        if (msg.sender != board && msg.sender != replaced) revert NotTheMember(msg.sender, member, replaced);
        if (account == address(0)) revert NoAccount();
        _checkUnaffiliated(account);

        changed.account = account;
        _affiliate(replaced, 0, Roles.wrap(0));
        _affiliate(account, member, EVERY_ROLE);

        emit AccountReplaced(member, account, replaced);
    }

    /// @inheritdoc IConsortium
    function join(Join calldata terms, bytes calldata signature) external {
        _join(terms, signature, msg.sender);
    }

    /// @inheritdoc IConsortium
    function joinMany(Join[] calldata terms, bytes[] calldata signatures) external {
        if (terms.length != signatures.length) revert LengthsDiffer(terms.length, signatures.length);

        for (uint256 i = 0; i < terms.length; ++i) {
            _join(terms[i], signatures[i], msg.sender);
        }
    }

    /// @inheritdoc IConsortium
    function leave() external {
        _leave(msg.sender, _affiliationOf[msg.sender].member);
    }

    /// @inheritdoc IConsortium
    function leaveBySig(Leave calldata terms, bytes calldata signature) external {
        bytes32 hash = keccak256(abi.encode(LEAVE_TYPEHASH, terms));
        _checkSignature(terms.account, terms.nonce, terms.deadline, hash, signature);

        _leave(terms.account, terms.member);
    }

    /// @inheritdoc IConsortium
    function dismiss(address account) external {
        uint32 member = _affiliationOf[account].member;
        _checkActsFor(member, msg.sender);

        _leave(account, member);
    }

    /// @inheritdoc IConsortium
    function setOperator(address operator, uint8 mask) external {
        uint32 member = _affiliationOf[msg.sender].member;
        _checkActsFor(member, msg.sender);
        if (mask != 0 && !_isContract(operator)) revert NotAContract(operator);

        operatorOf[member][operator] = mask;

        emit OperatorSet(member, operator, mask);
    }

    /// @inheritdoc IConsortium
    function renewKey(bytes32 digest) external onlyBoard {
        uint32 number = ++keyNumber;

        emit KeyRenewed(number, digest);
    }

    /// @inheritdoc IConsortium
    function offerBoard(address next) external onlyBoard {
        offeredBoard = next;

        emit BoardOffered(msg.sender, next);
    }

    /// @inheritdoc IConsortium
    function acceptBoard() external {
        if (msg.sender != offeredBoard) revert NotOffered(msg.sender, offeredBoard);

        address former = board;
        board = msg.sender;
        offeredBoard = address(0);

        emit BoardTaken(msg.sender, former);
    }

    function _join(Join calldata terms, bytes calldata signature, address sender) private {
        Member memory member = _memberOf[terms.member];
        _checkActsFor(terms.member, sender);
        if (!member.isInStanding()) revert MemberNotInStanding(terms.member);
        if (terms.roles.isNone() || !terms.roles.within(member.roles)) revert WrongRoles(terms.roles, member.roles);
        _checkSignature(terms.account, terms.nonce, terms.deadline, _hashJoin(terms), signature);
        _checkUnaffiliated(terms.account);

        _affiliate(terms.account, terms.member, terms.roles);

        emit Joined(terms.member, terms.account, terms.roles);
    }

    function _leave(address account, uint32 member) private {
        if (member == 0 || _affiliationOf[account].member != member) revert NotAffiliated(account, member);
        if (_actsForLasting(account, member)) revert ActsForMember(account, member);

        _affiliate(account, 0, Roles.wrap(0));

        emit Left(member, account);
    }

    /// @dev The nonce counts every change, so that a signature to join or leave counts once.
    function _affiliate(address account, uint32 member, Roles roles) private {
        uint32 nonce = _affiliationOf[account].nonce + 1;
        _affiliationOf[account] = Affiliation(member, roles, nonce);
    }

    function _existing(uint32 number) private view returns (Member storage member) {
        member = _memberOf[number];
        if (member.status != MemberStatus.Admitted && member.status != MemberStatus.Suspended) {
            revert WrongStatus(number, member.status);
        }
    }

    /// @dev The account of a removed member acts for nobody and may go.
    function _actsForLasting(address account, uint32 number) private view returns (bool) {
        Member storage member = _memberOf[number];
        return member.account == account && member.status != MemberStatus.Removed;
    }

    function _checkActsFor(uint32 member, address sender) private view {
        address account = _memberOf[member].account;
        if (member == 0 || sender != account) revert NotTheMember(sender, member, account);
    }

    function _checkUnaffiliated(address account) private view {
        uint32 member = _affiliationOf[account].member;
        if (member != 0) revert AlreadyAffiliated(account, member);
    }

    function _checkLicence(Roles roles, uint40 expiry) private view {
        if (roles.isNone() || !roles.within(EVERY_ROLE)) revert WrongRoles(roles, EVERY_ROLE);
        if (expiry <= block.timestamp) revert ExpiryPassed(expiry);
    }

    function _checkSignature(
        address account,
        uint32 nonce,
        uint40 deadline,
        bytes32 structHash,
        bytes calldata signature
    ) private view {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        uint256 latest = block.timestamp + SIGNATURE_WINDOW;
        if (deadline > latest) revert DeadlineTooFar(deadline, latest);
        uint32 current = _affiliationOf[account].nonce;
        if (nonce != current) revert WrongNonce(nonce, current);
        if (!Signatures.isSignedBy(_hashTypedDataV4(structHash), signature, account)) revert WrongSignature(account);
    }

    function _hashJoin(Join calldata terms) private pure returns (bytes32) {
        bytes32 roles = RoleWords.hashOf(terms.roles);
        return
            keccak256(
                abi.encode(JOIN_TYPEHASH, terms.account, terms.member, roles, terms.nonce, terms.deadline)
            );
    }

    function _isContract(address account) private view returns (bool) {
        bytes memory code = account.code;
        return code.length > 0 && !(code.length == 23 && bytes3(code) == DELEGATION_PREFIX);
    }
}
