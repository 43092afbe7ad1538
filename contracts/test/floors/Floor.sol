// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../interfaces/IConsortium.sol";
import {IKeys} from "../../interfaces/health/IKeys.sol";
import {Roles} from "../../types/Roles.sol";

/// @title A floor: what an act can hardly cost less than
/// @notice A floor stands where a contract of this project stands and takes the same transaction. It leaves the same
/// storage and the same events, to the byte. It proves what the act proves (who signed, which member an account acts
/// for, that a pack is in its batch) and checks nothing else: no time, no status, no bound, no number that was used
/// before. What an act costs beyond its floor is what those checks cost, and what could be written better. Used by tests
/// and the bench only: it must never be deployed.
abstract contract Floor {
    /// @notice Somebody acts who may not.
    error NotTheirs();

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    uint256 private constant ECRECOVER = 1;

    /// @dev What the contract at that place signs under.
    bytes32 private immutable _domain;

    constructor(string memory name, address place) {
        bytes32 version = keccak256("1");
        _domain = keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(name)), version, block.chainid, place));
    }

    /// @dev The hash of a type and of words of the calldata behind it: a struct in calldata is what is hashed.
    function _hash(bytes32 typeHash, uint256 offset, uint256 words) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, typeHash)
            calldatacopy(add(start, 0x20), offset, shl(5, words))
            hash := keccak256(start, add(0x20, shl(5, words)))
        }
    }

    /// @dev Whose key made a signature of 65 bytes over a struct.
    function _signerOf(bytes32 hash, bytes calldata signature) internal view returns (address signer) {
        bytes32 domain = _domain;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, 0x1901000000000000000000000000000000000000000000000000000000000000)
            mstore(add(start, 0x02), domain)
            mstore(add(start, 0x22), hash)
            mstore(start, keccak256(start, 0x42))
            mstore(add(start, 0x20), byte(0, calldataload(add(signature.offset, 0x40))))
            calldatacopy(add(start, 0x40), signature.offset, 0x40)
            mstore(0x00, 0)
            pop(staticcall(gas(), ECRECOVER, start, 0x80, 0x00, 0x20))
            signer := mload(0x00)
        }
    }

    /// @dev For which member an account acts.
    function _memberOf(address consortium, address account, Roles roles) internal view returns (uint32 member) {
        bytes4 selector = IConsortium.standing.selector;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 0x04), account)
            mstore(add(start, 0x24), roles)
            pop(staticcall(gas(), consortium, start, 0x44, 0x00, 0x20))
            member := mload(0x00)
        }
        if (member == 0) revert NotTheirs();
    }

    /// @dev Who controls a pseudonym, and its era.
    function _controllerOf(address keys, address pseudonym) internal view returns (address controller, uint32 era) {
        bytes4 selector = IKeys.authorityOf.selector;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 0x04), pseudonym)
            pop(staticcall(gas(), keys, start, 0x24, start, 0x40))
            controller := mload(start)
            era := mload(add(start, 0x20))
        }
    }

    /// @dev The controller signed; its era comes back.
    function _checkSigned(
        address keys,
        address pseudonym,
        bytes32 hash,
        bytes calldata signature
    ) internal view returns (uint32 era) {
        address controller;
        (controller, era) = _controllerOf(keys, pseudonym);
        if (_signerOf(hash, signature) != controller) revert NotTheirs();
    }

    /// @dev The sender is the controller; its era comes back.
    function _checkSender(address keys, address pseudonym) internal view returns (uint32 era) {
        address controller;
        (controller, era) = _controllerOf(keys, pseudonym);
        if (msg.sender != controller) revert NotTheirs();
    }
}
