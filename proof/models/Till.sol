// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Till
/// @notice A contract that members name as their operator. It does nothing by itself.
contract Till {}
