// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {VM} from "./Vm.sol";

/// @title Deployer
/// @notice Deploys what `forge build` wrote, so that who inherits this is not compiled anew with each change of a handler.
abstract contract Deployer {
    /// @notice A contract could not be deployed.
    error NotDeployed(string name);

    function _deploy(string memory name, bytes memory arguments) internal returns (address deployed) {
        string memory path = string.concat(".build/forge/out/", name, ".sol/", name, ".json");
        bytes memory code = bytes.concat(VM.getCode(path), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        if (deployed == address(0)) revert NotDeployed(name);
    }
}
