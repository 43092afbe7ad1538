// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title A token that misbehaves as the test says, and may change its ways
/// @notice It also accepts every signature, so that it can be somebody's staff. Used by tests only.
contract OddToken {
    /// @dev Fee: a percent of a transfer does not arrive. OnTop: the sender loses a percent more. Silent: nothing is
    /// returned. Untrue: it moves nothing and returns false. Calling: it calls somebody first.
    enum Oddity {
        None,
        Fee,
        OnTop,
        Silent,
        Untrue,
        Reverting,
        Calling
    }

    error Refused(address account);

    Oddity public oddity;
    bool public answered;
    bytes public answer;

    bytes private _decimals;
    address private _target;
    bytes private _call;

    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    mapping(address account => bool) public isRefused;

    constructor(bytes memory decimals_) {
        _decimals = decimals_;
    }

    function setOddity(Oddity oddity_) external {
        oddity = oddity_;
    }

    function setDecimals(bytes calldata decimals_) external {
        _decimals = decimals_;
    }

    /// @notice Whom it lets have nothing.
    function setRefused(address account, bool refused) external {
        isRefused[account] = refused;
    }

    /// @notice Whom it calls where it calls somebody.
    function setCall(address target, bytes calldata call) external {
        (_target, _call) = (target, call);
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    /// @notice Does what somebody wants done in its name.
    function act(address target, bytes calldata call) external {
        // solhint-disable-next-line avoid-low-level-calls
        (answered, answer) = target.call(call);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }

    /// @notice What it says of its decimals is whatever it was told; nothing at all where that is empty.
    function decimals() external view {
        bytes memory said = _decimals;
        if (said.length == 0) revert Refused(msg.sender);
        assembly ("memory-safe") {
            return(add(said, 0x20), mload(said))
        }
    }

    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return IERC1271.isValidSignature.selector;
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (oddity == Oddity.Reverting || isRefused[to]) revert Refused(to);
        if (oddity == Oddity.Untrue) return false;
        // solhint-disable-next-line avoid-low-level-calls
        if (oddity == Oddity.Calling) (answered, answer) = _target.call(_call);

        balanceOf[from] -= oddity == Oddity.OnTop ? amount + amount / 100 : amount;
        balanceOf[to] += oddity == Oddity.Fee ? amount - amount / 100 : amount;
        if (oddity != Oddity.Silent) return true;
        assembly ("memory-safe") {
            return(0, 0)
        }
    }
}
