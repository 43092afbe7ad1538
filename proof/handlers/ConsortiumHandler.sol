// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Consortium} from "../../contracts/Consortium.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {RoleWords} from "../../contracts/libraries/RoleWords.sol";
import {EVERY_ROLE, Roles} from "../../contracts/types/Roles.sol";
import {Handler} from "../Handler.sol";
import {FOUNDERS, World} from "../World.sol";

/// @title ConsortiumHandler
/// @notice What the board does with members, members with staff and operators, and staff and strangers by themselves.
/// @dev Founding members keep their account, are suspended by ones and twos only, and are not removed: the other
/// handlers live on them. All of it happens to those that are admitted later.
contract ConsortiumHandler is Handler {
    bytes32 private constant JOIN_TYPEHASH = keccak256(
        "Join(address account,uint32 member,string[] roles,uint32 nonce,uint40 deadline)"
    );
    bytes32 private constant LEAVE_TYPEHASH = keccak256(
        "Leave(address account,uint32 member,uint32 nonce,uint40 deadline)"
    );

    uint32 private constant MOST_MEMBERS = 22;
    uint256 private constant MOST_SPENT = 12;

    struct Membership {
        address account;
        uint32 roles;
        uint40 expiry;
        IConsortium.MemberStatus status;
        uint32 licence;
    }

    struct Place {
        uint32 member;
        uint32 roles;
        uint32 nonce;
        uint32 before;
    }

    Consortium private immutable _consortium;
    address private immutable _stranger;

    /// @dev Everybody who belongs to a member or may come to.
    address[] private _everybody;
    address private _deputy;
    address private _board;
    address private _offered;
    uint32 private _count;

    mapping(uint32 member => Membership) private _memberOf;
    mapping(address account => Place) private _placeOf;
    mapping(uint32 member => mapping(address operator => uint8)) private _operatorOf;

    bytes[] private _spent;
    uint32 private _touchedMember = 1;
    address private _touched;

    constructor(World world_) Handler(world_) {
        _consortium = world_.consortium();
        _stranger = world_.stranger();
        _board = world_.board();
        _count = FOUNDERS;
        for (uint32 member = 1; member <= FOUNDERS; ++member) {
            IConsortium.Member memory found = _consortium.memberOf(member);
            uint32 roles = Roles.unwrap(found.roles);
            _memberOf[member] = Membership(found.account, roles, found.expiry, found.status, roles);
            _placeOf[found.account] = Place(member, Roles.unwrap(EVERY_ROLE), 1, 0);
            _everybody.push(found.account);
            address[] memory staff = world_.staffOf(member);
            for (uint256 i = 0; i < staff.length; ++i) {
                uint32 theirs = Roles.unwrap(_consortium.affiliationOf(staff[i]).roles);
                _placeOf[staff[i]] = Place(member, theirs, 1, member);
                _everybody.push(staff[i]);
            }
        }
        address[] memory newcomers = world_.newcomers();
        _deputy = newcomers[0];
        for (uint256 i = 1; i < newcomers.length; ++i) _everybody.push(newcomers[i]);
        _touched = _everybody[0];
    }

    /// @notice The board admits a member.
    function admit(uint256 who, uint256 how) external acting {
        if (_count == MOST_MEMBERS) revert NothingToDo();
        address account = _unaffiliated(who);
        uint32 roles = _someRoles(how, Roles.unwrap(EVERY_ROLE));
        uint40 expiry = uint40(block.timestamp + 1 + (how % 60 days));
        _do(_board, address(_consortium), abi.encodeCall(_consortium.admit, (account, Roles.wrap(roles), 1, expiry)));
        ++_count;
        _memberOf[_count] = Membership(account, roles, expiry, IConsortium.MemberStatus.Admitted, roles);
        _affiliate(account, _count, Roles.unwrap(EVERY_ROLE));
        _touchedMember = _count;
    }

    /// @notice The board renews a licence, for more or fewer roles, for long or for days.
    function renew(uint256 which, uint256 how) external acting {
        uint32 member = _lasting(which);
        Membership storage found = _memberOf[member];
        bool founder = member <= FOUNDERS;
        uint32 roles = how % 4 == 0 ? _someRoles(how / 4, found.licence) : found.licence;
        uint40 expiry = uint40(block.timestamp + 1 + (founder ? 400 days : how % 60 days));
        _do(_board, address(_consortium), abi.encodeCall(_consortium.renew, (member, Roles.wrap(roles), 2, expiry)));
        (found.roles, found.expiry) = (roles, expiry);
    }

    /// @notice The board suspends a member, of founders at most two at a time.
    function suspend(uint256 which) external acting {
        uint32 member = _withStatus(which, IConsortium.MemberStatus.Admitted);
        if (member <= FOUNDERS && _suspendedFounders() >= 2) revert NothingToDo();
        _do(_board, address(_consortium), abi.encodeCall(_consortium.suspend, (member, 1)));
        _memberOf[member].status = IConsortium.MemberStatus.Suspended;
    }

    /// @notice The board reinstates a member.
    function reinstate(uint256 which) external acting {
        uint32 member = _withStatus(which, IConsortium.MemberStatus.Suspended);
        _do(_board, address(_consortium), abi.encodeCall(_consortium.reinstate, (member)));
        _memberOf[member].status = IConsortium.MemberStatus.Admitted;
    }

    /// @notice The board removes a member that was admitted later.
    function remove(uint256 which) external acting {
        uint32 member = _later(which);
        _do(_board, address(_consortium), abi.encodeCall(_consortium.remove, (member, 2)));
        _memberOf[member].status = IConsortium.MemberStatus.Removed;
    }

    /// @notice A later member acts through another account from now on.
    function replaceAccount(uint256 which, uint256 how) external acting {
        uint32 member = _later(which);
        address account = _unaffiliated(how);
        address former = _memberOf[member].account;
        address sender = how % 2 == 0 ? _board : former;
        _do(sender, address(_consortium), abi.encodeCall(_consortium.replaceAccount, (member, account)));
        _memberOf[member].account = account;
        _affiliate(former, 0, 0);
        _affiliate(account, member, Roles.unwrap(EVERY_ROLE));
    }

    /// @notice An account joins: who left a founding member comes back to it, others go anywhere.
    function join(uint256 who, uint256 how) external acting {
        address account = _unaffiliated(who);
        Place storage place = _placeOf[account];
        uint32 member = place.before != 0 ? place.before : _standing(how);
        if (!_inStanding(member)) revert NothingToDo();
        uint32 roles = _someRoles(how, _memberOf[member].roles);
        IConsortium.Join memory terms = IConsortium.Join(
            account,
            member,
            Roles.wrap(roles),
            place.nonce,
            uint40(block.timestamp + (how % 7 days))
        );
        bytes memory data = abi.encodeCall(_consortium.join, (terms, _signJoin(account, terms)));
        _do(_memberOf[member].account, address(_consortium), data);
        _spend(data);
        _affiliate(account, member, roles);
        _touchedMember = member;
    }

    /// @notice An account leaves by a transaction or a signature.
    function leave(uint256 who, uint256 how) external acting {
        address account = _staff(who);
        Place storage place = _placeOf[account];
        if (how % 2 == 0) {
            _do(account, address(_consortium), abi.encodeCall(_consortium.leave, ()));
        } else {
            IConsortium.Leave memory terms = IConsortium.Leave(
                account,
                place.member,
                place.nonce,
                uint40(block.timestamp + (how % 7 days))
            );
            bytes32 hash = keccak256(abi.encode(LEAVE_TYPEHASH, terms));
            bytes memory data = abi.encodeCall(
                _consortium.leaveBySig,
                (terms, _sign(account, address(_consortium), hash))
            );
            _do(_stranger, address(_consortium), data);
            _spend(data);
        }
        _affiliate(account, 0, 0);
    }

    /// @notice A member dismisses somebody.
    function dismiss(uint256 who) external acting {
        address account = _staff(who);
        address employer = _memberOf[_placeOf[account].member].account;
        _do(employer, address(_consortium), abi.encodeCall(_consortium.dismiss, (account)));
        _affiliate(account, 0, 0);
    }

    /// @notice A later member names a contract as its operator, or no more.
    function setOperator(uint256 which, uint256 how) external acting {
        uint32 member = _later(which);
        address operator = how % 2 == 0 ? address(world.carrier()) : address(this);
        uint8 mask = uint8(how / 2);
        _do(_memberOf[member].account, address(_consortium), abi.encodeCall(_consortium.setOperator, (operator, mask)));
        _operatorOf[member][operator] = mask;
    }

    /// @notice The board offers its seat, and who was offered it takes it.
    function passTheSeat(uint256 how) external acting {
        if (how % 2 == 0 || _offered == address(0)) {
            address next = _board == _deputy ? world.board() : _deputy;
            _do(_board, address(_consortium), abi.encodeCall(_consortium.offerBoard, (next)));
            _offered = next;
        } else {
            _do(_offered, address(_consortium), abi.encodeCall(_consortium.acceptBoard, ()));
            (_board, _offered) = (_offered, address(0));
        }
    }

    /// @notice Who is not the board does what only the board may, or takes a seat that was not offered.
    function hostileBoard(uint256 who, uint256 how) external acting {
        address sender = _everybody[who % _everybody.length];
        if (sender == _board || sender == _offered) revert NothingToDo();
        uint32 member = 1 + uint32(how % _count);
        uint256 kind = (how / 32) % 8;
        bytes memory data;
        if (kind == 0) data = abi.encodeCall(_consortium.suspend, (member, 1));
        if (kind == 1) data = abi.encodeCall(_consortium.reinstate, (member));
        if (kind == 2) data = abi.encodeCall(_consortium.remove, (member, 1));
        if (kind == 3) data = abi.encodeCall(_consortium.offerBoard, (sender));
        if (kind == 4) data = abi.encodeCall(_consortium.acceptBoard, ());
        if (kind == 5) data = abi.encodeCall(_consortium.renew, (member, EVERY_ROLE, 9, type(uint40).max));
        if (kind == 6) data = abi.encodeCall(_consortium.admit, (_stranger, EVERY_ROLE, 9, type(uint40).max));
        if (kind == 7) data = abi.encodeCall(_consortium.renewKey, (bytes32(how)));
        _refused(sender, address(_consortium), data, "B7");
    }

    /// @notice The board moves a status where none leads.
    function hostileStatus(uint256 how) external acting {
        uint32 member = 1 + uint32(how % _count);
        IConsortium.MemberStatus status = _memberOf[member].status;
        bytes memory data = abi.encodeCall(_consortium.reinstate, (member));
        if (status == IConsortium.MemberStatus.Suspended) data = abi.encodeCall(_consortium.suspend, (member, 1));
        if (status == IConsortium.MemberStatus.Removed && how % 2 == 0) {
            data = abi.encodeCall(_consortium.renew, (member, EVERY_ROLE, 1, type(uint40).max));
        }
        _refused(_board, address(_consortium), data, "B5");
    }

    /// @notice Somebody is taken on without a word, by another's word, beyond the licence, or away from a member.
    function hostileJoin(uint256 who, uint256 how) external acting {
        uint256 kind = how % 5;
        address account = kind == 4 ? _everybody[who % _everybody.length] : _unaffiliated(who);
        uint32 member = _standing(how / 5);
        if (kind == 4 && _placeOf[account].member == 0) revert NothingToDo();
        uint32 licence = _memberOf[member].roles;
        uint32 roles = _someRoles(how / 7, licence);
        if (kind == 0) roles = Roles.unwrap(EVERY_ROLE);
        if (kind == 0 && licence == roles) revert NothingToDo();
        IConsortium.Join memory terms = IConsortium.Join(
            account,
            member,
            Roles.wrap(roles),
            _placeOf[account].nonce + (kind == 1 ? 1 : 0),
            uint40(block.timestamp + (kind == 2 ? 7 days + 1 + (how % 1 days) : how % 7 days))
        );
        address signer = kind == 3 ? _memberOf[member].account : account;
        if (signer == account && kind == 3) revert NothingToDo();
        bytes memory data = abi.encodeCall(_consortium.join, (terms, _signJoin(signer, terms)));
        _refused(_memberOf[member].account, address(_consortium), data, "B4");
    }

    /// @notice A member takes somebody on while it is out of standing.
    function hostileEmployer(uint256 who, uint256 how) external acting {
        uint32 member = 1 + uint32(how % _count);
        if (_inStanding(member)) revert NothingToDo();
        address account = _unaffiliated(who);
        IConsortium.Join memory terms = IConsortium.Join(
            account,
            member,
            Roles.wrap(_someRoles(how, _memberOf[member].roles)),
            _placeOf[account].nonce,
            uint40(block.timestamp + 1 days)
        );
        bytes memory data = abi.encodeCall(_consortium.join, (terms, _signJoin(account, terms)));
        _refused(_memberOf[member].account, address(_consortium), data, "B4");
    }

    /// @notice A member names an account with a key as its operator.
    function hostileOperator(uint256 who, uint256 how) external acting {
        uint32 member = 1 + uint32(how % _count);
        address operator = _everybody[who % _everybody.length];
        if (operator.code.length != 0) revert NothingToDo();
        bytes memory data = abi.encodeCall(_consortium.setOperator, (operator, uint8(1 + (how % 255))));
        _refused(_memberOf[member].account, address(_consortium), data, "B8");
    }

    /// @notice A signature that has counted is sent again, by everyone who may send it.
    function hostileReplay(uint256 which) external acting {
        if (_spent.length == 0) revert NothingToDo();
        bytes memory data = _spent[which % _spent.length];
        address sender = _memberOf[1 + uint32((which / MOST_SPENT) % _count)].account;
        _refused(sender, address(_consortium), data, "B4");
    }

    /// property B1
    function property_B1_a_role_is_the_members_and_the_accounts() external view looking returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address account = i == 0 ? _touched : _everybody[turn % _everybody.length];
            Place storage place = _placeOf[account];
            uint32 asked = uint32(uint256(keccak256(abi.encode(turn, i)))) & Roles.unwrap(EVERY_ROLE);
            bool has = _inStanding(place.member) && place.roles & _memberOf[place.member].roles & asked != 0;
            if (_consortium.standing(account, Roles.wrap(asked)) != (has ? place.member : 0)) return false;
        }
        return true;
    }

    /// property B2
    function property_B2_out_of_standing_nobody_has_a_role() external view looking returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            uint32 member = i == 0 ? _touchedMember : 1 + uint32(turn % _count);
            if (_consortium.inStanding(member) != _inStanding(member)) return false;
            if (_inStanding(member)) continue;
            for (uint256 j = 0; j < _everybody.length; ++j) {
                if (_placeOf[_everybody[j]].member != member) continue;
                if (_consortium.standing(_everybody[j], EVERY_ROLE) != 0) return false;
            }
        }
        return true;
    }

    /// property B3
    function property_B3_one_member_at_most() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            address account = i == 0 ? _touched : _everybody[turn % _everybody.length];
            IConsortium.Affiliation memory found = _consortium.affiliationOf(account);
            Place storage place = _placeOf[account];
            if (found.member != place.member || found.nonce != place.nonce) return false;
        }
        return true;
    }

    /// property B4
    function property_B4_nobody_is_taken_on_without_her_word() external view returns (bool) {
        Place storage place = _placeOf[_touched];
        return Roles.unwrap(_consortium.affiliationOf(_touched).roles) == place.roles && _held("B4");
    }

    /// property B5
    function property_B5_suspended_by_turns_and_removed_for_good() external view returns (bool) {
        for (uint256 i = 0; i < 2; ++i) {
            uint32 member = i == 0 ? _touchedMember : 1 + uint32(turn % _count);
            if (_consortium.memberOf(member).status != _memberOf[member].status) return false;
        }
        return _held("B5");
    }

    /// property B6
    function property_B6_a_number_is_given_once() external view returns (bool) {
        uint32 member = 1 + uint32(turn % _count);
        return _consortium.memberCount() == _count && _consortium.memberOf(member).account == _memberOf[member].account;
    }

    /// property B7
    function property_B7_only_the_board_decides() external view returns (bool) {
        IConsortium.Member memory found = _consortium.memberOf(_touchedMember);
        Membership storage kept = _memberOf[_touchedMember];
        bool same = Roles.unwrap(found.roles) == kept.roles && found.expiry == kept.expiry;
        return same && _consortium.board() == _board && _consortium.offeredBoard() == _offered && _held("B7");
    }

    /// property B8
    function property_B8_an_operator_is_a_contract() external view returns (bool) {
        if (_touchedMember <= FOUNDERS) return _held("B8");
        return _consortium.operatorOf(_touchedMember, address(this)) == _operatorOf[_touchedMember][address(this)];
    }

    /// @inheritdoc Handler
    function properties() external pure override returns (string[] memory all) {
        all = new string[](8);
        all[0] = "property_B1_a_role_is_the_members_and_the_accounts()";
        all[1] = "property_B2_out_of_standing_nobody_has_a_role()";
        all[2] = "property_B3_one_member_at_most()";
        all[3] = "property_B4_nobody_is_taken_on_without_her_word()";
        all[4] = "property_B5_suspended_by_turns_and_removed_for_good()";
        all[5] = "property_B6_a_number_is_given_once()";
        all[6] = "property_B7_only_the_board_decides()";
        all[7] = "property_B8_an_operator_is_a_contract()";
    }

    function _affiliate(address account, uint32 member, uint32 roles) private {
        Place storage place = _placeOf[account];
        (place.member, place.roles) = (member, roles);
        ++place.nonce;
        _touched = account;
    }

    function _spend(bytes memory data) private {
        if (_spent.length < MOST_SPENT) _spent.push(data);
        else _spent[turn % MOST_SPENT] = data;
    }

    function _inStanding(uint32 member) private view returns (bool) {
        Membership storage found = _memberOf[member];
        return found.status == IConsortium.MemberStatus.Admitted && block.timestamp < found.expiry;
    }

    function _unaffiliated(uint256 who) private view returns (address account) {
        for (uint256 i = 0; i < _everybody.length; ++i) {
            account = _everybody[(who + i) % _everybody.length];
            if (_placeOf[account].member == 0) return account;
        }
        revert NothingToDo();
    }

    /// @dev Somebody who belongs to a member and does not act for it, or acted for one that was removed.
    function _staff(uint256 who) private view returns (address account) {
        for (uint256 i = 0; i < _everybody.length; ++i) {
            account = _everybody[(who + i) % _everybody.length];
            Membership storage found = _memberOf[_placeOf[account].member];
            if (_placeOf[account].member == 0) continue;
            bool acts = found.account == account && found.status != IConsortium.MemberStatus.Removed;
            // Who acts for a removed member can leave by itself only, for it is its own employer.
            if (!acts) return account;
        }
        revert NothingToDo();
    }

    function _standing(uint256 which) private view returns (uint32 member) {
        for (uint32 i = 0; i < _count; ++i) {
            member = 1 + uint32((which + i) % _count);
            if (_inStanding(member)) return member;
        }
        revert NothingToDo();
    }

    function _withStatus(uint256 which, IConsortium.MemberStatus status) private returns (uint32 member) {
        for (uint32 i = 0; i < _count; ++i) {
            member = 1 + uint32((which + i) % _count);
            if (_memberOf[member].status == status) {
                _touchedMember = member;
                return member;
            }
        }
        revert NothingToDo();
    }

    function _lasting(uint256 which) private returns (uint32 member) {
        member = 1 + uint32(which % _count);
        if (_memberOf[member].status == IConsortium.MemberStatus.Removed) member = 1 + uint32(which % FOUNDERS);
        _touchedMember = member;
    }

    function _later(uint256 which) private returns (uint32 member) {
        uint32 later = _count - FOUNDERS;
        for (uint32 i = 0; i < later; ++i) {
            member = FOUNDERS + 1 + uint32((which + i) % later);
            if (_memberOf[member].status == IConsortium.MemberStatus.Removed) continue;
            _touchedMember = member;
            return member;
        }
        revert NothingToDo();
    }

    function _suspendedFounders() private view returns (uint256 count) {
        for (uint32 member = 1; member <= FOUNDERS; ++member) {
            if (_memberOf[member].status == IConsortium.MemberStatus.Suspended) ++count;
        }
    }

    function _someRoles(uint256 how, uint32 licence) private pure returns (uint32 roles) {
        roles = uint32(how) & licence;
        if (roles == 0 || how % 2 == 0) roles = licence;
    }

    function _signJoin(address signer, IConsortium.Join memory terms) private view returns (bytes memory) {
        bytes32 words = RoleWords.hashOf(terms.roles);
        bytes32 hash = keccak256(
            abi.encode(JOIN_TYPEHASH, terms.account, terms.member, words, terms.nonce, terms.deadline)
        );
        return _sign(signer, address(_consortium), hash);
    }
}
