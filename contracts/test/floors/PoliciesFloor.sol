// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IPolicies} from "../../interfaces/cover/IPolicies.sol";
import {INSURER} from "../../types/Roles.sol";
import {CoverFloor, IFloorOfPolicies} from "./CoverFloor.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Policies
/// @notice Used by tests and the bench only.
contract PoliciesFloor is IFloorOfPolicies, CoverFloor {
    bytes32 private constant ENROL_TYPEHASH = keccak256(
        "Enrol(address pseudonym,bytes32 plan,uint96 family,uint16 first,uint16 last,uint40 ends,uint64 lifetime,address underwriter,uint32 era,uint40 deadline)"
    );
    bytes32 private constant END_POLICY_TYPEHASH = keccak256(
        "EndPolicy(address pseudonym,bytes32 plan,uint32 era,uint40 deadline)"
    );

    uint256 private constant TIMES = type(uint40).max;
    uint256 private constant ENDED = 1 << 248;

    /// @dev A plan's words as Policies keeps them, of the lowest bits first: adjudicator 160 | insurer 32 | days of
    /// premium, grace, filing and refutation 16 each; token 160 | arbiter 32 | days of appeal and reversal 16 each;
    /// appeals 160 | premium 64; the schedule; the document; and the seven limits, 64 each.
    struct Words {
        uint256 adjudicator;
        uint256 token;
        uint256 appeals;
        bytes32 schedule;
        bytes32 document;
        uint256 limits;
        uint256 further;
    }

    address private immutable _consortium;
    address private immutable _keys;

    uint256[2] private _names;
    mapping(bytes32 plan => mapping(address pseudonym => uint256 word)) private _formerOf;
    mapping(bytes32 plan => bool) private _isClosed;
    mapping(bytes32 plan => mapping(address pseudonym => uint64)) private _lifetimeOf;
    mapping(bytes32 plan => Words) private _wordsOf;

    /// @dev A policy's word: family 96 | since, until and ends 40 each | first and last 16 each | ended 8.
    mapping(bytes32 plan => mapping(address pseudonym => uint256 word)) private _policyOf;

    constructor(address place, address consortium, address keys) Floor("Theriac Policies", place) {
        _consortium = consortium;
        _keys = keys;
    }

    function wordOf(bytes32 plan) external view returns (uint256 word) {
        return _wordsOf[plan].adjudicator;
    }

    function tokenOf(bytes32 plan) external view returns (uint256 token) {
        return uint160(_wordsOf[plan].token);
    }

    function lifetimeOf(bytes32 plan, address pseudonym) external view returns (uint256 amount) {
        return _lifetimeOf[plan][pseudonym];
    }

    function coverOf(
        bytes32 plan,
        address pseudonym
    ) external view returns (address adjudicator, bytes32 schedule, uint256 family) {
        Words storage words = _wordsOf[plan];
        return (address(uint160(words.adjudicator)), words.schedule, uint96(_policyOf[plan][pseudonym]));
    }

    function publish(IPolicies.Plan calldata terms) external returns (bytes32 plan) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, terms, 0x2a0)
            plan := keccak256(start, 0x2a0)
        }
        uint32 insurer = terms.insurer;
        if (_memberOf(_consortium, msg.sender, INSURER) != insurer) revert NotTheirs();

        _write(_wordsOf[plan], terms);

        emit IPolicies.PlanPublished(plan, insurer, terms.document);
    }

    function close(bytes32 plan) external {
        if (_memberOf(_consortium, msg.sender, INSURER) != _insurerOf(plan)) revert NotTheirs();

        _isClosed[plan] = true;

        emit IPolicies.PlanClosed(plan);
    }

    function enrol(IPolicies.Enrol calldata terms, bytes calldata underwriting) external {
        _checkSender(_keys, terms.pseudonym);

        _enrol(terms, _hash(ENROL_TYPEHASH, 0x04, 10), underwriting);
    }

    function enrolBySig(
        IPolicies.Enrol calldata terms,
        bytes calldata underwriting,
        bytes calldata signature
    ) external {
        bytes32 hash = _hash(ENROL_TYPEHASH, 0x04, 10);
        _checkSigned(_keys, terms.pseudonym, hash, signature);

        _enrol(terms, hash, underwriting);
    }

    function payPremium(bytes32 plan, address pseudonym, uint16 periods) external {
        Words storage words = _wordsOf[plan];
        mapping(address => uint256) storage policies = _policyOf[plan];
        uint256 first = words.adjudicator;
        uint256 policy = policies[pseudonym];
        unchecked {
            uint256 amount = (words.appeals >> 160) * periods;
            uint256 until = uint40(policy >> 136) + uint256(uint16(first >> 192)) * 1 days * periods;
            until = _untilAtMost(policy, until);
            policies[pseudonym] = (policy & ~(TIMES << 136)) | (until << 136);

            emit IPolicies.PremiumPaid(plan, pseudonym, msg.sender, amount, uint40(until));

            _collect(address(uint160(words.token)), _accountOf(_consortium, uint32(first >> 160)), amount);
        }
    }

    function reinstate(bytes32 plan, address pseudonym) external {
        uint256 first = _wordsOf[plan].adjudicator;
        if (_memberOf(_consortium, msg.sender, INSURER) != uint32(first >> 160)) revert NotTheirs();
        mapping(address => uint256) storage policies = _policyOf[plan];
        uint256 policy = policies[pseudonym];
        unchecked {
            uint256 until = _untilAtMost(policy, block.timestamp + uint256(uint16(first >> 192)) * 1 days);
            _formerOf[plan][pseudonym] = (policy >> 96) & ((1 << 80) - 1);
            uint256 rest = policy & ~((TIMES << 96) | (TIMES << 136));
            policies[pseudonym] = rest | (block.timestamp << 96) | (until << 136);

            emit IPolicies.Reinstated(plan, pseudonym, uint40(until));
        }
    }

    function endPolicy(bytes32 plan, address pseudonym) external {
        (address controller, ) = _controllerOf(_keys, pseudonym);
        uint32 member = 0;
        if (msg.sender != controller) {
            member = _memberOf(_consortium, msg.sender, INSURER);
            if (member != _insurerOf(plan)) revert NotTheirs();
        }

        _end(plan, pseudonym, member);
    }

    function endPolicyBySig(IPolicies.EndPolicy calldata terms, bytes calldata signature) external {
        address pseudonym = terms.pseudonym;
        _checkSigned(_keys, pseudonym, _hash(END_POLICY_TYPEHASH, 0x04, 4), signature);

        _end(terms.plan, pseudonym, 0);
    }

    function _enrol(IPolicies.Enrol calldata terms, bytes32 hash, bytes calldata underwriting) private {
        (bytes32 plan, address pseudonym, address underwriter) = (terms.plan, terms.pseudonym, terms.underwriter);
        if (_signerOf(hash, underwriting) != underwriter) revert NotTheirs();
        Words storage words = _wordsOf[plan];
        if (_memberOf(_consortium, underwriter, INSURER) != uint32(words.adjudicator >> 160)) revert NotTheirs();

        (uint96 family, uint40 ends) = (terms.family, terms.ends);
        uint40 until = words.appeals >> 160 == 0 ? ends : uint40(block.timestamp);
        uint256 word = family | (block.timestamp << 96) | (uint256(until) << 136) | (uint256(ends) << 176);
        _policyOf[plan][pseudonym] = word | (uint256(terms.first) << 216) | (uint256(terms.last) << 232);
        if (terms.lifetime != 0) _lifetimeOf[plan][pseudonym] = terms.lifetime;

        emit IPolicies.Enrolled(plan, pseudonym, family, until, ends);
    }

    function _end(bytes32 plan, address pseudonym, uint32 member) private {
        mapping(address => uint256) storage policies = _policyOf[plan];
        uint256 policy = policies[pseudonym];
        uint256 until = uint40(policy >> 136);
        if (until > block.timestamp) until = block.timestamp;
        uint256 rest = policy & ~((TIMES << 136) | (TIMES << 176));
        policies[pseudonym] = rest | (until << 136) | (block.timestamp << 176) | ENDED;

        emit IPolicies.PolicyEnded(plan, pseudonym, member);
    }

    function _write(Words storage words, IPolicies.Plan calldata terms) private {
        words.adjudicator =
            uint160(terms.adjudicator) |
            (uint256(terms.insurer) << 160) |
            (uint256(terms.premiumDays) << 192) |
            (uint256(terms.graceDays) << 208) |
            (uint256(terms.filingDays) << 224) |
            (uint256(terms.refuteDays) << 240);
        words.token =
            uint160(terms.token) |
            (uint256(terms.arbiter) << 160) |
            (uint256(terms.appealDays) << 192) |
            (uint256(terms.reversalDays) << 208);
        words.appeals = uint160(terms.appeals) | (uint256(terms.premium) << 160);
        words.schedule = terms.schedule;
        words.document = terms.document;
        uint256[7] calldata limits;
        assembly ("memory-safe") {
            limits := add(terms, 0x1c0)
        }
        words.limits = limits[0] | (limits[1] << 64) | (limits[2] << 128) | (limits[3] << 192);
        words.further = limits[4] | (limits[5] << 64) | (limits[6] << 128);
    }

    function _insurerOf(bytes32 plan) private view returns (uint32) {
        return uint32(_wordsOf[plan].adjudicator >> 160);
    }

    function _untilAtMost(uint256 policy, uint256 until) private pure returns (uint256) {
        uint256 ends = uint40(policy >> 176);
        return until > ends ? ends : until;
    }
}
