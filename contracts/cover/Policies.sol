// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ByPseudonym} from "../health/ByPseudonym.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IPolicies} from "../interfaces/cover/IPolicies.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {INSURER} from "../types/Roles.sol";

/// @title Policies
/// @notice Which plans insurers have published, and who is enrolled in them until when.
contract Policies is IPolicies, ByPseudonym {
    using SafeERC20 for IERC20;

    bytes32 private constant ENROL_TYPEHASH = keccak256(
        "Enrol(address pseudonym,bytes32 plan,uint96 family,uint16 first,uint16 last,uint40 ends,uint64 lifetime,address underwriter,uint32 era,uint40 deadline)"
    );
    bytes32 private constant END_POLICY_TYPEHASH = keccak256(
        "EndPolicy(address pseudonym,bytes32 plan,uint32 era,uint40 deadline)"
    );

    /// @dev Papers are signed before the first of a month, and an insurer that waits some days hides on which one it is.
    uint256 private constant SIGNATURE_WINDOW = 31 days;

    uint256 private constant MOST_DAYS = 366;
    uint256 private constant LONGEST = 400 days;

    /// @dev So that the amounts of a policy year fit 64 bits, four a slot.
    uint8 private constant MOST_DECIMALS = 6;

    /// @dev Seconds that were covered.
    struct Span {
        uint40 since;
        uint40 until;
    }

    IConsortium private immutable _consortium;

    /// @inheritdoc IPolicies
    mapping(bytes32 plan => mapping(address pseudonym => Span)) public formerOf;

    /// @inheritdoc IPolicies
    mapping(bytes32 plan => bool) public isClosed;

    /// @inheritdoc IPolicies
    mapping(bytes32 plan => mapping(address pseudonym => uint64)) public lifetimeOf;

    mapping(bytes32 plan => Plan) private _planOf;
    mapping(bytes32 plan => mapping(address pseudonym => Policy)) private _policyOf;

    constructor(IConsortium consortium, IKeys keys) EIP712("Theriac Policies", "1") ByPseudonym(keys) {
        _consortium = consortium;
    }

    /// @inheritdoc IPolicies
    function planOf(bytes32 plan) external view returns (Plan memory) {
        return _planOf[plan];
    }

    /// @inheritdoc IPolicies
    function moneyOf(bytes32 plan) external view returns (address token, address adjudicator, uint32 insurer) {
        Plan storage terms = _planOf[plan];
        return (terms.token, terms.adjudicator, terms.insurer);
    }

    /// @inheritdoc IPolicies
    function policyOf(bytes32 plan, address pseudonym) external view returns (Policy memory) {
        return _policyOf[plan][pseudonym];
    }

    /// @inheritdoc IPolicies
    function disputesOf(
        bytes32 plan
    )
        external
        view
        returns (
            address appeals,
            uint32 insurer,
            uint32 arbiter,
            uint16 refuteDays,
            uint16 appealDays,
            uint16 reversalDays
        )
    {
        Plan storage terms = _planOf[plan];
        appeals = terms.appeals;
        insurer = terms.insurer;
        arbiter = terms.arbiter;
        refuteDays = terms.refuteDays;
        appealDays = terms.appealDays;
        reversalDays = terms.reversalDays;
    }

    /// @inheritdoc IPolicies
    function coverOf(bytes32 plan, address pseudonym) external view returns (Cover memory cover) {
        Plan storage terms = _planOf[plan];
        cover.adjudicator = terms.adjudicator;
        cover.insurer = terms.insurer;
        cover.filingDays = terms.filingDays;
        cover.schedule = terms.schedule;
        cover.limits = terms.limits;
        cover.policy = _policyOf[plan][pseudonym];
        if (cover.policy.since == 0) revert NoSuchPolicy(plan, pseudonym);
    }

    /// @inheritdoc IPolicies
    function idOf(Plan calldata terms) public pure returns (bytes32 plan) {
        return keccak256(abi.encode(terms));
    }

    /// @inheritdoc IPolicies
    function publish(Plan calldata terms) external returns (bytes32 plan) {
        plan = idOf(terms);
        _checkInsurer(plan, terms.insurer);
        _checkPlan(terms);
        if (_planOf[plan].insurer != 0) revert AlreadyPublished(plan);

        _planOf[plan] = terms;

        emit PlanPublished(plan, terms.insurer, terms.document);
    }

    /// @inheritdoc IPolicies
    function close(bytes32 plan) external {
        _checkInsurer(plan, _existing(plan).insurer);
        if (isClosed[plan]) revert PlanIsClosed(plan);

        isClosed[plan] = true;

        emit PlanClosed(plan);
    }

    /// @inheritdoc IPolicies
    function enrol(Enrol calldata terms, bytes calldata underwriting) external {
        uint32 era = _checkFreeController(terms.pseudonym, msg.sender);
        if (terms.era != era) revert IKeys.WrongEra(terms.era, era);
        bytes32 hash = _hashTypedDataV4(keccak256(abi.encode(ENROL_TYPEHASH, terms)));

        _enrol(terms, hash, underwriting);
    }

    /// @inheritdoc IPolicies
    function enrolBySig(Enrol calldata terms, bytes calldata underwriting, bytes calldata signature) external {
        bytes32 hash = _hashTypedDataV4(keccak256(abi.encode(ENROL_TYPEHASH, terms)));
        IKeys.Authority memory authority = _keys.authorityOf(terms.pseudonym);
        if (terms.era != authority.era) revert IKeys.WrongEra(terms.era, authority.era);
        if (!Signatures.isSignedBy(hash, signature, authority.controller)) {
            revert IKeys.WrongSignature(authority.controller);
        }
        if (authority.frozen) revert IKeys.Frozen(terms.pseudonym);

        _enrol(terms, hash, underwriting);
    }

    /// @inheritdoc IPolicies
    function payPremium(bytes32 plan, address pseudonym, uint16 periods) external {
        Plan storage terms = _existing(plan);
        Policy memory policy = _enrolled(plan, pseudonym);
        uint256 amount = uint256(terms.premium) * periods;
        uint256 period = uint256(terms.premiumDays) * 1 days;
        uint256 until = policy.until + period * periods;
        if (amount == 0 || until - period >= policy.ends) revert NothingDue(plan, pseudonym);
        if (_hasLapsed(policy, terms.graceDays)) revert Lapsed(plan, pseudonym, policy.until);

        policy.until = until > policy.ends ? policy.ends : uint40(until);
        _policyOf[plan][pseudonym] = policy;

        emit PremiumPaid(plan, pseudonym, msg.sender, amount, policy.until);

        _collect(IERC20(terms.token), _consortium.memberOf(terms.insurer).account, amount);
    }

    /// @inheritdoc IPolicies
    function reinstate(bytes32 plan, address pseudonym) external {
        Plan storage terms = _existing(plan);
        _checkInsurer(plan, terms.insurer);
        Policy memory policy = _enrolled(plan, pseudonym);
        bool lapsed = _hasLapsed(policy, terms.graceDays);
        if (!lapsed || block.timestamp >= policy.ends) revert NotLapsed(plan, pseudonym, policy.until);

        uint256 until = block.timestamp + uint256(terms.premiumDays) * 1 days;
        formerOf[plan][pseudonym] = Span(policy.since, policy.until);
        policy.since = uint40(block.timestamp);
        policy.until = until > policy.ends ? policy.ends : uint40(until);
        _policyOf[plan][pseudonym] = policy;

        emit Reinstated(plan, pseudonym, policy.until);
    }

    /// @inheritdoc IPolicies
    function endPolicy(bytes32 plan, address pseudonym) external {
        uint32 insurer = _existing(plan).insurer;
        IKeys.Authority memory authority = _keys.authorityOf(pseudonym);
        if (msg.sender == authority.controller) {
            if (authority.frozen) revert IKeys.Frozen(pseudonym);
            _end(plan, pseudonym, 0);
        } else {
            _checkInsurer(plan, insurer);
            _end(plan, pseudonym, insurer);
        }
    }

    /// @inheritdoc IPolicies
    function endPolicyBySig(EndPolicy calldata terms, bytes calldata signature) external {
        bytes32 hash = keccak256(abi.encode(END_POLICY_TYPEHASH, terms));
        _checkFreeSignature(terms.pseudonym, terms.era, terms.deadline, hash, signature);

        _end(terms.plan, terms.pseudonym, 0);
    }

    function _enrol(Enrol calldata terms, bytes32 hash, bytes calldata underwriting) private {
        if (block.timestamp > terms.deadline) revert IKeys.SignatureExpired(terms.deadline);
        uint256 latest = block.timestamp + SIGNATURE_WINDOW;
        if (terms.deadline > latest) revert IKeys.DeadlineTooFar(terms.deadline, latest);
        Plan storage plan = _existing(terms.plan);
        if (isClosed[terms.plan]) revert PlanIsClosed(terms.plan);
        _checkMember(terms.plan, terms.underwriter, plan.insurer);
        if (!Signatures.isSignedBy(hash, underwriting, terms.underwriter)) {
            revert IKeys.WrongSignature(terms.underwriter);
        }
        _checkTimes(terms);
        if (_policyOf[terms.plan][terms.pseudonym].since != 0) revert AlreadyEnrolled(terms.plan, terms.pseudonym);

        uint40 since = uint40(block.timestamp);
        uint40 until = plan.premium == 0 ? terms.ends : since;
        _policyOf[terms.plan][terms.pseudonym] = Policy({
            family: terms.family,
            since: since,
            until: until,
            ends: terms.ends,
            first: terms.first,
            last: terms.last,
            ended: false
        });
        if (terms.lifetime != 0) lifetimeOf[terms.plan][terms.pseudonym] = terms.lifetime;

        emit Enrolled(terms.plan, terms.pseudonym, terms.family, until, terms.ends);
    }

    /// @dev A policy is ended from now on: what was covered stays covered.
    function _end(bytes32 plan, address pseudonym, uint32 member) private {
        Policy memory policy = _enrolled(plan, pseudonym);
        uint40 moment = uint40(block.timestamp);
        if (policy.ends <= moment) revert NothingDue(plan, pseudonym);

        policy.ends = moment;
        policy.ended = true;
        if (policy.until > moment) policy.until = moment;
        _policyOf[plan][pseudonym] = policy;

        emit PolicyEnded(plan, pseudonym, member);
    }

    function _collect(IERC20 token, address to, uint256 amount) private {
        uint256 before = token.balanceOf(to);
        token.safeTransferFrom(msg.sender, to, amount);
        uint256 arrived = token.balanceOf(to) - before;
        if (arrived != amount) revert WrongTransfer(address(token), arrived, amount);
    }

    function _existing(bytes32 plan) private view returns (Plan storage terms) {
        terms = _planOf[plan];
        if (terms.insurer == 0) revert NoSuchPlan(plan);
    }

    function _enrolled(bytes32 plan, address pseudonym) private view returns (Policy memory policy) {
        policy = _policyOf[plan][pseudonym];
        if (policy.since == 0) revert NoSuchPolicy(plan, pseudonym);
    }

    function _hasLapsed(Policy memory policy, uint256 graceDays) private view returns (bool) {
        return block.timestamp > policy.until + graceDays * 1 days;
    }

    function _checkInsurer(bytes32 plan, uint32 insurer) private view {
        _checkMember(plan, msg.sender, insurer);
    }

    function _checkMember(bytes32 plan, address account, uint32 insurer) private view {
        uint32 member = _consortium.standing(account, INSURER);
        if (member == 0) revert NoStanding(account);
        if (member != insurer) revert NotTheInsurer(plan, member, insurer);
    }

    function _checkPlan(Plan calldata terms) private view {
        bool hasAll = terms.schedule != 0 && terms.document != 0;
        hasAll = hasAll && terms.filingDays != 0 && terms.refuteDays != 0;
        hasAll = hasAll && terms.appealDays != 0 && terms.reversalDays != 0;
        hasAll = hasAll && (terms.premium == 0) == (terms.premiumDays == 0);
        hasAll = hasAll && terms.adjudicator.code.length != 0 && terms.appeals.code.length != 0;
        if (!hasAll) revert EmptyPlan();
        if (terms.arbiter == terms.insurer || !_consortium.inStanding(terms.arbiter)) {
            revert WrongArbiter(terms.arbiter);
        }
        if (_decimalsOf(terms.token) > MOST_DECIMALS) revert WrongToken(terms.token);
    }

    function _decimalsOf(address token) private view returns (uint256) {
        (bool answered, bytes memory answer) = token.staticcall(abi.encodeCall(IERC20Metadata.decimals, ()));
        return answered && answer.length >= 32 ? abi.decode(answer, (uint256)) : type(uint256).max;
    }

    function _checkTimes(Enrol calldata terms) private view {
        bool isYear = terms.first != 0 && terms.first <= terms.last && terms.last - terms.first < MOST_DAYS;
        if (!isYear) revert WrongDays(terms.first, terms.last);
        uint256 latest = block.timestamp + LONGEST;
        if (terms.ends <= block.timestamp || terms.ends > latest) revert WrongEnd(terms.ends, latest);
    }
}
