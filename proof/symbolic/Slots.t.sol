// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IGrants} from "../../contracts/interfaces/health/IGrants.sol";
import {IRecords} from "../../contracts/interfaces/health/IRecords.sol";
import {IPrescriptions} from "../../contracts/interfaces/medicine/IPrescriptions.sol";
import {AffiliationSlot, packAffiliation} from "../../contracts/types/AffiliationSlot.sol";
import {GrantSlot, pack as packGrant} from "../../contracts/types/GrantSlot.sol";
import {Marks} from "../../contracts/types/Marks.sol";
import {MemberSlot, packMember} from "../../contracts/types/MemberSlot.sol";
import {PrescriptionSlot, packPrescription} from "../../contracts/types/PrescriptionSlot.sol";
import {RecordSlot, pack as packRecord, packNew} from "../../contracts/types/RecordSlot.sol";
import {Roles} from "../../contracts/types/Roles.sol";
import {vm} from "./Cheats.sol";

/// @title SlotProofs
/// @notice Words in storage give back what was put into them, and what is written to one field leaves the others.
contract SlotProofs {
    // property D1
    function check_grant__packed__comes_out_as_it_went_in(IGrants.Grant memory granted) external pure {
        IGrants.Grant memory found = packGrant(granted).unpack();

        assert(found.scope == granted.scope);
        assert(found.start == granted.start);
        assert(found.expiry == granted.expiry);
        assert(found.nonce == granted.nonce);
        assert(found.era == granted.era);
        assert(found.by == granted.by);
        assert(found.generation == granted.generation);
        assert(packGrant(granted).nonceOf() == granted.nonce);
    }

    // property D1
    function check_grant__any_word__is_the_word_of_what_it_says(uint256 word) external pure {
        assert(GrantSlot.unwrap(packGrant(GrantSlot.wrap(word).unpack())) == word);
    }

    // property D1
    function check_record__packed__comes_out_as_it_went_in(IRecords.Record memory record) external pure {
        IRecords.Record memory found = packRecord(record).unpack();

        _assertSame(found, record);
    }

    // property D1
    /// @dev Bound: times of 40 bits
    function check_record__of_this_block__is_current_and_unmarked(uint40 time, uint32 version, uint32 author) external {
        vm.warp(time);

        RecordSlot slot = packNew(version, author);

        _assertSame(
            slot.unpack(),
            IRecords.Record(time, version, author, IRecords.RecordStatus.Current, Marks.wrap(0))
        );
        assert(!slot.isEmpty());
    }

    // property D2
    function check_record__marked__keeps_all_but_its_marks(IRecords.Record memory record, Marks marks) external pure {
        IRecords.Record memory found = packRecord(record).marked(marks).unpack();

        record.marks = Marks.wrap(Marks.unwrap(record.marks) | Marks.unwrap(marks));
        _assertSame(found, record);
    }

    // property D1
    function check_member__packed__comes_out_as_it_went_in(IConsortium.Member memory member) external pure {
        MemberSlot slot = packMember(member);
        IConsortium.Member memory found = slot.unpack();

        assert(found.account == member.account);
        assert(found.roles == member.roles);
        assert(found.expiry == member.expiry);
        assert(found.tier == member.tier);
        assert(found.status == member.status);
        assert(slot.roles() == member.roles);
    }

    // property B1
    function check_member__is_in_standing_while_admitted_and_licensed(
        IConsortium.Member memory member,
        uint256 time
    ) external pure {
        bool stands = member.status == IConsortium.MemberStatus.Admitted && time < member.expiry;

        assert(packMember(member).inStandingAt(time) == stands);
    }

    // property D1
    function check_affiliation__packed__comes_out_as_it_went_in(
        uint32 number,
        Roles roles,
        uint32 nonce
    ) external pure {
        AffiliationSlot slot = packAffiliation(number, roles, nonce);
        IConsortium.Affiliation memory found = slot.unpack();

        assert(found.member == number && slot.member() == number);
        assert(found.roles == roles && slot.roles() == roles);
        assert(found.nonce == nonce && slot.nonce() == nonce);
    }

    // property D1
    function check_prescription__packed__comes_out_as_it_went_in(uint32 number, uint40 time) external pure {
        IPrescriptions.Prescription memory found = packPrescription(number, time).unpack();

        assert(found.member == number);
        assert(found.time == time);
        assert(found.nonce == 0);
        assert(found.cancelled == 0);
    }

    // property D2
    /// @dev Bound: fewer than 2^32 words of a bearer
    function check_prescription__a_word_of_the_bearer_counts_one_and_changes_nothing_else(uint256 word) external pure {
        PrescriptionSlot slot = PrescriptionSlot.wrap(word);
        // A bearer's word is a transaction: nobody makes 2^32 of them.
        vm.assume(slot.nonce() != type(uint32).max);

        IPrescriptions.Prescription memory found = slot.withNonceUsed().unpack();

        assert(found.member == slot.member());
        assert(found.time == slot.unpack().time);
        assert(found.nonce == slot.nonce() + 1);
        assert(found.cancelled == slot.cancelled());
    }

    // property P15
    // property D2
    function check_prescription__cancelled__adds_these_lines_and_changes_nothing_else(
        uint256 word,
        uint32 lines
    ) external pure {
        PrescriptionSlot slot = PrescriptionSlot.wrap(word);

        IPrescriptions.Prescription memory found = slot.withCancelled(lines).unpack();

        assert(found.member == slot.member());
        assert(found.time == slot.unpack().time);
        assert(found.nonce == slot.nonce());
        assert(found.cancelled == slot.cancelled() | lines);
    }

    function _assertSame(IRecords.Record memory a, IRecords.Record memory b) private pure {
        assert(a.time == b.time);
        assert(a.version == b.version);
        assert(a.author == b.author);
        assert(a.status == b.status);
        assert(a.marks == b.marks);
    }
}
