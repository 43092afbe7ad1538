// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title A wallet that answers the question of ERC-1271 with bytes of the test's choice
/// @notice Nothing, too few bytes, another word, the right word with dirt behind it. Used by tests only.
contract LyingWallet {
    bytes public answer;

    constructor(bytes memory answer_) {
        answer = answer_;
    }

    /// @notice Answers every call, whatever is asked.
    // solhint-disable-next-line no-complex-fallback
    fallback() external {
        bytes memory said = answer;
        assembly ("memory-safe") {
            return(add(said, 0x20), mload(said))
        }
    }
}
