// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../interfaces/IConsortium.sol";
import {IAuthorizations} from "../interfaces/cover/IAuthorizations.sol";
import {IPolicies} from "../interfaces/cover/IPolicies.sol";
import {INSURER, PROVIDERS, Roles} from "../types/Roles.sol";

/// @title Authorizations
/// @notice What an insurer has authorized before it is done: so many units of a service, until then.
contract Authorizations is IAuthorizations {
    IConsortium private immutable _consortium;
    IPolicies private immutable _policies;

    mapping(bytes32 authorization => Authorization) private _authorizationOf;
    mapping(bytes32 authorization => bytes32 plan) private _planOf;

    constructor(IConsortium consortium, IPolicies policies) {
        _consortium = consortium;
        _policies = policies;
    }

    /// @inheritdoc IAuthorizations
    function authorizationOf(bytes32 authorization) external view returns (Authorization memory) {
        return _authorizationOf[authorization];
    }

    /// @inheritdoc IAuthorizations
    function allowanceOf(
        bytes32 authorization,
        bytes32 plan,
        address pseudonym,
        uint32 provider,
        bytes32 service,
        uint40 time
    ) external view returns (uint16 units, uint64 amount) {
        Authorization storage found = _authorizationOf[authorization];
        bool counts = found.status == AuthorizationStatus.Approved && time < found.expiry;
        if (counts && found.subject == keccak256(abi.encode(plan, pseudonym, provider, service))) {
            return (found.units, found.amount);
        }
    }

    /// @inheritdoc IAuthorizations
    function idOf(Request calldata asked, uint32 provider) public pure returns (bytes32 authorization) {
        return keccak256(abi.encode(asked, provider));
    }

    /// @inheritdoc IAuthorizations
    function request(Request calldata asked) external returns (bytes32 authorization) {
        uint32 provider = _memberOf(msg.sender, PROVIDERS);
        if (asked.service == 0 || asked.units == 0 || asked.document == 0) revert EmptyRequest();
        bool enrolled = _policies.policyOf(asked.plan, asked.pseudonym).since != 0;
        if (!enrolled) revert NoSuchPolicy(asked.plan, asked.pseudonym);
        authorization = idOf(asked, provider);
        AuthorizationStatus status = _authorizationOf[authorization].status;
        if (status != AuthorizationStatus.None) revert WrongStatus(authorization, status);

        _planOf[authorization] = asked.plan;
        _authorizationOf[authorization] = Authorization({
            subject: keccak256(abi.encode(asked.plan, asked.pseudonym, provider, asked.service)),
            status: AuthorizationStatus.Requested,
            provider: provider,
            units: asked.units,
            amount: 0,
            expiry: 0
        });

        emit Requested(authorization, asked.plan, asked.pseudonym, provider);
    }

    /// @inheritdoc IAuthorizations
    function pend(bytes32 authorization, bytes32 document) external {
        Authorization storage asked = _undecided(authorization);

        asked.status = AuthorizationStatus.Pended;

        emit Pended(authorization, document);
    }

    /// @inheritdoc IAuthorizations
    function complete(bytes32 authorization, bytes32 document) external {
        uint32 member = _memberOf(msg.sender, PROVIDERS);
        Authorization storage asked = _authorizationOf[authorization];
        if (asked.status != AuthorizationStatus.Pended) revert WrongStatus(authorization, asked.status);
        if (asked.provider != member) revert NotTheProvider(authorization, member, asked.provider);

        asked.status = AuthorizationStatus.Requested;

        emit Completed(authorization, document);
    }

    /// @inheritdoc IAuthorizations
    function approve(bytes32 authorization, uint16 units, uint64 amount, uint40 expiry) external {
        Authorization storage asked = _undecided(authorization);
        if (units == 0 || units > asked.units || expiry <= block.timestamp) {
            revert WrongLimits(units, asked.units, expiry);
        }

        asked.status = AuthorizationStatus.Approved;
        asked.units = units;
        asked.amount = amount;
        asked.expiry = expiry;

        emit Approved(authorization, units, amount, expiry);
    }

    /// @inheritdoc IAuthorizations
    function refuse(bytes32 authorization, bytes32 document) external {
        Authorization storage asked = _undecided(authorization);

        asked.status = AuthorizationStatus.Refused;

        emit Refused(authorization, document);
    }

    function _undecided(bytes32 authorization) private view returns (Authorization storage asked) {
        uint32 member = _memberOf(msg.sender, INSURER);
        (, , uint32 insurer) = _policies.moneyOf(_planOf[authorization]);
        if (member != insurer) revert NotTheInsurer(authorization, member, insurer);
        asked = _authorizationOf[authorization];
        bool open = asked.status == AuthorizationStatus.Requested || asked.status == AuthorizationStatus.Pended;
        if (!open) revert WrongStatus(authorization, asked.status);
    }

    function _memberOf(address account, Roles roles) private view returns (uint32 member) {
        member = _consortium.standing(account, roles);
        if (member == 0) revert NoStanding(account);
    }
}
