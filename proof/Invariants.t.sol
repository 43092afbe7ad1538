// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Handler} from "./Handler.sol";
import {VM} from "./Vm.sol";

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

    /// @notice A contract could not be deployed.
    error NotDeployed(string name);

    function setUp() external {
        address world = _deploy("proof/World.sol:World", "");
        _targets.push(world);

        _add("KeysHandler", world);
        _add("ConsortiumHandler", world);
        _add("RecordsHandler", world);
        _add("GrantsHandler", world);
        _add("EmergenciesHandler", world);
        _add("LettersHandler", world);
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

    function _add(string memory name, address world) private {
        Handler handler = Handler(_deploy(string.concat("proof/handlers/", name, ".sol:", name), abi.encode(world)));
        _targets.push(address(handler));
        string[] memory names = handler.properties();
        for (uint256 i = 0; i < names.length; ++i) {
            _asked.push(Asked(address(handler), bytes4(keccak256(bytes(names[i]))), names[i]));
        }
    }

    function _deploy(string memory path, bytes memory arguments) private returns (address deployed) {
        bytes memory code = bytes.concat(VM.getCode(path), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        if (deployed == address(0)) revert NotDeployed(path);
    }
}
