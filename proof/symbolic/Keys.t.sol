// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Keys} from "../../contracts/health/Keys.sol";
import {IKeys} from "../../contracts/interfaces/health/IKeys.sol";
import {svm, vm} from "./Cheats.sol";

/// @title KeysProofs
/// @notice What one act of anybody may change in the deployed Keys, from any content of its storage.
/// @custom:takes minutes
contract KeysProofs {
    address private constant RECOVERY = address(0x7EC0);

    Keys private immutable _keys = new Keys(RECOVERY);

    // properties K1, K3
    /// @dev Bound: the acts that are direct; those by signature do the same once the signature is found good
    function check_act__moves_era_and_version_forth_only_and_the_digest_with_the_version(
        address pseudonym,
        address sender,
        uint8 which,
        Act calldata act
    ) external {
        svm.enableSymbolicStorage(address(_keys));
        IKeys.Authority memory before = _keys.authorityOf(pseudonym);
        bytes32 digest = _keys.digestOf(pseudonym);

        _do(sender, which, act);

        IKeys.Authority memory now_ = _keys.authorityOf(pseudonym);
        assert(now_.era >= before.era);
        if (now_.version == before.version) {
            assert(_keys.digestOf(pseudonym) == digest);
        } else {
            assert(now_.version == before.version + 1);
        }
    }

    // property K2
    /// @dev Bound: the acts that are direct; those by signature do the same once the signature is found good
    function check_act__of_a_stranger_changes_nothing(address sender, uint8 which, Act calldata act) external {
        svm.enableSymbolicStorage(address(_keys));
        IKeys.Authority memory before = _keys.authorityOf(act.pseudonym);
        IKeys.Publisher memory publisher = _keys.publisherOf(act.pseudonym);
        vm.assume(sender != before.controller && sender != publisher.account && sender != RECOVERY);

        assert(!_do(sender, which, act));
    }

    // property K7
    /// @dev Bound: the acts that are direct; those by signature do the same once the signature is found good
    function check_act__leaves_every_other_pseudonym(
        address other,
        address sender,
        uint8 which,
        Act calldata act
    ) external {
        vm.assume(other != act.pseudonym);
        svm.enableSymbolicStorage(address(_keys));
        bytes32 before = _all(other);

        _do(sender, which, act);

        assert(_all(other) == before);
    }

    // property K6
    /// @dev Bound: the acts that are direct; those by signature do the same once the signature is found good
    function check_act__on_a_frozen_pseudonym_appoints_nobody_and_hands_nothing_over(
        address sender,
        uint8 which,
        Act calldata act
    ) external {
        svm.enableSymbolicStorage(address(_keys));
        IKeys.Authority memory before = _keys.authorityOf(act.pseudonym);
        IKeys.Publisher memory publisher = _keys.publisherOf(act.pseudonym);
        vm.assume(before.frozen && sender != RECOVERY);

        _do(sender, which, act);

        IKeys.Authority memory now_ = _keys.authorityOf(act.pseudonym);
        assert(now_.frozen && now_.controller == before.controller);
        address account = _keys.publisherOf(act.pseudonym).account;
        assert(account == publisher.account || (account == address(0) && now_.era == before.era + 1));
    }

    /// @dev What any of the acts may be given.
    struct Act {
        address pseudonym;
        address account;
        uint32 version;
        bytes32 bundle;
        bool frozen;
    }

    function _do(address sender, uint8 which, Act calldata act) private returns (bool done) {
        bytes memory call_;
        if (which == 0) call_ = abi.encodeCall(IKeys.publish, (act.pseudonym, act.version, act.bundle));
        else if (which == 1)
            call_ = abi.encodeCall(IKeys.rotate, (act.pseudonym, act.version, act.bundle, act.account));
        else if (which == 2) call_ = abi.encodeCall(IKeys.setPublisher, (act.pseudonym, act.account));
        else if (which == 3) call_ = abi.encodeCall(IKeys.raiseEra, (act.pseudonym));
        else if (which == 4) call_ = abi.encodeCall(IKeys.setFrozen, (act.pseudonym, act.frozen));
        else call_ = abi.encodeCall(IKeys.recover, (act.pseudonym, act.account));

        vm.prank(sender);
        (done, ) = address(_keys).call(call_);
    }

    function _all(address pseudonym) private view returns (bytes32) {
        return
            keccak256(
                abi.encode(_keys.authorityOf(pseudonym), _keys.publisherOf(pseudonym), _keys.digestOf(pseudonym))
            );
    }
}
