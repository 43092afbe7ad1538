// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ICarrier} from "./interfaces/ICarrier.sol";

/// @title Carrier
/// @notice Carries groups of signed calls to the chain, all or nothing in a group.
contract Carrier is ICarrier {
    /// @dev A call that fails cannot make the carrier pay for a long reason.
    uint256 private constant LONGEST_REASON = 256;

    /// @inheritdoc ICarrier
    function carry(Call[] calldata calls) external {
        _carry(calls);
    }

    /// @inheritdoc ICarrier
    function carryEach(Group[] calldata groups) external returns (bool[] memory done) {
        done = new bool[](groups.length);

        for (uint256 i = 0; i < groups.length; ++i) {
            done[i] = _try(i, groups[i]);
        }
    }

    /// @notice Opens a group in a call of its own, so that it can fail alone. Only the carrier itself.
    function carryGroup(Call[] calldata calls) external {
        if (msg.sender != address(this)) revert OnlySelf(msg.sender);

        _carry(calls);
    }

    /// @dev A group is only tried with all the gas it asks for: whoever sends the transaction cannot starve it. The
    /// gas is compared after the calls are copied, since copying long ones takes more than a margin would leave.
    function _try(uint256 index, Group calldata group) private returns (bool done) {
        bytes memory data = abi.encodeCall(this.carryGroup, (group.calls));

        uint256 gasLimit = group.gasLimit == 0 ? gasleft() : group.gasLimit;
        if (group.gasLimit != 0 && gasleft() - gasleft() / 64 < gasLimit + 5_000) {
            revert TooLittleGas(index, group.gasLimit);
        }

        bytes memory reason;
        (done, reason) = _call(address(this), gasLimit, data);

        if (!done) emit GroupFailed(index, reason);
    }

    function _carry(Call[] calldata calls) private {
        for (uint256 i = 0; i < calls.length; ++i) {
            if (calls[i].target.code.length == 0) revert NoCode(calls[i].target);

            (bool done, bytes memory reason) = _call(calls[i].target, gasleft(), calls[i].data);
            if (!done) revert CallFailed(i, reason);
        }
    }

    function _call(
        address target,
        uint256 gasLimit,
        bytes memory data
    ) private returns (bool done, bytes memory reason) {
        uint256 longest = LONGEST_REASON;
        assembly ("memory-safe") {
            done := call(gasLimit, target, 0, add(data, 0x20), mload(data), 0x00, 0x00)
            if iszero(done) {
                let size := returndatasize()
                if gt(size, longest) {
                    size := longest
                }
                reason := mload(0x40)
                mstore(reason, size)
                returndatacopy(add(reason, 0x20), 0x00, size)
                mstore(0x40, add(add(reason, 0x20), and(add(size, 0x1f), not(0x1f))))
            }
        }
    }
}
