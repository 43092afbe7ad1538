// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IBatches} from "../interfaces/medicine/IBatches.sol";
import {Blocks, OF_HOLDER} from "./Blocks.sol";

/// @notice A node of a batch as it lies in storage: one word, read and written at once.
/// @dev holder 32 | offeredTo 32 | offerEnds 40 | offeredAt 32 | moves 32 | day 16 | blocks 6 | scattered 1 | opened 1 |
/// giver 32, lowest bits first. The batch's own node also carries expiry day 16 | palletBits 8 | caseBits 8, and its giver
/// is its maker.
type NodeSlot is uint256;

using {
    isEmpty,
    holder,
    offeredTo,
    offerEnds,
    offeredAt,
    moves,
    day,
    blocks,
    isOpened,
    isScattered,
    saysOfBelow,
    giver,
    expiry,
    palletBits,
    caseBits,
    hasOfferAt,
    withHolder,
    withOffer,
    withoutOffer,
    withBlocks,
    staying,
    scattered,
    opened,
    closed,
    unpack
} for NodeSlot global;

uint256 constant HOLDER_SHIFT = 0;
uint256 constant OFFERED_TO_SHIFT = 32;
uint256 constant OFFER_ENDS_SHIFT = 64;
uint256 constant OFFERED_AT_SHIFT = 104;
uint256 constant MOVES_SHIFT = 136;
uint256 constant DAY_SHIFT = 168;
uint256 constant BLOCKS_SHIFT = 184;
uint256 constant SCATTERED_SHIFT = 190;
uint256 constant OPENED_SHIFT = 191;
uint256 constant GIVER_SHIFT = 192;
uint256 constant EXPIRY_SHIFT = 224;
uint256 constant PALLET_BITS_SHIFT = 240;
uint256 constant CASE_BITS_SHIFT = 248;

uint256 constant BLOCKS_MASK = ((1 << 6) - 1) << BLOCKS_SHIFT;
uint256 constant OFFER_MASK = ((1 << 104) - 1) << OFFERED_TO_SHIFT;
uint256 constant MOVES_MASK = uint256(type(uint32).max) << MOVES_SHIFT;
uint256 constant PLACE_MASK = (uint256(type(uint32).max) << HOLDER_SHIFT) | OFFER_MASK | MOVES_MASK;
uint256 constant GIVER_MASK = uint256(type(uint32).max) << GIVER_SHIFT;
uint256 constant DAY_MASK = uint256(type(uint16).max) << DAY_SHIFT;

/// @dev A new batch's own node: its maker holds it.
function packBatch(uint32 maker, uint40 end, uint8 pallet, uint8 case_) pure returns (NodeSlot) {
    uint256 word = uint256(maker) << HOLDER_SHIFT;
    word |= uint256(maker) << GIVER_SHIFT;
    word |= (uint256(end) / 1 days) << EXPIRY_SHIFT;
    word |= uint256(pallet) << PALLET_BITS_SHIFT;
    word |= uint256(case_) << CASE_BITS_SHIFT;
    return NodeSlot.wrap(word);
}

function unpack(NodeSlot slot) pure returns (IBatches.Node memory node) {
    node.holder = holder(slot);
    node.giver = giver(slot);
    node.offeredTo = offeredTo(slot);
    node.offerEnds = offerEnds(slot);
    node.offeredAt = offeredAt(slot);
    node.moves = moves(slot);
    node.lastDispensed = uint40(day(slot) * 1 days);
    node.blocks = blocks(slot);
    node.opened = isOpened(slot);
}

function isEmpty(NodeSlot slot) pure returns (bool) {
    return NodeSlot.unwrap(slot) == 0;
}

function holder(NodeSlot slot) pure returns (uint32) {
    return uint32(NodeSlot.unwrap(slot) >> HOLDER_SHIFT);
}

function offeredTo(NodeSlot slot) pure returns (uint32) {
    return uint32(NodeSlot.unwrap(slot) >> OFFERED_TO_SHIFT);
}

function offerEnds(NodeSlot slot) pure returns (uint40) {
    return uint40(NodeSlot.unwrap(slot) >> OFFER_ENDS_SHIFT);
}

function offeredAt(NodeSlot slot) pure returns (uint32) {
    return uint32(NodeSlot.unwrap(slot) >> OFFERED_AT_SHIFT);
}

function moves(NodeSlot slot) pure returns (uint32) {
    return uint32(NodeSlot.unwrap(slot) >> MOVES_SHIFT);
}

/// @dev The day, counted from 1970, on which something was last dispensed out of it.
function day(NodeSlot slot) pure returns (uint256) {
    return uint16(NodeSlot.unwrap(slot) >> DAY_SHIFT);
}

function blocks(NodeSlot slot) pure returns (Blocks) {
    return Blocks.wrap(uint8((NodeSlot.unwrap(slot) & BLOCKS_MASK) >> BLOCKS_SHIFT));
}

