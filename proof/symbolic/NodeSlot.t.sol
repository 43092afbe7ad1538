// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Blocks} from "../../contracts/types/Blocks.sol";
import {NodeSlot, packBatch} from "../../contracts/types/NodeSlot.sol";
import {vm} from "./Cheats.sol";

/// @title NodeSlotProofs
/// @notice What each move of a node of a batch writes, of any node that there may be, and that it writes nothing else.
contract NodeSlotProofs {
    uint256 private constant LAST_EXPIRY = uint256(type(uint16).max) * 1 days;

    /// @dev Every field of a node's word.
    struct Fields {
        uint32 holder;
        uint32 offeredTo;
        uint40 offerEnds;
        uint32 offeredAt;
        uint32 moves;
        uint256 day;
        uint8 blocks;
        bool isScattered;
        bool isOpened;
        uint32 giver;
        uint40 expiry;
        uint8 palletBits;
        uint8 caseBits;
    }

    // property D1
    function check_fields__are_the_whole_word(NodeSlot a, NodeSlot b) external pure {
        vm.assume(NodeSlot.unwrap(a) != NodeSlot.unwrap(b));

        assert(!_isSame(_of(a), _of(b)));
    }

    // property D1
    /// @dev Bound: expiries that Batches takes; the day that comes of one is not part of it
    /// @custom:halmos --solver z3
    function check_new_batch__is_its_makers_and_says_its_sizes(
        uint32 maker,
        uint40 end,
        uint8 pallet,
        uint8 case_
    ) external pure {
        vm.assume(end <= LAST_EXPIRY);
        Fields memory expected;
        expected.holder = maker;
        expected.giver = maker;
        expected.palletBits = pallet;
        expected.caseBits = case_;

        Fields memory found = _of(packBatch(maker, end, pallet, case_));

        expected.expiry = found.expiry;
        assert(_isSame(found, expected));
    }

    // property D2
    function check_handed_on__sets_holder_giver_and_count_and_ends_the_offer(
        NodeSlot slot,
        uint32 next,
        uint32 from,
        uint32 count
    ) external pure {
        Fields memory expected = _unoffered(_of(slot));
        expected.holder = next;
        expected.giver = from;
        expected.moves = count;

        assert(_isSame(_of(slot.withHolder(next, from, count)), expected));
    }

    // property D2
    function check_staying__sets_holder_giver_and_count_where_there_is_no_holder(
        NodeSlot slot,
        uint32 by,
        uint32 from,
        uint32 count
    ) external pure {
        Fields memory expected = _of(slot);
        if (expected.holder == 0) {
            expected.holder = by;
            expected.giver = from;
            expected.moves = count;
        }

        assert(_isSame(_of(slot.staying(by, from, count)), expected));
    }

    // property D2
    function check_offered__sets_the_offer_alone(NodeSlot slot, uint32 to, uint40 ends, uint32 count) external pure {
        Fields memory expected = _of(slot);
        expected.offeredTo = to;
        expected.offerEnds = ends;
        expected.offeredAt = count;

        assert(_isSame(_of(slot.withOffer(to, ends, count)), expected));
    }

    // property D2
    // property M14
    function check_withdrawn__ends_the_offer_and_counts_one(NodeSlot slot) external pure {
        Fields memory expected = _unoffered(_of(slot));
        unchecked {
            expected.moves += 1;
        }

        assert(_isSame(_of(slot.withoutOffer()), expected));
    }

    // property D2
    /// @dev Bound: sets of the six bits that blocks have, of which five are used
    function check_blocked__sets_the_blocks_alone(NodeSlot slot, Blocks blocks) external pure {
        // There are five blocks, and six bits.
        vm.assume(Blocks.unwrap(blocks) < 1 << 6);
        Fields memory expected = _of(slot);
        expected.blocks = Blocks.unwrap(blocks);

        assert(_isSame(_of(slot.withBlocks(blocks)), expected));
    }

    // property D2
    function check_scattered__sets_its_bit_alone(NodeSlot slot) external pure {
        Fields memory expected = _of(slot);
        expected.isScattered = true;

        assert(_isSame(_of(slot.scattered()), expected));
    }

    // property D2
    /// @dev Bound: days of 16 bits, as all are before an expiry that Batches takes
    function check_opened__sets_its_bit_and_the_day_alone(NodeSlot slot, uint16 today) external pure {
        Fields memory expected = _of(slot);
        expected.isOpened = true;
        expected.day = today;

        assert(_isSame(_of(slot.opened(today)), expected));
    }

    // property D2
    function check_closed__clears_its_bit_alone(NodeSlot slot) external pure {
        Fields memory expected = _of(slot);
        expected.isOpened = false;

        assert(_isSame(_of(slot.closed()), expected));
    }

    // property M15
    function check_offer__stands_before_its_end_and_at_its_count_only(
        NodeSlot slot,
        uint256 time,
        uint32 count
    ) external pure {
        Fields memory fields = _of(slot);
        bool stands = fields.offeredTo != 0 && time < fields.offerEnds && fields.offeredAt == count;

        assert(slot.hasOfferAt(time, count) == stands);
    }

    // property M15
    // property M16
    function check_offer__is_over_once_the_node_is_handed_on_or_the_offer_withdrawn(
        NodeSlot slot,
        uint32 next,
        uint256 time,
        uint32 count
    ) external pure {
        assert(!slot.withHolder(next, 0, count).hasOfferAt(time, count));
        assert(!slot.withoutOffer().hasOfferAt(time, count));
    }

    // property M13
    // property M17
    function check_says_of_below__misses_no_offer_and_no_word_of_a_holder(
        NodeSlot slot,
        uint256 time,
        uint32 count
    ) external pure {
        bool says = slot.hasOfferAt(time, count) || Blocks.unwrap(slot.blocks()) & ((1 << 0) | (1 << 3)) != 0;

        assert(!says || slot.saysOfBelow());
    }

    function _of(NodeSlot slot) private pure returns (Fields memory fields) {
        fields.holder = slot.holder();
        fields.offeredTo = slot.offeredTo();
        fields.offerEnds = slot.offerEnds();
        fields.offeredAt = slot.offeredAt();
        fields.moves = slot.moves();
        fields.day = slot.day();
        fields.blocks = Blocks.unwrap(slot.blocks());
        fields.isScattered = slot.isScattered();
        fields.isOpened = slot.isOpened();
        fields.giver = slot.giver();
        fields.expiry = slot.expiry();
        fields.palletBits = slot.palletBits();
        fields.caseBits = slot.caseBits();
    }

    function _unoffered(Fields memory fields) private pure returns (Fields memory) {
        fields.offeredTo = 0;
        fields.offerEnds = 0;
        fields.offeredAt = 0;
        return fields;
    }

    function _isSame(Fields memory a, Fields memory b) private pure returns (bool) {
        if (a.holder != b.holder || a.giver != b.giver || a.moves != b.moves) return false;
        if (a.offeredTo != b.offeredTo || a.offerEnds != b.offerEnds || a.offeredAt != b.offeredAt) return false;
        if (a.day != b.day || a.blocks != b.blocks) return false;
        if (a.isScattered != b.isScattered || a.isOpened != b.isOpened) return false;
        return a.expiry == b.expiry && a.palletBits == b.palletBits && a.caseBits == b.caseBits;
    }
}
