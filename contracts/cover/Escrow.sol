// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IAdjudicator} from "../interfaces/cover/IAdjudicator.sol";
import {IEscrow} from "../interfaces/cover/IEscrow.sol";
import {IPolicies} from "../interfaces/cover/IPolicies.sol";
import {HOLD_FOR} from "../types/Operations.sol";

/// @title Escrow
/// @notice The money that insurers have put aside for their plans, and what providers have coming to them.
contract Escrow is IEscrow, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    IConsortium private immutable _consortium;
    IPolicies private immutable _policies;

    /// @inheritdoc IEscrow
    mapping(bytes32 plan => uint256) public balanceOf;

    /// @inheritdoc IEscrow
    mapping(address token => mapping(address account => uint256)) public creditOf;

    /// @inheritdoc IEscrow
    mapping(address holder => mapping(bytes32 plan => uint256)) public heldBy;

    mapping(uint32 member => Payout) private _payoutOf;
    mapping(bytes32 plan => mapping(uint32 member => Account)) private _accountOf;
    mapping(bytes32 plan => mapping(bytes32 claim => SharePayment[])) private _sharesOf;

    constructor(IConsortium consortium, IPolicies policies) {
        _consortium = consortium;
        _policies = policies;
    }

    /// @inheritdoc IEscrow
    function payoutOf(uint32 member) external view returns (Payout memory) {
        return _payoutOf[member];
    }

    /// @inheritdoc IEscrow
    function accountOf(bytes32 plan, uint32 member) external view returns (Account memory) {
        return _accountOf[plan][member];
    }

    /// @inheritdoc IEscrow
    function shareOf(bytes32 plan, bytes32 claim) external view returns (uint64 amount) {
        SharePayment[] storage shares = _sharesOf[plan][claim];
        for (uint256 i = 0; i < shares.length; ++i) {
            amount += shares[i].amount;
        }
    }

    /// @inheritdoc IEscrow
    function deposit(bytes32 plan, uint256 amount) external nonReentrant {
        (address token, , uint32 insurer) = _policies.moneyOf(plan);
        if (amount == 0 || insurer == 0) revert NothingToMove();

        balanceOf[plan] += amount;

        emit Deposited(plan, msg.sender, amount);

        _collect(token, msg.sender, amount);
    }

    /// @inheritdoc IEscrow
    function drain(bytes32 plan, uint256 amount, address to) external nonReentrant {
        (address token, , uint32 insurer) = _policies.moneyOf(plan);
        _checkMember(insurer);
        if (amount == 0 || to == address(0)) revert NothingToMove();

        _spend(plan, amount);

        emit Drained(plan, to, amount);

        _transfer(token, to, amount);
    }

    /// @inheritdoc IEscrow
    function setPayout(uint32 member, address payee, bool push_) external {
        _checkMember(member);

        _payoutOf[member] = Payout(payee, push_, payee == msg.sender);

        emit PayoutSet(member, payee, push_);
    }

    /// @inheritdoc IEscrow
    function answerFor(uint32 member, bool answers) external {
        Payout storage payout = _payoutOf[member];
        if (msg.sender != payout.payee) revert NotThePayee(msg.sender, payout.payee);

        payout.answers = answers;

        emit Answering(member, msg.sender, answers);
    }

    /// @inheritdoc IEscrow
    function withdraw(address token, address to) external nonReentrant {
        uint256 amount = creditOf[token][msg.sender];
        if (amount == 0 || to == address(0)) revert NothingToMove();

        creditOf[token][msg.sender] = 0;

        emit Withdrawn(token, msg.sender, to, amount);

        _transfer(token, to, amount);
    }

    /// @inheritdoc IEscrow
    function payShare(bytes32 plan, bytes32 content, uint256 most) external nonReentrant {
        (address token, address adjudicator, ) = _policies.moneyOf(plan);
        if (adjudicator == address(0)) revert NothingToMove();
        (bytes32 claim, uint32 member, uint64 amount) = IAdjudicator(adjudicator).settleShare(plan, content);
        if (amount > most) revert ShareIsMore(amount, most);

        _accountOf[plan][member].received += amount;
        _sharesOf[plan][claim].push(SharePayment(msg.sender, amount));

        emit SharePaid(plan, claim, msg.sender, member, amount);

        _collect(token, msg.sender, amount);
        _send(token, member, amount);
    }

    /// @inheritdoc IEscrow
    function pay(bytes32 plan, uint32 member, uint64 amount) external nonReentrant {
        address token = _checkAdjudicator(plan);

        _spend(plan, amount);
        _pay(plan, token, member, amount);
    }

    /// @inheritdoc IEscrow
    function takeBack(bytes32 plan, uint32 member, uint64 amount) external nonReentrant {
        address token = _checkAdjudicator(plan);

        balanceOf[plan] += amount;
        _return(plan, token, member, amount);

        emit TakenBack(plan, member, amount);
    }

    /// @inheritdoc IEscrow
    function refundShare(bytes32 plan, bytes32 claim, uint32 member) external nonReentrant {
        address token = _checkAdjudicator(plan);
        SharePayment[] memory shares = _sharesOf[plan][claim];

        delete _sharesOf[plan][claim];
        for (uint256 i = 0; i < shares.length; ++i) {
            creditOf[token][shares[i].payer] += shares[i].amount;
            emit ShareRefunded(plan, claim, shares[i].payer, shares[i].amount);
            _return(plan, token, member, shares[i].amount);
        }
    }

    /// @inheritdoc IEscrow
    function dispute(bytes32 plan, uint32 member, uint64 amount) external nonReentrant {
        address token = _checkAdjudicator(plan);
        Account storage account = _checkReceived(plan, member, amount);

        account.disputed += amount;
        (address answerer, ) = _answererFor(member);
        uint64 kept = _fromCredit(token, answerer, account.disputed - account.withheld);
        account.withheld += kept;

        emit Disputed(plan, member, amount, kept);
    }

    /// @inheritdoc IEscrow
    function conclude(bytes32 plan, uint32 member, uint64 amount, bool forInsurer) external nonReentrant {
        address token = _checkAdjudicator(plan);
        Account storage account = _accountOf[plan][member];

        account.disputed -= amount;
        uint64 free = account.withheld > account.disputed ? account.withheld - account.disputed : 0;
        account.withheld -= free;
        if (forInsurer) {
            account.received -= amount;
            account.owed += amount - free;
            balanceOf[plan] += free;
            emit Concluded(plan, member, free, amount - free, 0);
        } else {
            uint64 repaid = free < account.owed ? free : account.owed;
            account.owed -= repaid;
            balanceOf[plan] += repaid;
            emit Concluded(plan, member, repaid, 0, free - repaid);
            _send(token, member, free - repaid);
        }
    }

    /// @inheritdoc IEscrow
    function hold(bytes32 plan, uint64 amount) external nonReentrant {
        (, , uint32 insurer) = _policies.moneyOf(plan);
        bool may = _consortium.operatorOf(insurer, msg.sender) & HOLD_FOR != 0 && _consortium.inStanding(insurer);
        if (!may) revert NotAnOperator(msg.sender, insurer);
        if (amount == 0) revert NothingToMove();

        _spend(plan, amount);
        heldBy[msg.sender][plan] += amount;

        emit Held(plan, msg.sender, amount);
    }

    /// @inheritdoc IEscrow
    function release(bytes32 plan, uint32 member, uint64 amount) external nonReentrant {
        uint256 held = heldBy[msg.sender][plan];
        if (amount == 0) revert NothingToMove();
        if (amount > held) revert HeldShort(plan, amount, held);

        heldBy[msg.sender][plan] = held - amount;

        emit Released(plan, msg.sender, member, amount);

        if (member == 0) {
            balanceOf[plan] += amount;
        } else {
            (address token, , ) = _policies.moneyOf(plan);
            _pay(plan, token, member, amount);
        }
    }

    /// @inheritdoc IEscrow
    function push(address token, address to, uint256 amount) external {
        if (msg.sender != address(this)) revert OnlySelf(msg.sender);

        uint256 before = IERC20(token).balanceOf(to);
        _transfer(token, to, amount);
        uint256 arrived = IERC20(token).balanceOf(to) - before;
        if (arrived != amount) revert WrongTransfer(token, arrived, amount);
    }

    /// @dev First what an arbiter said it owes, then what is disputed, and the rest to the provider.
    function _pay(bytes32 plan, address token, uint32 member, uint64 amount) private {
        Account memory account = _accountOf[plan][member];
        uint64 repaid = amount < account.owed ? amount : account.owed;
        uint64 kept = account.disputed - account.withheld;
        if (kept > amount - repaid) kept = amount - repaid;

        account.received += amount;
        account.owed -= repaid;
        account.withheld += kept;
        _accountOf[plan][member] = account;
        if (repaid != 0) balanceOf[plan] += repaid;

        emit Paid(plan, member, amount, repaid, kept);

        _send(token, member, amount - repaid - kept);
    }

    /// @dev A payment that fails must not stop a decision, and waits for the payee instead.
    function _send(address token, uint32 member, uint256 amount) private {
        if (amount == 0) return;

        Payout memory payout = _payoutOf[member];
        address payee = payout.payee == address(0) ? _consortium.memberOf(member).account : payout.payee;
        if (payee == address(0)) revert NothingToMove();
        if (payout.push && _pushed(token, payee, amount)) return;

        creditOf[token][payee] += amount;

        emit Credited(token, payee, amount, payout.push);
    }

    function _pushed(address token, address to, uint256 amount) private returns (bool) {
        try this.push(token, to, amount) {
            emit Pushed(token, to, amount);
            return true;
        } catch {
            return false;
        }
    }

    function _return(bytes32 plan, address token, uint32 member, uint64 amount) private {
        Account storage account = _checkReceived(plan, member, amount);

        account.received -= amount;
        (address answerer, bool agreed) = _answererFor(member);
        uint64 credited = _fromCredit(token, answerer, amount);
        if (amount == credited) return;

        if (!agreed) revert NobodyAnswers(member);
        _collect(token, answerer, amount - credited);
    }

    function _fromCredit(address token, address account, uint64 most) private returns (uint64 taken) {
        uint256 credit = creditOf[token][account];
        taken = credit < most ? uint64(credit) : most;
        creditOf[token][account] = credit - taken;
    }

    function _spend(bytes32 plan, uint256 amount) private {
        uint256 balance = balanceOf[plan];
        if (amount > balance) revert EscrowShort(plan, amount, balance);

        balanceOf[plan] = balance - amount;
    }

    /// @dev A token that keeps a part back is refused here, so that no escrow has more on paper than in the token.
    function _collect(address token, address from, uint256 amount) private {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(from, address(this), amount);
        uint256 arrived = IERC20(token).balanceOf(address(this)) - before;
        if (arrived != amount) revert WrongTransfer(token, arrived, amount);
    }

    /// @dev A token that takes more than it sends is refused here, so that it is not paid for with another plan's money.
    function _transfer(address token, address to, uint256 amount) private {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(to, amount);
        uint256 left = before - IERC20(token).balanceOf(address(this));
        if (left != amount) revert WrongTransfer(token, left, amount);
    }

    /// @dev Whose money is taken for a member. Its account too may be one that never agreed: a member names it alone.
    function _answererFor(uint32 member) private view returns (address answerer, bool agreed) {
        Payout memory payout = _payoutOf[member];
        agreed = payout.answers;
        answerer = agreed ? payout.payee : _consortium.memberOf(member).account;
    }

    /// @dev What is disputed is the arbiter's to give or to take, and is not taken twice.
    function _checkReceived(bytes32 plan, uint32 member, uint64 amount) private view returns (Account storage account) {
        account = _accountOf[plan][member];
        uint64 received = account.received - account.disputed;
        if (amount > received) revert NotReceived(plan, member, amount, received);
    }

    function _checkAdjudicator(bytes32 plan) private view returns (address token) {
        address adjudicator;
        (token, adjudicator, ) = _policies.moneyOf(plan);
        if (msg.sender != adjudicator) revert NotTheAdjudicator(msg.sender, adjudicator);
    }

    function _checkMember(uint32 member) private view {
        bool acts = member != 0 && _consortium.memberOf(member).account == msg.sender;
        if (!acts || !_consortium.inStanding(member)) revert NotTheMember(msg.sender, member);
    }
}
