// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Deployer} from "./Deployer.sol";
import {Handler} from "./Handler.sol";
import {World} from "./World.sol";
import {ClaimHandler} from "./handlers/ClaimHandler.sol";
import {ConsortiumHandler} from "./handlers/ConsortiumHandler.sol";
import {EmergenciesHandler} from "./handlers/EmergenciesHandler.sol";
import {EpisodeHandler} from "./handlers/EpisodeHandler.sol";
import {GrantsHandler} from "./handlers/GrantsHandler.sol";
import {KeysHandler} from "./handlers/KeysHandler.sol";
import {LettersHandler} from "./handlers/LettersHandler.sol";
import {PackHandler} from "./handlers/PackHandler.sol";
import {PrescriptionHandler} from "./handlers/PrescriptionHandler.sol";
import {RecordsHandler} from "./handlers/RecordsHandler.sol";

/// @title Invariants
/// @notice What forge runs: every handler acts on one world, and after each act every property of every handler is asked.
contract InvariantsTest is Deployer {
    /// @dev A property of a handler.
    struct Asked {
        address handler;
        bytes4 selector;
        string name;
    }

    /// @dev Functions of a target that forge leaves out.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address[] private _targets;
    Asked[] private _asked;

    /// @notice A property does not hold.
    error Broken(string property);

    function setUp() external {
        address world = _deploy(type(World).name, "");
        _targets.push(world);

        _add(type(KeysHandler).name, world);
        _add(type(ConsortiumHandler).name, world);
        _add(type(RecordsHandler).name, world);
        _add(type(GrantsHandler).name, world);
        _add(type(EmergenciesHandler).name, world);
        _add(type(LettersHandler).name, world);
        _add(type(PackHandler).name, world);
        _add(type(PrescriptionHandler).name, world);
        _add(type(ClaimHandler).name, world);
        _add(type(EpisodeHandler).name, world);
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

    /// @notice What forge does not act on: it asks for every property after every act.
    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](_targets.length - 1);
        for (uint256 i = 0; i < excluded.length; ++i) {
            excluded[i].addr = _targets[i + 1];
            excluded[i].selectors = new bytes4[](1);
            excluded[i].selectors[0] = Handler.judge.selector;
        }
    }

    function _add(string memory name, address world) private {
        Handler handler = Handler(_deploy(name, abi.encode(world)));
        _targets.push(address(handler));
        string[] memory names = handler.properties();
        for (uint256 i = 0; i < names.length; ++i) {
            _asked.push(Asked(address(handler), bytes4(keccak256(bytes(names[i]))), names[i]));
        }
    }
}
