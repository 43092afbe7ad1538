// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Cheats
/// @notice What the proofs ask of the machine that runs them.
interface Cheats {
    /// @notice What follows holds of the states in which this is true; the others are left out.
    function assume(bool condition) external pure;

    /// @notice The chain's clock.
    function warp(uint256 time) external;

    /// @notice The next call is by this account.
    function prank(address sender) external;
}

/// @title Symbols
/// @notice What halmos alone offers: values that stand for all values of their type.
interface Symbols {
    /// @notice Each slot of the account that nothing was written to holds any value.
    function enableSymbolicStorage(address account) external;

    /// @notice Any call of any function of the contract; of those that change nothing as well where that is asked for.
    function createCalldata(string memory contractName, bool includeViews) external pure returns (bytes memory data);

    /// @notice Any address.
    function createAddress(string memory name) external pure returns (address value);

    /// @notice Any number.
    function createUint256(string memory name) external pure returns (uint256 value);

    /// @notice Any bytes of that length.
    function createBytes(uint256 size, string memory name) external pure returns (bytes memory data);
}

Cheats constant vm = Cheats(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
Symbols constant svm = Symbols(0xF3993A62377BCd56AE39D773740A5390411E8BC9);
