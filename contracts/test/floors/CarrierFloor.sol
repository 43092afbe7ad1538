// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ICarrier} from "../../interfaces/ICarrier.sol";

/// @title The floor of Carrier
/// @notice Used by tests and the bench only.
contract CarrierFloor {
    /// @notice One of the calls failed.
    error Failed();

    function carry(ICarrier.Call[] calldata calls) external {
        unchecked {
            for (uint256 i = 0; i < calls.length; ++i) {
                _call(calls[i].target, calls[i].data);
            }
        }
    }

    function _call(address target, bytes calldata data) private {
        bool done;
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, data.offset, data.length)
            done := call(gas(), target, 0, start, data.length, 0x00, 0x00)
        }
        if (!done) revert Failed();
    }
}
