// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAuthorizations} from "../../interfaces/cover/IAuthorizations.sol";
import {PROVIDERS} from "../../types/Roles.sol";
import {CoverFloor} from "./CoverFloor.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Authorizations
/// @notice Used by tests and the bench only.
contract AuthorizationsFloor is CoverFloor {
    /// @dev Two words as Authorizations keeps them: the subject, and status 8 | provider 32 | units 16 | amount 64 |
    /// expiry 40.
    struct Entry {
        bytes32 subject;
        uint256 word;
    }

    uint256 private constant STATUS = type(uint8).max;
    uint256 private constant ASKED_BY = type(uint40).max;
    uint256 private constant REQUESTED = uint256(IAuthorizations.AuthorizationStatus.Requested);
    uint256 private constant PENDED = uint256(IAuthorizations.AuthorizationStatus.Pended);
    uint256 private constant APPROVED = uint256(IAuthorizations.AuthorizationStatus.Approved);
    uint256 private constant REFUSED = uint256(IAuthorizations.AuthorizationStatus.Refused);

    address private immutable _consortium;
    address private immutable _policies;

    mapping(bytes32 authorization => Entry) private _authorizationOf;
    mapping(bytes32 authorization => bytes32 plan) private _planOf;

    constructor(address place, address consortium, address policies) Floor("Theriac Authorizations", place) {
        _consortium = consortium;
        _policies = policies;
    }

    function idOf(IAuthorizations.Request calldata asked, uint32 provider) public pure returns (bytes32 authorization) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, asked, 0xa0)
            mstore(add(start, 0xa0), provider)
            authorization := keccak256(start, 0xc0)
        }
    }

    function request(IAuthorizations.Request calldata asked) external returns (bytes32 authorization) {
        uint32 provider = _memberOf(_consortium, msg.sender, PROVIDERS);
        (bytes32 plan, address pseudonym) = (asked.plan, asked.pseudonym);
        authorization = idOf(asked, provider);

        _planOf[authorization] = plan;
        Entry storage entry = _authorizationOf[authorization];
        entry.subject = keccak256(abi.encode(plan, pseudonym, provider, asked.service));
        entry.word = REQUESTED | (uint256(provider) << 8) | (uint256(asked.units) << 40);

        emit IAuthorizations.Requested(authorization, plan, pseudonym, provider);
    }

    function pend(bytes32 authorization, bytes32 document) external {
        _checkInsurer(_consortium, _policies, _planOf[authorization]);

        _move(authorization, PENDED);

        emit IAuthorizations.Pended(authorization, document);
    }

    function complete(bytes32 authorization, bytes32 document) external {
        uint32 member = _memberOf(_consortium, msg.sender, PROVIDERS);
        if (uint32(_authorizationOf[authorization].word >> 8) != member) revert NotTheirs();

        _move(authorization, REQUESTED);

        emit IAuthorizations.Completed(authorization, document);
    }

    function approve(bytes32 authorization, uint16 units, uint64 amount, uint40 expiry) external {
        _checkInsurer(_consortium, _policies, _planOf[authorization]);

        Entry storage entry = _authorizationOf[authorization];
        uint256 asked = (entry.word & ASKED_BY & ~STATUS) | APPROVED;
        entry.word = asked | (uint256(units) << 40) | (uint256(amount) << 56) | (uint256(expiry) << 120);

        emit IAuthorizations.Approved(authorization, units, amount, expiry);
    }

    function refuse(bytes32 authorization, bytes32 document) external {
        _checkInsurer(_consortium, _policies, _planOf[authorization]);

        _move(authorization, REFUSED);

        emit IAuthorizations.Refused(authorization, document);
    }

    function _move(bytes32 authorization, uint256 status) private {
        Entry storage entry = _authorizationOf[authorization];
        entry.word = (entry.word & ~STATUS) | status;
    }
}
