// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {MemberStatuses} from "./libraries/MemberStatuses.sol";
import {RoleWords} from "./libraries/RoleWords.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {AffiliationSlot, packAffiliation} from "./types/AffiliationSlot.sol";
import {MemberSlot, packMember} from "./types/MemberSlot.sol";
import {EVERY_ROLE, NO_ROLE, Roles} from "./types/Roles.sol";

/// @title Consortium
/// @notice Who is a member, licensed as what, until when; and the staff and devices that joined a member.
contract Consortium is IConsortium, EIP712 {
    using MemberStatuses for MemberStatus;

    bytes32 private constant JOIN_TYPEHASH = keccak256(
        "Join(address account,uint32 member,string[] roles,uint32 nonce,uint40 deadline)"
    );
    bytes32 private constant LEAVE_TYPEHASH = keccak256(
        "Leave(address account,uint32 member,uint32 nonce,uint40 deadline)"
    );

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

    mapping(uint32 number => MemberSlot) private _memberOf;
    mapping(address account => AffiliationSlot) private _affiliationOf;

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
        return _memberOf[number].unpack();
    }

    /// @inheritdoc IConsortium
    function affiliationOf(address account) external view returns (Affiliation memory) {
        return _affiliationOf[account].unpack();
    }

    /// @inheritdoc IConsortium
    function standing(address account, Roles roles) external view returns (uint32) {
        AffiliationSlot affiliation = _affiliationOf[account];
        MemberSlot member = _memberOf[affiliation.member()];
        if (!member.inStandingAt(block.timestamp)) return 0;

        return (affiliation.roles() & member.roles() & roles).isNone() ? 0 : affiliation.member();
    }

    /// @inheritdoc IConsortium
    function inStanding(uint32 member) external view returns (bool) {
        return _memberOf[member].inStandingAt(block.timestamp);
    }

    /// @inheritdoc IConsortium
    function admit(address account, Roles roles, uint8 tier, uint40 expiry) external onlyBoard returns (uint32 number) {
        if (account == address(0)) revert NoAccount();
        _checkLicence(roles, expiry);
        _checkUnaffiliated(account);

        number = ++memberCount;
        _memberOf[number] = packMember(Member(account, roles, expiry, tier, MemberStatus.Admitted));
        _affiliate(account, number, EVERY_ROLE);

        emit Admitted(number, account, roles, tier, expiry);
    }

    /// @inheritdoc IConsortium
    function renew(uint32 member, Roles roles, uint8 tier, uint40 expiry) external onlyBoard {
        Member memory renewed = _lasting(member);
        _checkLicence(roles, expiry);

        _memberOf[member] = packMember(Member(renewed.account, roles, expiry, tier, renewed.status));

        emit Renewed(member, roles, tier, expiry);
    }

    /// @inheritdoc IConsortium
    function suspend(uint32 member, uint16 reason) external onlyBoard {
        _move(member, MemberStatus.Suspended);

        emit Suspended(member, reason);
    }

    /// @inheritdoc IConsortium
    function reinstate(uint32 member) external onlyBoard {
        _move(member, MemberStatus.Admitted);

        emit Reinstated(member);
    }

    /// @inheritdoc IConsortium
    function remove(uint32 member, uint16 reason) external onlyBoard {
        _move(member, MemberStatus.Removed);

        emit Removed(member, reason);
    }

    /// @inheritdoc IConsortium
    function replaceAccount(uint32 member, address account) external {
        Member memory changed = _lasting(member);
        address replaced = changed.account;
        if (msg.sender != board && msg.sender != replaced) revert NotTheMember(msg.sender, member, replaced);
        if (account == address(0)) revert NoAccount();
        _checkUnaffiliated(account);

        changed.account = account;
        _memberOf[member] = packMember(changed);
        _affiliate(replaced, 0, NO_ROLE);
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
        _leave(msg.sender, _affiliationOf[msg.sender].member());
    }

    /// @inheritdoc IConsortium
    function leaveBySig(Leave calldata terms, bytes calldata signature) external {
        bytes32 hash = keccak256(abi.encode(LEAVE_TYPEHASH, terms));
        _checkSignature(terms.account, terms.nonce, terms.deadline, hash, signature);

        _leave(terms.account, terms.member);
    }

    /// @inheritdoc IConsortium
    function dismiss(address account) external {
        uint32 member = _affiliationOf[account].member();
        _checkActsFor(member, msg.sender);

        _leave(account, member);
    }

    /// @inheritdoc IConsortium
    function setOperator(address operator, uint8 mask) external {
        uint32 member = _affiliationOf[msg.sender].member();
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
        (address account, uint32 number, Roles roles) = (terms.account, terms.member, terms.roles);
        MemberSlot member = _memberOf[number];
        if (number == 0 || sender != member.accountOf()) revert NotTheMember(sender, number, member.accountOf());
        if (!member.inStandingAt(block.timestamp)) revert MemberNotInStanding(number);
        Roles licence = member.roles();
        if (roles.isNone() || !roles.within(licence)) revert WrongRoles(roles, licence);
        _checkSignature(account, terms.nonce, terms.deadline, _hashJoin(terms), signature);
        _checkUnaffiliated(account);

        _affiliate(account, number, roles);

        emit Joined(number, account, roles);
    }

    function _leave(address account, uint32 member) private {
        if (member == 0 || _affiliationOf[account].member() != member) revert NotAffiliated(account, member);
        if (_actsForLasting(account, member)) revert ActsForMember(account, member);

        _affiliate(account, 0, NO_ROLE);

        emit Left(member, account);
    }

    /// @dev The nonce counts every change, so that a signature to join or leave counts once.
    function _affiliate(address account, uint32 member, Roles roles) private {
        uint32 nonce = _affiliationOf[account].nonce() + 1;
        _affiliationOf[account] = packAffiliation(member, roles, nonce);
    }

    function _move(uint32 number, MemberStatus to) private {
        Member memory member = _memberOf[number].unpack();

        member.status = member.status.move(number, to);
        _memberOf[number] = packMember(member);
    }

    function _lasting(uint32 number) private view returns (Member memory member) {
        member = _memberOf[number].unpack();
        if (!member.status.lasts()) revert WrongStatus(number, member.status);
    }

    /// @dev The account of a removed member acts for nobody and may go.
    function _actsForLasting(address account, uint32 number) private view returns (bool) {
        Member memory member = _memberOf[number].unpack();
        return member.account == account && member.status.lasts();
    }

    function _checkActsFor(uint32 member, address sender) private view {
        address account = _memberOf[member].accountOf();
        if (member == 0 || sender != account) revert NotTheMember(sender, member, account);
    }

    function _checkUnaffiliated(address account) private view {
        uint32 member = _affiliationOf[account].member();
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
        uint32 current = _affiliationOf[account].nonce();
        if (nonce != current) revert WrongNonce(nonce, current);
        if (!Signatures.isSignedBy(_hashTypedDataV4(structHash), signature, account)) revert WrongSignature(account);
    }

    function _hashJoin(Join calldata terms) private pure returns (bytes32) {
        bytes32 roles = RoleWords.hashOf(terms.roles);
        return keccak256(abi.encode(JOIN_TYPEHASH, terms.account, terms.member, roles, terms.nonce, terms.deadline));
    }

    function _isContract(address account) private view returns (bool) {
        bytes memory code = account.code;
        return code.length > 0 && !(code.length == 23 && bytes3(code) == DELEGATION_PREFIX);
    }
}
