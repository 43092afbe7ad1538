// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IAccessLog} from "../interfaces/health/IAccessLog.sol";

/// @title AccessLog
/// @notice Keeps that receipts of readings existed, and since when.
contract AccessLog is IAccessLog, EIP712 {
    IConsortium private immutable _consortium;

    constructor(IConsortium consortium) EIP712("Theriac AccessLog", "1") {
        _consortium = consortium;
    }

    /// @inheritdoc IAccessLog
    function log(bytes32 root, uint32 leaves) external {
        if (root == bytes32(0) || leaves == 0) revert EmptyLog(root, leaves);

        emit Logged(root, msg.sender, _consortium.affiliationOf(msg.sender).member, leaves);
    }
}
