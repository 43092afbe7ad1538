// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Handler} from "./Handler.sol";
import {World} from "./World.sol";
import {KeysHandler} from "./handlers/KeysHandler.sol";

/// @title Invariants
/// @notice What forge runs: every handler acts on one world, and after each act every property of every handler is asked.
contract InvariantsTest {
    /// @dev A property of a handler.
    struct Asked {
        address handler;
        bytes4 selector;
        string name;
    }

    address[] private _targets;
    Asked[] private _asked;

    /// @notice A property does not hold.
    error Broken(string property);

    function setUp() external {
        World world = new World();
        _targets.push(address(world));

        _add(new KeysHandler(world));
    }

    /// @notice Everything that must hold after each act of anybody.
    function invariant_everything() external view {
        for (uint256 i = 0; i < _asked.length; ++i) {
            Asked storage asked = _asked[i];
            // solhint-disable-next-line avoid-low-level-calls
            (bool done, bytes memory answer) = asked.handler.staticcall(abi.encodePacked(asked.selector));
            if (!done || !abi.decode(answer, (bool))) revert Broken(asked.name);
        }
    }

    /// @notice What forge acts on.
    function targetContracts() external view returns (address[] memory) {
        return _targets;
    }

    function _add(Handler handler) private {
        _targets.push(address(handler));
        string[] memory names = handler.properties();
        for (uint256 i = 0; i < names.length; ++i) {
            _asked.push(Asked(address(handler), bytes4(keccak256(bytes(names[i]))), names[i]));
        }
    }
}
