// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IColdChain} from "../../interfaces/medicine/IColdChain.sol";
import {DEVICE} from "../../types/Roles.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of ColdChain
/// @notice Of readings beside no goods that a limit is known of. Used by tests and the bench only.
contract ColdChainFloor is Floor {
    address private immutable _consortium;

    constructor(address place, address consortium) Floor("Theriac ColdChain", place) {
        _consortium = consortium;
    }

    function log(IColdChain.Report calldata report, IColdChain.Goods[] calldata) external {
        uint32 member = _memberOf(_consortium, msg.sender, DEVICE);

        emit IColdChain.Logged(member, msg.sender, report.root, report.readings, report.verdict);
    }
}
