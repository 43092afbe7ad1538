// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IBatches} from "../../contracts/interfaces/medicine/IBatches.sol";

/// @dev A pack, or what carries packs. Levels count from the batch, which is level 0, down to the packs.
/// @param rides The level of the part whose way it shares: its own once it goes its own way.
/// @param marks The blocks that concern it, eight bits for each level at which they were set.
/// @param apart Whether something was once said of the pack alone, or it ended.
struct Part {
    uint32 node;
    uint8 height;
    uint8 level;
    uint8 above;
    uint32 holder;
    uint32 giver;
    uint8 rides;
    uint32 moves;
    uint32 offeredTo;
    uint40 offerEnds;
    uint32 marks;
    bool opened;
    uint16 day;
    IBatches.PackStatus status;
    bool apart;
    address operator;
}

/// @dev A batch with those of its places that are looked at, the batch first and then downwards.
/// @param number Which tree its packs are in.
/// @param base The index of the first of its packs.
/// @param waived Rules that are not asked for, to find what they alone forbid.
struct Shelf {
    bytes32 id;
    uint32 number;
    uint32 maker;
    uint40 expiry;
    uint8 caseBits;
    uint32 base;
    uint8 waived;
    Part[] parts;
}

/// @title PackModel
/// @notice What Batches must do, as a plain model: an object for each pack, and one for each case, pallet and batch.
/// @dev Written from the sentences of IBatches. Where the contract looks a fact up on the way from the batch down to a
/// pack, this has told it to every pack beforehand: who holds it, who gave it, what blocks it, what it goes with.
library PackModel {
    uint256 internal constant DEPTH = 20;
    uint256 internal constant UNDO_DAYS = 10;
    uint256 internal constant OFFER_WINDOW = 30 days;

    uint8 internal constant LOCKED = 1;
    uint8 internal constant OPENED = 2;
    uint8 internal constant USABLE = 4;
    uint8 internal constant DAYS = 8;
    uint8 internal constant OPERATOR = 16;
    uint8 internal constant STOCK = 32;
    uint8 internal constant OFFERED = 64;
    uint8 internal constant PROOF = 128;

    uint8 internal constant BY_HOLDER = 1;
    uint8 internal constant BY_MAKER = 2;
    uint8 internal constant BY_REGULATOR = 4;
    uint8 internal constant EXCURSION = 8;
    uint8 internal constant RECALL = 16;
    uint8 internal constant OF_HOLDER = BY_HOLDER | EXCURSION;
    uint8 internal constant EVERY_BLOCK = 31;

    /// @notice Whether a part is another or lies in it.
    function isIn(Part memory part, Part memory other) internal pure returns (bool) {
        return part.height <= other.height && part.node >> (other.height - part.height) == other.node;
    }

    function isPack(Part memory part) internal pure returns (bool) {
        return part.height == 0;
    }

    /// @notice Every block that concerns a part.
    function blocksOf(Part memory part) internal pure returns (uint8 blocks) {
        for (uint256 level = 0; level < 4; ++level) {
            blocks |= uint8(part.marks >> (8 * level));
        }
    }

    function isOffered(Part memory part) internal view returns (bool) {
        return part.offeredTo != 0 && block.timestamp < part.offerEnds;
    }

    /// @notice Whether something that a part goes with is under an offer.
    function isLocked(Shelf memory shelf, Part memory part) internal view returns (bool) {
        if (shelf.waived & LOCKED != 0) return false;

        Part memory other = part;
        while (other.level > part.rides) {
            other = shelf.parts[other.above];
            if (isOffered(other)) return true;
        }
        return false;
    }

    function isUsable(Shelf memory shelf, Part memory part) internal view returns (bool) {
        return shelf.waived & USABLE != 0 || (blocksOf(part) == 0 && block.timestamp < shelf.expiry);
    }

    function isInStock(Part memory part) internal pure returns (bool) {
        return !isPack(part) || part.status == IBatches.PackStatus.InStock;
    }

    function isBack(Shelf memory shelf, Part memory part, uint32 to) internal pure returns (bool) {
        return to == shelf.maker || (to != 0 && to == part.giver);
    }

    /// @notice Whether a part can go to a member.
    function mayGo(Shelf memory shelf, Part memory part, uint32 to) internal view returns (bool) {
        if (isLocked(shelf, part) || !isInStock(part)) return false;
        if (!isPack(part) && part.opened && shelf.waived & OPENED == 0) return false;
        return isBack(shelf, part, to) || isUsable(shelf, part);
    }

    function mayOffer(Shelf memory shelf, Part memory part, uint32 from, uint32 to) internal view returns (bool) {
        return part.holder == from && to != 0 && to != from && !isOffered(part) && mayGo(shelf, part, to);
    }

    function mayWithdraw(Part memory part, uint32 from) internal pure returns (bool) {
        return part.holder == from && isInStock(part);
    }

    function isOfferedTo(Part memory part, uint32 to) internal view returns (bool) {
        return isOffered(part) && part.offeredTo == to;
    }

    function mayLeave(Part memory part, Part memory left) internal pure returns (bool) {
        return left.node != part.node && isIn(left, part) && left.holder == part.holder && isInStock(left);
    }

    function isUnoffered(Shelf memory shelf, Part memory part) internal view returns (bool) {
        return !isOffered(part) && !isLocked(shelf, part);
    }

    function mayDispense(Shelf memory shelf, Part memory pack, uint32 member) internal view returns (bool) {
        return pack.holder == member && isInStock(pack) && isUnoffered(shelf, pack) && isUsable(shelf, pack);
    }

    function mayUndo(
        Shelf memory shelf,
        Part memory pack,
        uint32 member,
        address operator
    ) internal view returns (bool) {
        if (pack.status != IBatches.PackStatus.Dispensed) return false;
        if (pack.operator != operator && shelf.waived & OPERATOR == 0) return false;
        uint256 day = isAlone(shelf, pack) ? pack.day : caseOf(shelf, pack).day;
        return
            pack.holder == member &&
            isUsable(shelf, pack) &&
            (shelf.waived & DAYS != 0 || block.timestamp < (day + UNDO_DAYS + 1) * 1 days);
    }

    /// @notice Whether what is dispensed here is dispensed out of no case.
    function isAlone(Shelf memory shelf, Part memory pack) internal pure returns (bool) {
        return shelf.caseBits == 0 || pack.apart;
    }

    function caseOf(Shelf memory shelf, Part memory pack) internal pure returns (Part memory) {
        return shelf.parts[pack.above];
    }

    /// @notice Whether every pack of a mask of 256 lies in the case, still as it came.
    function isOfCase(Shelf memory shelf, Part memory case_, uint256 mask) internal pure returns (bool) {
        if (case_.height != shelf.caseBits || mask == 0) return false;
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            Part memory pack = shelf.parts[i];
            if (!isPack(pack) || mask & bitOf(pack) == 0) continue;
            if (!isIn(pack, case_) || pack.status != IBatches.PackStatus.InStock || pack.apart) return false;
            mask &= ~bitOf(pack);
        }
        return mask == 0;
    }

    function bitOf(Part memory pack) internal pure returns (uint256) {
        return 1 << (pack.node & 0xff);
    }

    function stir(Shelf memory shelf, Part memory part) internal pure {
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            Part memory rider = shelf.parts[i];
            if (!_rides(rider, part)) continue;
            rider.moves += 1;
            (rider.offeredTo, rider.offerEnds) = (0, 0);
        }
    }

    /// @notice A word about a single pack is kept apart from its case.
    function sayOf(Shelf memory shelf, Part memory part) internal pure {
        if (isPack(part) && shelf.caseBits != 0) part.apart = true;
    }

    /// @notice A part goes its own way, with all that shares it. What its holder said of what carried it goes along.
    function ownWay(Shelf memory shelf, Part memory part) internal pure {
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            Part memory rider = shelf.parts[i];
            if (!_rides(rider, part)) continue;
            for (uint256 level = 0; level < part.level; ++level) {
                uint32 said = rider.marks & (uint32(OF_HOLDER) << uint32(8 * level));
                rider.marks &= ~said;
                rider.marks |= (said >> uint32(8 * level)) << (8 * part.level);
            }
            rider.rides = part.level;
        }
        sayOf(shelf, part);
    }

    function handOver(Shelf memory shelf, Part memory part, uint32 to, uint256 missing) internal pure {
        bool back = isBack(shelf, part, to);
        uint32 from = part.holder;
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            if ((missing >> i) & 1 == 0) continue;
            ownWay(shelf, shelf.parts[i]);
            stir(shelf, shelf.parts[i]);
        }
        ownWay(shelf, part);
        stir(shelf, part);
        Part memory above = shelf.parts[part.above];
        bool rejoins = back && part.level != 0 && above.holder == to && uint8(part.marks >> (8 * part.level)) == 0;
        uint32 giver = part.level == 0 ? shelf.maker : (back ? 0 : from);
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            Part memory rider = shelf.parts[i];
            if (!_rides(rider, part)) continue;
            (rider.holder, rider.giver) = (to, giver);
        }
        if (rejoins) _rejoin(shelf, part, above);
    }

    /// @notice What is blocked by itself goes its own way, so that nothing carries it off.
    function mark(Shelf memory shelf, Part memory part, uint8 block_) internal pure {
        ownWay(shelf, part);
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            Part memory other = shelf.parts[i];
            bool concerned = block_ & OF_HOLDER != 0 ? _rides(other, part) : isIn(other, part);
            if (concerned) other.marks |= uint32(block_) << (8 * part.level);
        }
    }

    function isMarked(Part memory part, uint8 block_) internal pure returns (bool) {
        return uint8(part.marks >> (8 * part.level)) & block_ != 0;
    }

    function unmark(Shelf memory shelf, Part memory part, uint8 block_) internal pure {
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            if (isIn(shelf.parts[i], part)) shelf.parts[i].marks &= ~(uint32(block_) << (8 * part.level));
        }
    }

    function dispense(Shelf memory shelf, uint256 mask, address operator) internal view {
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            Part memory pack = shelf.parts[i];
            if (!isPack(pack) || mask & bitOf(pack) == 0) continue;
            pack.status = IBatches.PackStatus.Dispensed;
            pack.operator = operator;
            Part memory out = isAlone(shelf, pack) ? pack : caseOf(shelf, pack);
            (out.opened, out.day) = (true, uint16(block.timestamp / 1 days));
            for (uint256 j = 0; j < shelf.parts.length; ++j) {
                if (_rides(shelf.parts[j], out)) shelf.parts[j].rides = out.level;
            }
        }
    }

    function undo(Part memory pack) internal pure {
        pack.status = IBatches.PackStatus.InStock;
        pack.operator = address(0);
    }

    function end(Shelf memory shelf, uint256 mask) internal pure {
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            Part memory pack = shelf.parts[i];
            if (!isPack(pack) || mask & bitOf(pack) == 0) continue;
            (pack.status, pack.apart) = (IBatches.PackStatus.Ended, true);
        }
    }

    /// @dev Goods that are given back to who holds what they came in are in it again.
    function _rejoin(Shelf memory shelf, Part memory part, Part memory above) private pure {
        for (uint256 i = 0; i < shelf.parts.length; ++i) {
            Part memory rider = shelf.parts[i];
            if (!_rides(rider, part)) continue;
            (rider.rides, rider.giver) = (above.rides, above.giver);
            rider.marks |= above.marks & (uint32(OF_HOLDER) * 0x01010101);
        }
    }

    function _rides(Part memory rider, Part memory part) private pure returns (bool) {
        return rider.rides <= part.level && isIn(rider, part);
    }
}
