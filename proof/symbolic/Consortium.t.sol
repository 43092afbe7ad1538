// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Consortium} from "../../contracts/Consortium.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {Roles} from "../../contracts/types/Roles.sol";
import {svm, vm} from "./Cheats.sol";

/// @title ConsortiumProofs
/// @notice What one act of anybody may change in the deployed consortium, from any content of its storage.
/// @custom:takes minutes
contract ConsortiumProofs {
    Consortium private immutable _consortium = new Consortium(address(this));

    /// @dev What any of the acts may be given.
    struct Act {
        uint32 member;
        address account;
        Roles roles;
        uint8 number;
        uint40 expiry;
    }

    // property B5
    /// @dev Bound: the acts but joining and leaving by signature, and naming operators
    function check_act__leaves_a_removed_member_removed(
        uint32 number,
        address sender,
        uint8 which,
        Act calldata act
    ) external {
        svm.enableSymbolicStorage(address(_consortium));
        // Numbers are given in order: nobody has one that was not given yet.
        vm.assume(number <= _consortium.memberCount());
        vm.assume(_consortium.memberOf(number).status == IConsortium.MemberStatus.Removed);

        _do(sender, which, act);

        assert(_consortium.memberOf(number).status == IConsortium.MemberStatus.Removed);
    }

    // property B6
    /// @dev Bound: the acts but joining and leaving by signature, and naming operators
    function check_act__gives_a_number_once(address sender, uint8 which, Act calldata act) external {
        svm.enableSymbolicStorage(address(_consortium));
        uint256 before = _consortium.memberCount();

        bool done = _do(sender, which, act);

        assert(_consortium.memberCount() == (done && which == 0 ? before + 1 : before));
    }

    // property B7
    /// @dev Bound: the acts but joining and leaving by signature, and naming operators
    function check_act__of_another_than_the_board_changes_no_licence_and_no_standing(
        uint32 number,
        address sender,
        uint8 which,
        Act calldata act
    ) external {
        svm.enableSymbolicStorage(address(_consortium));
        address board = _consortium.board();
        vm.assume(sender != board);
        IConsortium.Member memory before = _consortium.memberOf(number);

        _do(sender, which, act);

        IConsortium.Member memory now_ = _consortium.memberOf(number);
        assert(now_.roles == before.roles && now_.expiry == before.expiry);
        assert(now_.tier == before.tier && now_.status == before.status);
        assert(now_.account == before.account || sender == before.account);
        assert(_consortium.board() == board || _consortium.board() == sender);
    }

    function _do(address sender, uint8 which, Act calldata act) private returns (bool done) {
        vm.prank(sender);
        (done, ) = address(_consortium).call(_call(which, act));
    }

    function _call(uint8 which, Act calldata act) private pure returns (bytes memory) {
        if (which == 0) return abi.encodeCall(IConsortium.admit, (act.account, act.roles, act.number, act.expiry));
        if (which == 1) return abi.encodeCall(IConsortium.renew, (act.member, act.roles, act.number, act.expiry));
        if (which == 2) return abi.encodeCall(IConsortium.suspend, (act.member, act.number));
        if (which == 3) return abi.encodeCall(IConsortium.reinstate, (act.member));
        if (which == 4) return abi.encodeCall(IConsortium.remove, (act.member, act.number));
        if (which == 5) return abi.encodeCall(IConsortium.replaceAccount, (act.member, act.account));
        if (which == 6) return abi.encodeCall(IConsortium.leave, ());
        if (which == 7) return abi.encodeCall(IConsortium.dismiss, (act.account));
        if (which == 8) return abi.encodeCall(IConsortium.renewKey, (bytes32(uint256(act.number))));
        if (which == 9) return abi.encodeCall(IConsortium.offerBoard, (act.account));
        return abi.encodeCall(IConsortium.acceptBoard, ());
    }
}
