// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAdjudicator} from "../interfaces/cover/IAdjudicator.sol";

/// @title An adjudicator that does what anyone wants, and says of a share what it was told
/// @notice What a plan's insurer could publish who means no good. Used by tests only.
contract LooseAdjudicator is IAdjudicator {
    bytes32 private _claim;
    uint32 private _provider;
    uint64 private _amount;

    function setShare(bytes32 claim, uint32 provider, uint64 amount) external {
        (_claim, _provider, _amount) = (claim, provider, amount);
    }

    /// @notice Calls in its own name; where that is refused, so is this.
    function act(address target, bytes calldata call) external {
        // solhint-disable-next-line avoid-low-level-calls
        (bool answered, bytes memory answer) = target.call(call);
        if (answered) return;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    /// @inheritdoc IAdjudicator
    function settleShare(bytes32, bytes32) external view returns (bytes32 claim, uint32 provider, uint64 amount) {
        return (_claim, _provider, _amount);
    }
}
