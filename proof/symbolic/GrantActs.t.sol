// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Consortium} from "../../contracts/Consortium.sol";
import {Grants} from "../../contracts/health/Grants.sol";
import {Keys} from "../../contracts/health/Keys.sol";
import {IGrants} from "../../contracts/interfaces/health/IGrants.sol";
import {GrantSlot, pack} from "../../contracts/types/GrantSlot.sol";
import {Purpose} from "../../contracts/types/Purpose.sol";
import {svm, vm} from "./Cheats.sol";

/// @title GrantActsProofs
/// @notice What one act of anybody may change in the deployed Grants, from any content of its storage and its neighbours'.
/// @custom:takes minutes
contract GrantActsProofs {
    Consortium private immutable _consortium = new Consortium(address(this));
    Keys private immutable _keys = new Keys(address(this));
    Grants private immutable _grants = new Grants(_consortium, _keys);

    /// @dev A place: who may read, of whom, for what.
    struct Place {
        address pseudonym;
        address reader;
        Purpose purpose;
    }

    // property H10
    /// @dev Bound: granting, narrowing, revoking and setting a parent directly; by signature they meet in one function
    function check_act__changes_a_grant_only_by_counting_one(
        Place calldata place,
        address sender,
        uint8 which,
        IGrants.Terms calldata terms,
        uint40 time
    ) external {
        _begin(time);
        IGrants.Grant memory before = _grants.grantOf(place.pseudonym, place.reader, place.purpose);

        _do(sender, which, terms);

        IGrants.Grant memory now_ = _grants.grantOf(place.pseudonym, place.reader, place.purpose);
        uint256 word = GrantSlot.unwrap(pack(now_));
        assert(word == GrantSlot.unwrap(pack(before)) || uint256(now_.nonce) == uint256(before.nonce) + 1);
    }

    // property K2
    /// @dev Bound: granting, narrowing, revoking and setting a parent directly; by signature they meet in one function
    function check_act__of_another_than_the_controller_is_refused(
        address sender,
        uint8 which,
        IGrants.Terms calldata terms,
        uint40 time
    ) external {
        _begin(time);
        vm.assume(sender != _keys.authorityOf(terms.pseudonym).controller);

        assert(!_do(sender, which, terms));
    }

    // property K6
    /// @dev Bound: granting, narrowing, revoking and setting a parent directly; by signature they meet in one function
    function check_act__on_a_frozen_pseudonym_can_only_revoke(
        address sender,
        uint8 which,
        IGrants.Terms calldata terms,
        uint40 time
    ) external {
        _begin(time);
        vm.assume(_keys.authorityOf(terms.pseudonym).frozen);

        bool done = _do(sender, which, terms);

        assert(!done || which == 2);
    }

    function _begin(uint40 time) private {
        svm.enableSymbolicStorage(address(_consortium));
        svm.enableSymbolicStorage(address(_keys));
        svm.enableSymbolicStorage(address(_grants));
        vm.warp(time);
    }

    function _do(address sender, uint8 which, IGrants.Terms calldata terms) private returns (bool done) {
        bytes memory call_;
        address reader = terms.reader;
        if (which == 0) {
            call_ = abi.encodeCall(IGrants.grant, (terms));
        } else if (which == 1) {
            call_ = abi.encodeCall(IGrants.narrow, (terms.pseudonym, reader, terms.purpose, terms.scope, terms.expiry));
        } else if (which == 2) {
            call_ = abi.encodeCall(IGrants.revoke, (terms.pseudonym, reader, terms.purpose));
        } else {
            call_ = abi.encodeCall(IGrants.setParent, (terms.pseudonym, terms.by, reader, terms.expiry));
        }

        vm.prank(sender);
        (done, ) = address(_grants).call(call_);
    }
}
