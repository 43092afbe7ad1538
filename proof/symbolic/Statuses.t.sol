// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IEmergencies} from "../../contracts/interfaces/health/IEmergencies.sol";
import {IRecords} from "../../contracts/interfaces/health/IRecords.sol";
import {IBatches} from "../../contracts/interfaces/medicine/IBatches.sol";
import {CaseStatuses} from "../../contracts/libraries/CaseStatuses.sol";
import {MemberStatuses} from "../../contracts/libraries/MemberStatuses.sol";
import {PackStatuses} from "../../contracts/libraries/PackStatuses.sol";
import {RecordStatuses} from "../../contracts/libraries/RecordStatuses.sol";

/// @title StatusProofs
/// @notice Which moves of a status there are, from every status to every status.
contract StatusProofs {
    using CaseStatuses for IEmergencies.CaseStatus;
    using CaseStatuses for IEmergencies.Case;
    using MemberStatuses for IConsortium.MemberStatus;
    using PackStatuses for IBatches.PackStatus;
    using RecordStatuses for IRecords.RecordStatus;

    IEmergencies.Case private _case;

    // property H15
    function check_record__moves_forth_only_and_disowned_is_the_end(
        IRecords.RecordStatus from,
        IRecords.RecordStatus to
    ) external pure {
        bool replaced = to == IRecords.RecordStatus.Superseded || to == IRecords.RecordStatus.Corrected;
        bool expected = from == IRecords.RecordStatus.Current && replaced;
        if (to == IRecords.RecordStatus.Disowned) {
            expected =
                from == IRecords.RecordStatus.Current ||
                from == IRecords.RecordStatus.Superseded ||
                from == IRecords.RecordStatus.Corrected;
        }

        assert(from.mayBecome(to) == expected);
    }

    // property H15
    function check_record__is_moved_where_it_may_be_and_refused_elsewhere(
        IRecords.RecordStatus from,
        IRecords.RecordStatus to
    ) external view {
        try this.moveRecord(from, to) returns (IRecords.RecordStatus moved) {
            assert(from.mayBecome(to) && moved == to);
        } catch {
            assert(!from.mayBecome(to));
        }
    }

    // property M6
    function check_pack__is_dispensed_and_taken_back_by_turns_or_ended_for_good(
        IBatches.PackStatus from,
        IBatches.PackStatus to
    ) external pure {
        bool given = from == IBatches.PackStatus.InStock && to == IBatches.PackStatus.Dispensed;
        bool back = from == IBatches.PackStatus.Dispensed && to == IBatches.PackStatus.InStock;
        bool ended = from == IBatches.PackStatus.InStock && to == IBatches.PackStatus.Ended;

        assert(from.mayBecome(to) == (given || back || ended));
    }

    // property M6
    function check_pack__is_moved_where_it_may_be_and_refused_elsewhere(
        IBatches.PackStatus from,
        IBatches.PackStatus to
    ) external view {
        try this.movePack(from, to) returns (IBatches.PackStatus moved) {
            assert(from.mayBecome(to) && moved == to);
        } catch {
            assert(!from.mayBecome(to));
        }
    }

    // property B5
    function check_member__is_suspended_and_reinstated_by_turns_and_removed_for_good(
        IConsortium.MemberStatus from,
        IConsortium.MemberStatus to
    ) external pure {
        bool suspended = from == IConsortium.MemberStatus.Admitted && to == IConsortium.MemberStatus.Suspended;
        bool reinstated = from == IConsortium.MemberStatus.Suspended && to == IConsortium.MemberStatus.Admitted;
        bool there = from == IConsortium.MemberStatus.Admitted || from == IConsortium.MemberStatus.Suspended;
        bool removed = there && to == IConsortium.MemberStatus.Removed;

        assert(from.mayBecome(to) == (suspended || reinstated || removed));
        assert(from.lasts() == there);
    }

    // property B5
    function check_member__is_moved_where_it_may_be_and_refused_elsewhere(
        IConsortium.MemberStatus from,
        IConsortium.MemberStatus to
    ) external view {
        try this.moveMember(from, to) returns (IConsortium.MemberStatus moved) {
            assert(from.mayBecome(to) && moved == to);
        } catch {
            assert(!from.mayBecome(to));
        }
    }

    // property E9
    function check_case__is_opened_once_and_ends_once(
        IEmergencies.CaseStatus from,
        IEmergencies.CaseStatus to
    ) external pure {
        bool opened = from == IEmergencies.CaseStatus.None && to == IEmergencies.CaseStatus.Open;
        bool isEnd =
            to == IEmergencies.CaseStatus.Withdrawn ||
                to == IEmergencies.CaseStatus.Sanctioned ||
                to == IEmergencies.CaseStatus.Justified;

        assert(from.mayBecome(to) == (opened || (from == IEmergencies.CaseStatus.Open && isEnd)));
        assert(!to.isVerdict() || isEnd);
        assert(to != IEmergencies.CaseStatus.Withdrawn || !to.isVerdict());
    }

    // property E9
    function check_case__is_moved_where_it_may_be_and_refused_elsewhere(
        IEmergencies.Case memory before,
        IEmergencies.CaseStatus to
    ) external {
        _case = before;

        try this.moveCase(to) {
            assert(before.status.mayBecome(to));
            before.status = to;
        } catch {
            assert(!before.status.mayBecome(to));
        }
        assert(keccak256(abi.encode(_case)) == keccak256(abi.encode(before)));
    }

    function moveRecord(
        IRecords.RecordStatus from,
        IRecords.RecordStatus to
    ) external pure returns (IRecords.RecordStatus) {
        return from.move(bytes32(0), to);
    }

    function movePack(IBatches.PackStatus from, IBatches.PackStatus to) external pure returns (IBatches.PackStatus) {
        return from.move(bytes32(0), 0, to);
    }

    function moveMember(
        IConsortium.MemberStatus from,
        IConsortium.MemberStatus to
    ) external pure returns (IConsortium.MemberStatus) {
        return from.move(0, to);
    }

    function moveCase(IEmergencies.CaseStatus to) external {
        _case.move(0, to);
    }
}
