// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IBenefits} from "../../interfaces/cover/IBenefits.sol";
import {IClaims} from "../../interfaces/cover/IClaims.sol";
import {Claim, Line} from "../../types/Claim.sol";
import {CoverFloor, IFloorOfPolicies} from "./CoverFloor.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Benefits, and of the Rules that it asks
/// @notice Of lines that have a price and a copay, that nothing speaks against and no limit cuts. It is called with what
/// the floor of Claims was called with. Used by tests and the bench only.
contract BenefitsFloor is CoverFloor {
    /// @dev The bytes of a row's benefit and of a line's outcome.
    uint256 private constant BENEFIT = 0x1a0;
    uint256 private constant OUTCOME = 0xe0;

    address private immutable _records;
    address private immutable _policies;

    mapping(bytes32 authorization => bytes32 claim) private _usedBy;

    /// @dev What was used: deductible, out of pocket, paid, and paid in a lifetime, 64 each.
    mapping(bytes32 policy => uint256 word) private _personOf;
    mapping(bytes32 plan => mapping(uint96 family => uint256 word)) private _familyOf;
    mapping(bytes32 payer => mapping(bytes32 evidence => bool)) private _isClaimed;
    mapping(bytes32 policy => mapping(bytes32 service => uint256)) private _unitsOf;
    mapping(bytes32 policy => mapping(bytes32 key => mapping(uint256 word => uint256))) private _daysOf;

    constructor(address place, address records, address policies) Floor("Theriac Benefits", place) {
        _records = records;
        _policies = policies;
    }

    function decide(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        bytes32 id,
        bytes calldata
    ) external returns (uint256 paid, uint256 share, bytes32 facts) {
        address pseudonym = claim.pseudonym;
        _checkEvidence(_records, pseudonym, claim.provider, claim.evidence);

        _isClaimed[_hashOf(bytes32(uint256(uint160(msg.sender))), pseudonym)][claim.evidence] = true;
        _useDays(_hashOf(claim.plan, pseudonym), claim.lines, rows);
        return _decide(claim, rows, id);
    }

    function decideGoods(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        IClaims.Goods calldata,
        bytes32 id,
        bytes calldata
    ) external returns (uint256 paid, uint256 share, bytes32 facts) {
        return _decide(claim, rows, id);
    }

    function _decide(
        Claim calldata claim,
        IBenefits.Row[] calldata rows,
        bytes32 id
    ) private returns (uint256 paid, uint256 share, bytes32 facts) {
        (bytes32 schedule, uint256 family) = _coverOf(claim.plan, claim.pseudonym);
        uint256 outcomes;
        (outcomes, paid, share, facts) = _price(claim.lines, rows, schedule);

        _store(claim, id, family, outcomes, paid, share);
    }

    /// @dev A service or a bundle once on a day.
    function _useDays(bytes32 policy, Line[] calldata lines, IBenefits.Row[] calldata rows) private {
        mapping(bytes32 => mapping(uint256 => uint256)) storage used = _daysOf[policy];
        unchecked {
            for (uint256 i = 0; i < lines.length; ++i) {
                bytes32 bundle = rows[i].benefit.bundle;
                uint256 day = lines[i].day;
                used[bundle == 0 ? lines[i].service : bundle][day >> 8] |= 1 << (day & 0xff);
            }
        }
    }

    function _store(
        Claim calldata claim,
        bytes32 id,
        uint256 family,
        uint256 outcomes,
        uint256 paid,
        uint256 share
    ) private {
        (bytes32 plan, address pseudonym) = (claim.plan, claim.pseudonym);
        bytes32 policy = _hashOf(plan, pseudonym);
        uint256 used = (share << 64) | (paid << 128);
        unchecked {
            uint256 person = _personOf[policy];
            if (person >> 192 == 0) person |= IFloorOfPolicies(_policies).lifetimeOf(plan, pseudonym) << 192;
            person += used | (paid << 192);
            _personOf[policy] = person;
            if (family != 0) {
                used += _familyOf[plan][uint96(family)];
                _familyOf[plan][uint96(family)] = used;
            }

            _emit(id, outcomes, person, used);
        }
    }

    /// @dev Tells what was decided. The outcomes lie in memory, and what lies before them is needed no more.
    function _emit(bytes32 id, uint256 outcomes, uint256 person, uint256 family) private {
        bytes32 topic = IBenefits.Assessed.selector;
        assembly ("memory-safe") {
            let start := sub(outcomes, 0x120)
            mstore(start, 0x120)
            for {
                let at := add(start, 0x20)
            } lt(at, add(start, 0xa0)) {
                at := add(at, 0x20)
            } {
                mstore(at, and(person, 0xffffffffffffffff))
                mstore(add(at, 0x80), and(family, 0xffffffffffffffff))
                person := shr(64, person)
                family := shr(64, family)
            }
            log2(start, add(0x140, mul(mload(outcomes), OUTCOME)), topic, id)
        }
    }

    /// @dev The sender decides for the plan: the plan's schedule, and the family whose limits the policy shares.
    function _coverOf(bytes32 plan, address pseudonym) private view returns (bytes32 schedule, uint256 family) {
        address policies = _policies;
        bytes4 selector = IFloorOfPolicies.coverOf.selector;
        address adjudicator;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 0x04), plan)
            mstore(add(start, 0x24), pseudonym)
            pop(staticcall(gas(), policies, start, 0x44, start, 0x60))
            adjudicator := mload(start)
            schedule := mload(add(start, 0x20))
            family := mload(add(start, 0x40))
        }
        if (msg.sender != adjudicator) revert NotTheirs();
    }

    /// @dev What each line comes to, by the schedule's row. Into memory go the benefits and, behind them, the outcomes, as
    /// they are hashed.
    function _price(
        Line[] calldata lines,
        IBenefits.Row[] calldata rows,
        bytes32 schedule
    ) private pure returns (uint256 outcomes, uint256 paid, uint256 share, bytes32 facts) {
        uint256 start;
        assembly ("memory-safe") {
            let count := rows.length
            start := mload(0x40)
            outcomes := add(add(start, 0x60), mul(count, BENEFIT))
            mstore(start, 0x40)
            mstore(add(start, 0x20), sub(outcomes, start))
            mstore(add(start, 0x40), count)
            mstore(outcomes, count)
            let end := add(outcomes, add(0x20, mul(count, OUTCOME)))
            calldatacopy(add(outcomes, 0x20), calldatasize(), mul(count, OUTCOME))
            mstore(0x40, end)
        }
        unchecked {
            uint256 benefit = start + 0x60;
            uint256 outcome = outcomes + 0x20;
            for (uint256 i = 0; i < rows.length; ++i) {
                (uint256 allowed, uint256 copay) = _priceOne(lines[i], rows[i], schedule, benefit, outcome);
                (paid, share) = (paid + allowed - copay, share + copay);
                (benefit, outcome) = (benefit + BENEFIT, outcome + OUTCOME);
            }
        }
        assembly ("memory-safe") {
            facts := keccak256(start, sub(mload(0x40), start))
        }
    }

    function _priceOne(
        Line calldata line,
        IBenefits.Row calldata row,
        bytes32 schedule,
        uint256 benefit,
        uint256 outcome
    ) private pure returns (uint256 allowed, uint256 copay) {
        bytes32 leaf;
        assembly ("memory-safe") {
            calldatacopy(benefit, row, BENEFIT)
            mstore(0x00, keccak256(benefit, BENEFIT))
            leaf := keccak256(0x00, 0x20)
        }
        if (_rootOf(leaf, row.proof) != schedule || row.benefit.service != line.service) revert NotTheirs();

        unchecked {
            (allowed, copay) = (uint256(row.benefit.price) * line.units, row.benefit.copay);
            if (allowed > line.charged) allowed = line.charged;
            if (copay > allowed) copay = allowed;
            assembly ("memory-safe") {
                mstore(add(outcome, 0x20), allowed)
                mstore(add(outcome, 0x60), copay)
                mstore(add(outcome, 0xc0), sub(allowed, copay))
            }
        }
    }

    function _rootOf(bytes32 node, bytes32[] calldata proof) private pure returns (bytes32 root) {
        assembly ("memory-safe") {
            root := node
            for {
                let at := proof.offset
                let end := add(at, shl(5, proof.length))
            } lt(at, end) {
                at := add(at, 0x20)
            } {
                let sibling := calldataload(at)
                let isLater := shl(5, gt(root, sibling))
                mstore(isLater, root)
                mstore(xor(isLater, 0x20), sibling)
                root := keccak256(0x00, 0x40)
            }
        }
    }

    /// @dev The hash of a plan or a payer, and a pseudonym.
    function _hashOf(bytes32 first, address pseudonym) private pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore(0x00, first)
            mstore(0x20, pseudonym)
            hash := keccak256(0x00, 0x40)
        }
    }
}
