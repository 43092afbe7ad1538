// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IBenefits} from "../../interfaces/cover/IBenefits.sol";
import {IClaims} from "../../interfaces/cover/IClaims.sol";
import {IEscrow} from "../../interfaces/cover/IEscrow.sol";
import {IBatches} from "../../interfaces/medicine/IBatches.sol";
import {IPrescriptions} from "../../interfaces/medicine/IPrescriptions.sol";
import {Claim} from "../../types/Claim.sol";
import {PHARMACIST, PROVIDERS, Roles} from "../../types/Roles.sol";
import {BenefitsFloor} from "./BenefitsFloor.sol";
import {CoverFloor} from "./CoverFloor.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Claims
/// @notice Of claims to a first payer that are decided at once, with the patient's signature. What it was called with it
/// hands to the floor of Benefits as it is, with the claim's number where the least amount stood. Used by tests and the
/// bench only.
contract ClaimsFloor is CoverFloor {
    uint256 private constant DECIDED = uint256(IClaims.ClaimStatus.Decided);
    uint256 private constant IS_GOODS = 2 << 16;

    /// @dev Where the least amount stands in what `submit` and `dispense` are called with.
    uint256 private constant IN_SUBMISSION = 0x44;
    uint256 private constant IN_DISPENSATION = 0x64;

    address private immutable _consortium;
    address private immutable _keys;
    address private immutable _batches;
    address private immutable _prescriptions;
    address private immutable _benefits;
    address private immutable _escrow;

    uint256[3] private _others;

    /// @dev A claim's words: status 8 | missing 8 | marks 8 | provider 32 | time 32 | decided 32 | paid 64 | share 64,
    /// and the facts.
    struct Words {
        uint256 first;
        bytes32 facts;
    }

    mapping(bytes32 claim => Words) private _stateOf;
    mapping(bytes32 claim => address controller) private _consentOf;

    constructor(
        address place,
        address consortium,
        address keys,
        address batches,
        address prescriptions,
        address benefits,
        address escrow
    ) Floor("Theriac Claims", place) {
        _consortium = consortium;
        _keys = keys;
        _batches = batches;
        _prescriptions = prescriptions;
        _benefits = benefits;
        _escrow = escrow;
    }

    /// @dev The status alone is asked for.
    function stateOf(bytes32 claim) external view returns (uint256 status) {
        return uint8(_stateOf[claim].first);
    }

    function consent(Claim calldata claim) external {
        (bytes32 plan, address pseudonym) = (claim.plan, claim.pseudonym);
        _checkSender(_keys, pseudonym);
        bytes32 id = _numberOf(plan, _contentOf(claim));

        _consentOf[id] = msg.sender;

        emit IClaims.Consented(id, plan, pseudonym);
    }

    function submit(
        Claim calldata claim,
        IBenefits.Row[] calldata,
        uint64,
        bytes calldata signature
    ) external returns (bytes32 id) {
        bytes32 content = _checkClaim(claim, PROVIDERS, signature);
        id = _numberOf(claim.plan, content);

        _tell(claim, id, 0, 0);
        (uint256 paid, uint256 share, bytes32 facts) = _decide(BenefitsFloor.decide.selector, IN_SUBMISSION, id);
        _settle(claim, id, DECIDED | (paid << 120) | (share << 184), keccak256(abi.encode(content, 0, 0, facts)));
    }

    function dispense(
        Claim calldata claim,
        IBenefits.Row[] calldata,
        IClaims.Goods calldata goods,
        uint64,
        bytes calldata signature
    ) external returns (bytes32 id) {
        bytes32 content = _checkClaim(claim, PHARMACIST, signature);
        id = _numberOf(claim.plan, content);

        _give(claim, goods);
        _tell(claim, id, goods.batch, goods.index);
        (uint256 paid, uint256 share, bytes32 facts) = _decide(BenefitsFloor.decideGoods.selector, IN_DISPENSATION, id);
        facts = keccak256(abi.encode(content, goods.batch, goods.index, facts));
        _settle(claim, id, DECIDED | IS_GOODS | (paid << 120) | (share << 184), facts);
    }

    /// @dev The line that the claim is for is filled with a pack, which is dispensed.
    function _give(Claim calldata claim, IClaims.Goods calldata goods) private {
        IPrescriptions.Filling calldata filling = goods.filling;
        bytes32 prescription;
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, filling, 0x80)
            prescription := keccak256(start, 0x80)
        }
        if (claim.evidence != keccak256(abi.encode(prescription, filling.line))) revert NotTheirs();

        if (goods.word.length != 0) _take(goods.take, goods.word);
        _dispense(goods);
        IPrescriptions(_prescriptions).fillFor(msg.sender, filling);
    }

    /// @dev The bearer's word goes on as it came.
    function _take(IPrescriptions.Take calldata take, bytes calldata word) private {
        address prescriptions = _prescriptions;
        bytes4 selector = IPrescriptions.takeFor.selector;
        bool done;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 0x04), caller())
            calldatacopy(add(start, 0x24), take, 0x100)
            mstore(add(start, 0x124), 0x140)
            mstore(add(start, 0x144), word.length)
            calldatacopy(add(start, 0x164), word.offset, word.length)
            done := call(gas(), prescriptions, 0, start, add(0x164, word.length), 0x00, 0x00)
        }
        if (!done) revert NotTheirs();
    }

    /// @dev The pack and the nodes beside its path go on as they came.
    function _dispense(IClaims.Goods calldata goods) private {
        address batches = _batches;
        bytes4 selector = IBatches.dispenseFor.selector;
        bool done;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 0x04), caller())
            calldatacopy(add(start, 0x24), goods, 0x2e0)
            done := call(gas(), batches, 0, start, 0x304, 0x00, 0x00)
        }
        if (!done) revert NotTheirs();
    }

    function _tell(Claim calldata claim, bytes32 id, bytes32 batch, uint32 index) private {
        emit IClaims.Submitted(
            id,
            claim.plan,
            claim.pseudonym,
            claim.provider,
            claim.evidence,
            claim.primary,
            batch,
            index
        );
    }

    /// @dev What it was called with goes on, with the number in it.
    function _decide(
        bytes4 selector,
        uint256 place,
        bytes32 id
    ) private returns (uint256 paid, uint256 share, bytes32 facts) {
        address benefits = _benefits;
        bool done;
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, 0x00, calldatasize())
            mstore(start, or(selector, shr(32, shl(32, mload(start)))))
            mstore(add(start, place), id)
            done := call(gas(), benefits, 0, start, calldatasize(), start, 0x60)
            paid := mload(start)
            share := mload(add(start, 0x20))
            facts := mload(add(start, 0x40))
        }
        if (!done) revert NotTheirs();
    }

    function _settle(Claim calldata claim, bytes32 id, uint256 word, bytes32 facts) private {
        uint32 provider = claim.provider;
        Words storage words = _stateOf[id];
        words.first = word | (uint256(provider) << 24) | (block.timestamp << 56) | (block.timestamp << 88);
        words.facts = facts;

        emit IClaims.Decided(id, uint64(word >> 120), uint64(word >> 184));

        IEscrow(_escrow).pay(claim.plan, provider, uint64(word >> 120));
    }

    /// @dev The provider claims, and the patient signed what.
    function _checkClaim(
        Claim calldata claim,
        Roles roles,
        bytes calldata signature
    ) private view returns (bytes32 content) {
        if (_memberOf(_consortium, msg.sender, roles) != claim.provider) revert NotTheirs();
        content = _contentOf(claim);
        _checkSigned(_keys, claim.pseudonym, content, signature);
    }
}