function isOpened(NodeSlot slot) pure returns (bool) {
    return (NodeSlot.unwrap(slot) >> OPENED_SHIFT) & 1 == 1;
}

/// @dev Whether some of a case's packs have a slot of their own.
function isScattered(NodeSlot slot) pure returns (bool) {
    return (NodeSlot.unwrap(slot) >> SCATTERED_SHIFT) & 1 == 1;
}

/// @dev Whether it may concern the nodes below as long as they go with this one: a word of its holder, or an offer.
function saysOfBelow(NodeSlot slot) pure returns (bool) {
    return NodeSlot.unwrap(slot) & (OFFER_MASK | (uint256(Blocks.unwrap(OF_HOLDER)) << BLOCKS_SHIFT)) != 0;
}

function giver(NodeSlot slot) pure returns (uint32) {
    return uint32(NodeSlot.unwrap(slot) >> GIVER_SHIFT);
}

function expiry(NodeSlot slot) pure returns (uint40) {
    return uint40(uint256(uint16(NodeSlot.unwrap(slot) >> EXPIRY_SHIFT)) * 1 days);
}

function palletBits(NodeSlot slot) pure returns (uint8) {
    return uint8(NodeSlot.unwrap(slot) >> PALLET_BITS_SHIFT);
}

function caseBits(NodeSlot slot) pure returns (uint8) {
    return uint8(NodeSlot.unwrap(slot) >> CASE_BITS_SHIFT);
}

/// @dev Whether an offer stands: not ended, and nothing on the node's path was handed on since it was made, so that whoever
/// made it still holds the node.
function hasOfferAt(NodeSlot slot, uint256 time, uint32 pathMoves) pure returns (bool) {
    return offeredTo(slot) != 0 && time < offerEnds(slot) && offeredAt(slot) == pathMoves;
}

/// @dev Handed on: any offer is over, and every offer signed before it is worth nothing.
function withHolder(NodeSlot slot, uint32 next, uint32 from, uint32 count) pure returns (NodeSlot) {
    uint256 word = NodeSlot.unwrap(slot) & ~(PLACE_MASK | GIVER_MASK);
    word |= uint256(next) << HOLDER_SHIFT;
    word |= uint256(count) << MOVES_SHIFT;
    word |= uint256(from) << GIVER_SHIFT;
    return NodeSlot.wrap(word);
}

/// @dev It stays with who holds it, whatever becomes of what carried it; its count goes on where the path's stood.
function staying(NodeSlot slot, uint32 by, uint32 from, uint32 pathMoves) pure returns (NodeSlot) {
    if (holder(slot) != 0) return slot;

    uint256 word = NodeSlot.unwrap(slot) & ~(MOVES_MASK | GIVER_MASK);
    word |= uint256(by) << HOLDER_SHIFT;
    word |= uint256(pathMoves) << MOVES_SHIFT;
    word |= uint256(from) << GIVER_SHIFT;
    return NodeSlot.wrap(word);
}

function withOffer(NodeSlot slot, uint32 to, uint40 ends, uint32 pathMoves) pure returns (NodeSlot) {
    uint256 word = NodeSlot.unwrap(slot) & ~OFFER_MASK;
    word |= uint256(to) << OFFERED_TO_SHIFT;
    word |= uint256(ends) << OFFER_ENDS_SHIFT;
    word |= uint256(pathMoves) << OFFERED_AT_SHIFT;
    return NodeSlot.wrap(word);
}

/// @dev Offers, open and signed, are over: the counter moves and the holder does not.
function withoutOffer(NodeSlot slot) pure returns (NodeSlot) {
    uint256 word = NodeSlot.unwrap(slot) & ~(OFFER_MASK | MOVES_MASK);
    unchecked {
        // Below what carries it a count is the difference to that one's, modulo 2^32.
        return NodeSlot.wrap(word | (uint256(moves(slot) + 1) << MOVES_SHIFT));
    }
}

function withBlocks(NodeSlot slot, Blocks set) pure returns (NodeSlot) {
    uint256 word = NodeSlot.unwrap(slot) & ~BLOCKS_MASK;
    return NodeSlot.wrap(word | (uint256(Blocks.unwrap(set)) << BLOCKS_SHIFT));
}

/// @dev Some of its packs have a slot of their own.
function scattered(NodeSlot slot) pure returns (NodeSlot) {
    return NodeSlot.wrap(NodeSlot.unwrap(slot) | (1 << SCATTERED_SHIFT));
}

/// @dev Something was dispensed out of it.
function opened(NodeSlot slot, uint256 today) pure returns (NodeSlot) {
    return NodeSlot.wrap((NodeSlot.unwrap(slot) & ~DAY_MASK) | (today << DAY_SHIFT) | (1 << OPENED_SHIFT));
}

function closed(NodeSlot slot) pure returns (NodeSlot) {
    return NodeSlot.wrap(NodeSlot.unwrap(slot) & ~(uint256(1) << OPENED_SHIFT));
}
