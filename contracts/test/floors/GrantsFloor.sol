// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../interfaces/IConsortium.sol";
import {IGrants} from "../../interfaces/health/IGrants.sol";
import {IKeys} from "../../interfaces/health/IKeys.sol";
import {GrantHashes} from "../../libraries/GrantHashes.sol";
import {Purposes} from "../../libraries/Purposes.sol";
import {Purpose} from "../../types/Purpose.sol";
import {Roles} from "../../types/Roles.sol";
import {Scope} from "../../types/Scope.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Grants
/// @notice The words of a grant are hashed by the project's own table. Used by tests and the bench only.
contract GrantsFloor is Floor {
    using Purposes for Purpose;

    uint256 private constant NONCE_SHIFT = 144;

    address private immutable _consortium;
    address private immutable _keys;

    uint256[2] private _names;
    mapping(address pseudonym => mapping(address reader => mapping(Purpose purpose => uint256 word))) private _grantOf;

    constructor(address place, address consortium, address keys) Floor("Theriac Grants", place) {
        _consortium = consortium;
        _keys = keys;
    }

    /// @dev A reader's own grant, or its member's, without a parent.
    function allowed(address pseudonym, address reader, Scope scope, Purpose purpose) external view returns (bool) {
        Roles role = purpose.roleOf();
        uint256 member = role.isNone() ? 0 : IConsortium(_consortium).standing(reader, role);
        if (!role.isNone() && member == 0) return false;

        uint256 era = IKeys(_keys).eraOf(pseudonym);
        if (_includes(_grantOf[pseudonym][reader][purpose], scope, era)) return true;

        return member != 0 && _includes(_grantOf[pseudonym][address(uint160(member))][purpose], scope, era);
    }

    function grant(IGrants.Terms calldata terms) external {
        _grant(terms, _checkSender(_keys, terms.pseudonym));
    }

    function grantBySig(
        IGrants.Terms calldata terms,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external {
        _grant(terms, _checkSigned(_keys, terms.pseudonym, GrantHashes.ofGrant(terms, freshness), signature));
    }

    function revoke(address pseudonym, address reader, Purpose purpose) external {
        _checkSender(_keys, pseudonym);

        _revoke(pseudonym, reader, purpose);
    }

    function revokeBySig(
        address pseudonym,
        address reader,
        Purpose purpose,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external {
        _checkSigned(_keys, pseudonym, GrantHashes.ofRevoke(pseudonym, reader, purpose, freshness), signature);

        _revoke(pseudonym, reader, purpose);
    }

    function _grant(IGrants.Terms calldata terms, uint256 era) private {
        (address pseudonym, address reader, Purpose purpose) = (terms.pseudonym, terms.reader, terms.purpose);
        mapping(Purpose => uint256) storage grants = _grantOf[pseudonym][reader];
        uint256 word = Scope.unwrap(terms.scope) | (uint256(terms.start) << 64) | (uint256(terms.expiry) << 104);
        grants[purpose] = word | _nextNonce(grants[purpose]) | (era << 176);

        emit IGrants.Granted(pseudonym, reader, purpose, terms.scope, terms.start, terms.expiry, terms.by);
    }

    function _revoke(address pseudonym, address reader, Purpose purpose) private {
        mapping(Purpose => uint256) storage grants = _grantOf[pseudonym][reader];
        grants[purpose] = _nextNonce(grants[purpose]);

        emit IGrants.Revoked(pseudonym, reader, purpose);
    }

    function _includes(uint256 word, Scope scope, uint256 era) private view returns (bool) {
        if (block.timestamp < uint40(word >> 64) || block.timestamp >= uint40(word >> 104)) return false;
        return Scope.unwrap(scope) & ~word == 0 && uint32(word >> 176) == era;
    }

    function _nextNonce(uint256 word) private pure returns (uint256) {
        unchecked {
            return uint256(uint32(word >> NONCE_SHIFT) + 1) << NONCE_SHIFT;
        }
    }
}
