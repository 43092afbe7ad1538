// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title A target that tells with how much gas it was called
/// @notice Used by tests only.
contract GasGauge {
    /// @notice It was called with this much gas.
    event Measured(uint256 gas);

    /// @notice Measures, whatever is asked.
    fallback() external {
        emit Measured(gasleft());
    }
}
