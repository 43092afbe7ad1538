// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title A wallet, or the target of a call, that uses all the gas it is given
/// @notice It never answers. Used by tests only.
contract GasBurningWallet {
    /// @notice Runs until the gas is gone.
    // solhint-disable-next-line no-complex-fallback
    fallback() external {
        uint256 rounds;
        while (true) ++rounds;
    }
}
