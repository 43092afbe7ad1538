// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Many questions in one call
/// @notice Asks a contract a list of questions and gives the answers back, or what one costs. Used by tests only.
contract Questions {
    /// @notice The answers of `target`, in order; a question that reverts makes the whole call revert with its reason.
    function ask(address target, bytes[] calldata questions) external view returns (bytes[] memory answers) {
        answers = new bytes[](questions.length);
        for (uint256 i = 0; i < questions.length; ++i) {
            answers[i] = Address.functionStaticCall(target, questions[i]);
        }
    }

    /// @notice The gas that `target` takes to answer, without the transaction's own.
    function cost(address target, bytes calldata question) external view returns (uint256) {
        uint256 start = gasleft();
        Address.functionStaticCall(target, question);
        return start - gasleft();
    }
}
