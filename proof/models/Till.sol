// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Till
/// @notice A contract that members name as their operator. Others say in its name what it says.
contract Till {
    string public constant NAME = "till";
}
