// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Vm
/// @notice What the engines do for a proof beside the EVM. forge, medusa and halmos answer at the same address.
interface Vm {
    /// @notice Sets the block's time. It is said to change nothing, so that what only looks may ask at another time.
    function warp(uint256 time) external view;

    /// @notice Lets the next call come from an account.
    function prank(address sender) external;

    /// @notice The account of a private key.
    function addr(uint256 key) external pure returns (address);

    /// @notice A key's signature over a hash.
    function sign(uint256 key, bytes32 hash) external pure returns (uint8 v, bytes32 r, bytes32 s);
}

/// @dev The address where every engine answers.
Vm constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
