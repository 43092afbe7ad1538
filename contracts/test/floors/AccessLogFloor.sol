// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../interfaces/IConsortium.sol";
import {IAccessLog} from "../../interfaces/health/IAccessLog.sol";

/// @title The floor of AccessLog
/// @notice Used by tests and the bench only.
contract AccessLogFloor {
    IConsortium private immutable _consortium;

    constructor(IConsortium consortium) {
        _consortium = consortium;
    }

    function log(bytes32 root, uint32 leaves) external {
        emit IAccessLog.Logged(root, msg.sender, _consortium.affiliationOf(msg.sender).member, leaves);
    }
}
