// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../interfaces/IConsortium.sol";
import {IEscrow} from "../../interfaces/cover/IEscrow.sol";
import {HOLD_FOR} from "../../types/Operations.sol";
import {CoverFloor} from "./CoverFloor.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Escrow
/// @notice Of members that are credited, and whose accounts nothing is disputed or owed in. Used by tests and the bench
/// only.
contract EscrowFloor is CoverFloor {
    uint256 private constant ANSWERS = 1 << 168;

    address private immutable _consortium;
    address private immutable _policies;

    mapping(bytes32 plan => uint256) public balanceOf;
    mapping(address token => mapping(address account => uint256)) private _creditOf;
    mapping(address holder => mapping(bytes32 plan => uint256)) private _heldBy;

    /// @dev A payout's word: payee 160 | push 8 | answers 8; and an account's: received, disputed, withheld, owed 64 each.
    mapping(uint32 member => uint256 word) private _payoutOf;
    mapping(bytes32 plan => mapping(uint32 member => uint256 word)) private _accountWordOf;

    constructor(address place, address consortium, address policies) Floor("Theriac Escrow", place) {
        _consortium = consortium;
        _policies = policies;
    }

    function deposit(bytes32 plan, uint256 amount) external {
        unchecked {
            balanceOf[plan] += amount;
        }

        emit IEscrow.Deposited(plan, msg.sender, amount);

        _collect(_tokenOf(_policies, plan), address(this), amount);
    }

    function drain(bytes32 plan, uint256 amount, address to) external {
        _checkMember(_insurerOf(_policies, plan));

        unchecked {
            balanceOf[plan] -= amount;
        }

        emit IEscrow.Drained(plan, to, amount);

        _transfer(_tokenOf(_policies, plan), to, amount);
    }

    function setPayout(uint32 member, address payee, bool push_) external {
        _checkMember(member);

        uint256 word = uint160(payee) | (push_ ? 1 << 160 : 0);
        _payoutOf[member] = payee == msg.sender ? word | ANSWERS : word;

        emit IEscrow.PayoutSet(member, payee, push_);
    }

    function answerFor(uint32 member, bool answers) external {
        uint256 word = _payoutOf[member];
        if (msg.sender != address(uint160(word))) revert NotTheirs();

        _payoutOf[member] = answers ? word | ANSWERS : word & ~ANSWERS;

        emit IEscrow.Answering(member, msg.sender, answers);
    }

    function withdraw(address token, address to) external {
        mapping(address => uint256) storage credits = _creditOf[token];
        uint256 amount = credits[msg.sender];

        credits[msg.sender] = 0;

        emit IEscrow.Withdrawn(token, msg.sender, to, amount);

        _transfer(token, to, amount);
    }

    function pay(bytes32 plan, uint32 member, uint64 amount) external {
        if (msg.sender != address(uint160(_termsOf(_policies, plan)))) revert NotTheirs();

        unchecked {
            balanceOf[plan] -= amount;
        }
        _pay(plan, member, amount);
    }

    function hold(bytes32 plan, uint64 amount) external {
        uint32 insurer = _insurerOf(_policies, plan);
        if (IConsortium(_consortium).operatorOf(insurer, msg.sender) & HOLD_FOR == 0) revert NotTheirs();

        unchecked {
            balanceOf[plan] -= amount;
            _heldBy[msg.sender][plan] += amount;
        }

        emit IEscrow.Held(plan, msg.sender, amount);
    }

    function release(bytes32 plan, uint32 member, uint64 amount) external {
        unchecked {
            _heldBy[msg.sender][plan] -= amount;
        }

        emit IEscrow.Released(plan, msg.sender, member, amount);

        if (member == 0) {
            unchecked {
                balanceOf[plan] += amount;
            }
        } else {
            _pay(plan, member, amount);
        }
    }

    function _pay(bytes32 plan, uint32 member, uint64 amount) private {
        unchecked {
            _accountWordOf[plan][member] += amount;

            emit IEscrow.Paid(plan, member, amount, 0, 0);

            address token = _tokenOf(_policies, plan);
            address payee = address(uint160(_payoutOf[member]));
            if (payee == address(0)) payee = _accountOf(_consortium, member);
            _creditOf[token][payee] += amount;

            emit IEscrow.Credited(token, payee, amount, false);
        }
    }

    function _checkMember(uint32 member) private view {
        if (_accountOf(_consortium, member) != msg.sender) revert NotTheirs();
    }
}
