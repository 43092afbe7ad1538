// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IBenefits} from "../../contracts/interfaces/cover/IBenefits.sol";
import {IClaims} from "../../contracts/interfaces/cover/IClaims.sol";
import {IPolicies} from "../../contracts/interfaces/cover/IPolicies.sol";
import {IRules} from "../../contracts/interfaces/cover/IRules.sol";
import {Claim} from "../../contracts/types/Claim.sol";
import {Reasons} from "../../contracts/types/Reasons.sol";
import {VM} from "../Vm.sol";
import {World} from "../World.sol";

/// @title Probe
/// @notice Says what a claim would come to, also where another is undone first or reasons are set aside, and leaves no
/// trace: it always reverts.
/// @dev Who shows a claim to the contracts shows its outcomes, which the chain tells in an event that handlers cannot read.
contract Probe {
    /// @dev What is asked.
    /// @param old The claim that is undone first; none where it is undone for nothing.
    struct Question {
        Claim claim;
        IBenefits.Row[] rows;
        IBenefits.Query query;
        bytes32 oldId;
        bool oldIsGoods;
        IClaims.Settled old;
        Reasons[] waived;
    }

    /// @dev What it comes to, and the units that an authorization has for each line.
    struct Answer {
        IRules.Decision decision;
        IBenefits.Missing missing;
        uint32[] authorized;
    }

    World private immutable _world;

    /// @notice The answer.
    error Told(bytes answer);

    constructor(World world) {
        _world = world;
    }

    function ask(Question calldata question) external {
        IBenefits benefits = _world.benefits();
        if (question.oldId != 0) {
            IBenefits.Query memory undone;
            (undone.id, undone.isGoods) = (question.oldId, question.oldIsGoods);
            address claims = address(_world.claims());
            VM.prank(claims);
            benefits.undo(question.old.claim, question.old.benefits, question.old.outcomes, undone);
        }

        IRules.Item[] memory items;
        Answer memory answer;
        (items, answer.decision, answer.missing) = benefits.quote(question.claim, question.rows, question.query);
        if (question.waived.length != 0) _setAside(question, items, answer);
        answer.authorized = new uint32[](items.length);
        for (uint256 i = 0; i < items.length; ++i) {
            answer.authorized[i] = items[i].authorizedUnits;
        }
        revert Told(abi.encode(answer));
    }

    function _setAside(Question calldata question, IRules.Item[] memory items, Answer memory answer) private view {
        Claim calldata claim = question.claim;
        for (uint256 i = 0; i < items.length; ++i) {
            items[i].waived = question.waived[i];
        }
        IPolicies.Cover memory cover = _world.policies().coverOf(claim.plan, claim.pseudonym);
        (IRules.Used memory person, IRules.Used memory family) = _world.benefits().usedOf(claim.plan, claim.pseudonym);
        answer.decision = _world.rules().decide(cover.limits, person, family, items, question.query.most);
        if (answer.missing != IBenefits.Missing.Evidence) {
            bool isShort = answer.decision.paid > question.query.funds;
            answer.missing = isShort ? IBenefits.Missing.Funds : IBenefits.Missing.Nothing;
        }
    }
}
