// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Keys} from "../../contracts/health/Keys.sol";
import {IKeys} from "../../contracts/interfaces/health/IKeys.sol";
import {svm, vm} from "./Cheats.sol";

/// @title KeysSignedProofs
/// @notice What a signature may do at the deployed Keys, whatever it is made of, from any content of its storage.
/// @custom:takes minutes
contract KeysSignedProofs {
    Keys private immutable _keys = new Keys(address(0x7EC0));

    // property H11
    /// @dev Bound: signatures of 65 bytes, by accounts without code
    function check_signed__to_end_everything_counts_once_in_its_era_and_hour(
        IKeys.EraEnd calldata terms,
        uint40 time
    ) external {
        _begin(time);
        uint32 era = _keys.eraOf(terms.pseudonym);
        bytes memory call_ = abi.encodeCall(IKeys.raiseEraBySig, (terms, svm.createBytes(65, "signature")));

        if (!_do(call_)) return;

        assert(terms.era == era);
        assert(time <= terms.deadline && terms.deadline <= uint256(time) + 1 hours);
        assert(!_do(call_));
    }

    // property H11
    // property K8
    /// @dev Bound: signatures of 65 bytes, by accounts without code
    function check_signed__to_appoint_counts_once_in_its_era_and_hour(
        IKeys.Appointment calldata terms,
        uint40 time
    ) external {
        _begin(time);
        uint32 era = _keys.eraOf(terms.pseudonym);
        uint32 nonce = _keys.publisherOf(terms.pseudonym).nonce;
        bytes memory call_ = abi.encodeCall(IKeys.setPublisherBySig, (terms, svm.createBytes(65, "signature")));

        if (!_do(call_)) return;

        assert(terms.era == era && terms.nonce == nonce);
        assert(time <= terms.deadline && terms.deadline <= uint256(time) + 1 hours);
        assert(!_do(call_));
    }

    // property H11
    // property K1
    /// @dev Bound: signatures of 65 bytes, by accounts without code
    function check_signed__to_publish_counts_once_in_its_era_and_hour(
        IKeys.Publication calldata terms,
        uint40 time
    ) external {
        _begin(time);
        IKeys.Authority memory before = _keys.authorityOf(terms.pseudonym);
        bytes memory call_ = abi.encodeCall(IKeys.publishBySig, (terms, svm.createBytes(65, "signature")));

        if (!_do(call_)) return;

        assert(terms.era == before.era && terms.version == before.version + 1);
        assert(time <= terms.deadline && terms.deadline <= uint256(time) + 1 hours);
        assert(!_do(call_));
    }

    function _begin(uint40 time) private {
        svm.enableSymbolicStorage(address(_keys));
        vm.warp(time);
    }

    function _do(bytes memory call_) private returns (bool done) {
        (done, ) = address(_keys).call(call_);
    }
}
