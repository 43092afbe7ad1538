// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Vm
/// @notice What the engines do for a proof beside the EVM. forge, medusa and halmos answer at the same address.
interface Vm {
    /// @notice Sets the block's time. It is said to change nothing, so that what only looks may ask at another time.
    function warp(uint256 time) external view;

    /// @notice Lets the next call come from an account.
    function prank(address sender) external;

    /// @notice The creation code of a contract, so that who deploys it need not be compiled with it.
    function getCode(string calldata path) external view returns (bytes memory);

    /// @notice The account of a private key.
    function addr(uint256 key) external pure returns (address);

    /// @notice A key's signature over a hash.
    function sign(uint256 key, bytes32 hash) external pure returns (uint8 v, bytes32 r, bytes32 s);
}

/// @dev The address where every engine answers.
Vm constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
