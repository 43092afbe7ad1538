// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../interfaces/IConsortium.sol";
import {RoleWords} from "../../libraries/RoleWords.sol";
import {Roles} from "../../types/Roles.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Consortium
/// @notice Used by tests and the bench only.
contract ConsortiumFloor is Floor {
    bytes32 private constant JOIN_TYPEHASH = keccak256(
        "Join(address account,uint32 member,string[] roles,uint32 nonce,uint40 deadline)"
    );

    uint256 private constant NUMBER = type(uint32).max;
    uint256 private constant STATUS_SHIFT = 240;
    uint256 private constant ADMITTED = uint256(IConsortium.MemberStatus.Admitted) << STATUS_SHIFT;
    uint256 private constant STATUS_CHANGE = ADMITTED ^ (uint256(IConsortium.MemberStatus.Suspended) << STATUS_SHIFT);

    /// @dev As in Consortium: two words of EIP-712, the board, the offered board with the counts, the operators.
    uint256[2] private _names;
    address private _board;
    uint256 private _counts;
    mapping(uint32 member => mapping(address operator => uint8)) private _operatorOf;
    mapping(uint256 number => uint256 word) private _member;
    mapping(address account => uint256 word) private _affiliation;

    constructor(address place) Floor("Theriac Consortium", place) {}

    function standing(address account, uint32 roles) external view returns (uint256) {
        uint256 affiliation = _affiliation[account];
        uint256 word = _member[affiliation & NUMBER];
        bool stands = word >> STATUS_SHIFT == ADMITTED >> STATUS_SHIFT && block.timestamp < uint40(word >> 192);
        return stands && (affiliation >> 32) & (word >> 160) & roles != 0 ? affiliation & NUMBER : 0;
    }

    function inStanding(uint32 number) external view returns (bool) {
        uint256 word = _member[number];
        return word >> STATUS_SHIFT == ADMITTED >> STATUS_SHIFT && block.timestamp < uint40(word >> 192);
    }

    function affiliationOf(address account) external view returns (uint256 member, uint256 roles, uint256 nonce) {
        uint256 word = _affiliation[account];
        return (word & NUMBER, (word >> 32) & NUMBER, (word >> 64) & NUMBER);
    }

    function operatorOf(uint32 member, address operator) external view returns (uint8) {
        return _operatorOf[member][operator];
    }

    function memberOf(
        uint32 number
    ) external view returns (address account, uint256 roles, uint256 expiry, uint256 tier, uint256 status) {
        uint256 word = _member[number];
        return (
            address(uint160(word)),
            (word >> 160) & NUMBER,
            (word >> 192) & type(uint40).max,
            (word >> 232) & type(uint8).max,
            word >> STATUS_SHIFT
        );
    }

    function admit(address account, Roles roles, uint8 tier, uint40 expiry) external returns (uint32 number) {
        if (msg.sender != _board) revert NotTheirs();
        unchecked {
            uint256 counts = _counts + (1 << 160);
            number = uint32(counts >> 160);
            _counts = counts;
            uint256 word = uint160(account) | (uint256(Roles.unwrap(roles)) << 160) | (uint256(expiry) << 192);
            _member[number] = word | (uint256(tier) << 232) | ADMITTED;
            _affiliation[account] = _nextNonce(account) | number | (((1 << 12) - 1) << 32);
        }

        emit IConsortium.Admitted(number, account, roles, tier, expiry);
    }

    function suspend(uint32 member, uint16 reason) external {
        if (msg.sender != _board) revert NotTheirs();
        _member[member] ^= STATUS_CHANGE;

        emit IConsortium.Suspended(member, reason);
    }

    function join(IConsortium.Join calldata terms, bytes calldata signature) external {
        _join(terms, signature);
    }

    function joinMany(IConsortium.Join[] calldata terms, bytes[] calldata signatures) external {
        unchecked {
            for (uint256 i = 0; i < terms.length; ++i) {
                _join(terms[i], signatures[i]);
            }
        }
    }

    function _join(IConsortium.Join calldata terms, bytes calldata signature) private {
        (address account, uint32 member, Roles roles) = (terms.account, terms.member, terms.roles);
        if (msg.sender != address(uint160(_member[member]))) revert NotTheirs();
        bytes32 words = RoleWords.hashOf(roles);
        bytes32 hash = keccak256(abi.encode(JOIN_TYPEHASH, account, member, words, terms.nonce, terms.deadline));
        if (_signerOf(hash, signature) != account) revert NotTheirs();

        _affiliation[account] = _nextNonce(account) | (uint256(Roles.unwrap(roles)) << 32) | member;

        emit IConsortium.Joined(member, account, roles);
    }

    function _nextNonce(address account) private view returns (uint256) {
        unchecked {
            return ((_affiliation[account] >> 64) + 1) << 64;
        }
    }
}
