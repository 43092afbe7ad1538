// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Blocks} from "../../types/Blocks.sol";

/// @title IBatches
/// @notice Where each pack of medicine is: who holds it, whether it was dispensed, and what keeps it from going on.
/// @dev A batch is the root of a tree of depth 20 whose leaves are packs; libraries/Positions.sol says how places are
/// numbered. What is held is a node: the batch (1), a pallet, a case or a single pack. A node without a holder of its own
/// goes with the node above, so a pack's holder is that of the deepest node on its path that has one. What was opened,
/// missing at a handoff, or blocked has a holder of its own from then on, so that nothing carries it off. A contract
/// cannot tell what a pack is, nor how many there are: product, lot and serials are in sealed sheets, of which it sees
/// digests.
interface IBatches {
    /// @notice What became of a pack.
    enum PackStatus {
        InStock,
        Dispensed,
        Ended
    }

    /// @notice How a pack can end but by being dispensed. Each is final.
    enum End {
        Exported,
        Sampled,
        Destroyed,
        Stolen,
        Returned
    }

    /// @notice A batch as its maker commissions it.
    /// @param root The root of the tree of its packs.
    /// @param product A salted commitment to the product.
    /// @param lot A salted commitment to the lot; trees of one lot have one each.
    /// @param tag HMAC of product and lot under the consortium's key: how a scanner finds the batch.
    /// @param keyNumber Which of the consortium's keys made the tag.
    /// @param manifest The digest of the manifest, sealed to the maker.
    /// @param expiry The second from which its packs are expired: midnight, UTC.
    /// @param palletBits A pallet has room for 2^palletBits packs.
    /// @param caseBits A case has room for 2^caseBits packs; zero where packs are in no case.
    struct Commission {
        bytes32 root;
        bytes32 product;
        bytes32 lot;
        bytes32 tag;
        uint32 keyNumber;
        bytes32 manifest;
        uint40 expiry;
        uint8 palletBits;
        uint8 caseBits;
    }

    /// @notice A batch as the chain knows it.
    /// @param maker The member that commissioned it, zero for no such batch.
    /// @param expiry The second from which its packs are expired.
    /// @param palletBits A pallet has room for 2^palletBits packs.
    /// @param caseBits A case has room for 2^caseBits packs.
    struct Batch {
        uint32 maker;
        uint40 expiry;
        uint8 palletBits;
        uint8 caseBits;
    }

    /// @notice A node's own slot: what was said of it alone, and not of what carries it.
    /// @param holder Its own holder, zero where it goes with the node above.
    /// @param giver Who handed it to its holder; the maker for a whole batch.
    /// @param offeredTo Whom it was last offered to, zero for nobody.
    /// @param offerEnds The offer counts before this second.
    /// @param offeredAt The count at which it was offered, as `Place.moves` has it.
    /// @param moves Its own count: `Place.moves` where it has a holder of its own, else its difference to the node above.
    /// @param lastDispensed Midnight of the day on which a pack was last dispensed out of it, zero for never.
    /// @param blocks What keeps it and all below it from going on.
    /// @param opened Whether something was dispensed out of it, so that it moves pack by pack only.
    struct Node {
        uint32 holder;
        uint32 giver;
        uint32 offeredTo;
        uint40 offerEnds;
        uint32 offeredAt;
        uint32 moves;
        uint40 lastDispensed;
        Blocks blocks;
        bool opened;
    }

    /// @notice Where a node stands, with all that lies above it.
    /// @param holder The member that holds it.
    /// @param giver The member that gave it, or what carries it, to its holder; zero where that is not known.
    /// @param moves How often it, or what carried it at the time, was handed on or had its offers withdrawn; a signed offer
    /// names it. What becomes of goods that no longer carry it does not count.
    /// @param blocks What keeps it from going on.
    /// @param offered Whether it, or what carries it, is under an offer.
    /// @param expired Whether its packs are expired.
    struct Place {
        uint32 holder;
        uint32 giver;
        uint32 moves;
        Blocks blocks;
        bool offered;
        bool expired;
    }

    /// @notice An offer that the giver signs and the receiver brings.
    /// @param batch The batch.
    /// @param node What is offered.
    /// @param by The account that signs, of the member that holds it.
    /// @param to The member it is offered to.
    /// @param moves The node's count (`Place.moves`); the offer is worth nothing once that moved on.
    /// @param sheet The digest of the sheet, sealed to the receiver.
    /// @param deadline The last second the signature counts, at most 30 days ahead.
    struct Handoff {
        bytes32 batch;
        uint32 node;
        address by;
        uint32 to;
        uint32 moves;
        bytes32 sheet;
        uint40 deadline;
    }

    /// @notice A batch was commissioned. Its maker holds it.
    event Commissioned(
        bytes32 indexed batch,
        uint32 indexed maker,
        bytes32 indexed tag,
        uint32 keyNumber,
        bytes32 root,
        bytes32 product,
        bytes32 lot,
        bytes32 manifest,
        uint40 expiry,
        uint8 palletBits,
        uint8 caseBits
    );

    /// @notice A node was offered, until `ends`; `sheet` is the digest of what is sealed to the receiver.
    event Offered(
        bytes32 indexed batch,
        uint32 indexed from,
        uint32 indexed to,
        uint32 node,
        uint40 ends,
        bytes32 sheet
    );

    /// @notice The receiver did not want what it was offered.
    event Rejected(bytes32 indexed batch, uint32 indexed to, uint32 node);

    /// @notice The holder took its offers of this node back, the signed ones too.
    event Withdrawn(bytes32 indexed batch, uint32 indexed from, uint32 node);

    /// @notice A node changed hands, but for the nodes below it that were missing or have a holder of their own. `back` says
    /// that it went back to the maker or the giver; `rejoined` that it goes with the node above again.
    event HandedOver(
        bytes32 indexed batch,
        uint32 indexed from,
        uint32 indexed to,
        uint32 node,
        bool back,
        bool rejoined,
        bytes32 sheet,
        uint32[] missing
    );

    /// @notice A pack was dispensed. `actor` is the account that did it, or the contract through which it was done.
    event Dispensed(bytes32 indexed batch, uint32 indexed member, address indexed actor, uint32 index);

    /// @notice Many packs of a word of 256 were dispensed: the pack at 256 * word + i where bit i of the mask is set.
    event DispensedMany(bytes32 indexed batch, uint32 indexed member, uint32 word, uint256 mask);

    /// @notice A dispensed pack was taken back into stock.
    event Undone(bytes32 indexed batch, uint32 indexed member, address indexed actor, uint32 index);

    /// @notice Packs ended: those at 256 * word + i where bit i of the mask is set.
    event Ended(bytes32 indexed batch, uint32 indexed member, uint32 word, uint256 mask, End end);

    /// @notice A node and all below it were blocked, and it stays with its holder under its own name. The reason is one of
    /// the codes in docs/protocol/medicine.md.
    event Blocked(bytes32 indexed batch, uint32 indexed member, uint32 node, Blocks block_, uint16 reason);

    /// @notice A block was taken back.
    event Released(bytes32 indexed batch, uint32 indexed member, uint32 node, Blocks block_, uint16 reason);

    /// @notice A member anchored the root of the hashes of its EPCIS events (CBV 2.0, section 8.9).
    event EventsAnchored(uint32 indexed member, bytes32 root);

    /// @notice The account has no standing for this.
    error NoStanding(address account);

    /// @notice A field of a commission cannot be empty.
    error EmptyCommission();

    /// @notice The sizes must be 0 <= caseBits <= palletBits <= 20.
    error WrongSizes(uint8 palletBits, uint8 caseBits);

    /// @notice An expiry is a midnight, UTC, to come, before the year 2149.
    error WrongExpiry(uint40 expiry);

    /// @notice The tag was made with another key than the consortium's current one.
    error WrongKey(uint32 keyNumber, uint32 current);

    /// @notice The member commissioned this root before.
    error AlreadyCommissioned(bytes32 batch);

    /// @notice There is no such batch.
    error NoSuchBatch(bytes32 batch);

    /// @notice The number is no batch, pallet, case or pack of this batch, or not below the node it should be below.
    error NoSuchNode(bytes32 batch, uint32 node);

    /// @notice The index is beyond the tree.
    error NoSuchIndex(uint32 index);

    /// @notice The member does not hold this.
    error NotTheHolder(bytes32 batch, uint32 node, uint32 member, uint32 holder);

    /// @notice The account does not belong to the batch's maker.
    error NotTheMaker(bytes32 batch, address account, uint32 maker);

    /// @notice It is under an offer until then; withdraw the offer first.
    error UnderOffer(bytes32 batch, uint32 node);

    /// @notice There is no open offer of this to the member: none was made, it ended, or the goods moved since.
    error NotOffered(bytes32 batch, uint32 node, uint32 member);

    /// @notice Something was dispensed out of it; it moves pack by pack only.
    error IsOpened(bytes32 batch, uint32 node);

    /// @notice It is blocked: it can only go back towards its maker, or end.
    error IsBlocked(bytes32 batch, Blocks blocks);

    /// @notice It is expired: it can only go back towards its maker, or end.
    error IsExpired(bytes32 batch, uint40 expiry);

    /// @notice Nothing can be offered to this member.
    error WrongReceiver(uint32 to);

    /// @notice The giver is no member in standing now.
    error GiverNotInStanding(uint32 giver);

    /// @notice An offer ends after now and at most 30 days ahead.
    error WrongEnd(uint40 ends, uint256 latest);

    /// @notice The pack is not at this index of this batch.
    error WrongProof(bytes32 batch, uint32 index);

    /// @notice The pack's status does not allow this.
    error WrongStatus(bytes32 batch, uint32 index, PackStatus status);

    /// @notice The mask is empty, or reaches beyond the case, or to packs that ended or stand apart.
    error WrongMask(bytes32 batch, uint32 case_, uint256 mask, uint256 possible);

    /// @notice The pack was dispensed longer ago than it can be taken back.
    error TooLate(bytes32 batch, uint32 index, uint256 until);

    /// @notice The pack was dispensed through a contract, which alone can take it back.
    error IsClaimed(bytes32 batch, uint32 index, address operator);

    /// @notice The member allowed the sender nothing of the kind.
    error NotAnOperator(address sender, uint32 member);

    /// @notice This is not one block, or not one that can be set or cleared here.
    error WrongBlock(Blocks block_);

    /// @notice A root must not be zero.
    error NoRoot();

    /// @notice The signature's deadline has passed.
    error SignatureExpired(uint40 deadline);

    /// @notice The signature's deadline is further ahead than this message may reach.
    error DeadlineTooFar(uint40 deadline, uint256 latest);

    /// @notice A signed offer names another count than the node's path has.
    error WrongMoves(uint32 moves, uint32 current);

    /// @notice The signature is not that of the account it names.
    error WrongSignature(address signer);

    /// @notice A batch's facts.
    function batchOf(bytes32 batch) external view returns (Batch memory);

    /// @notice A node's own slot.
    function nodeOf(bytes32 batch, uint32 node) external view returns (Node memory);

    /// @notice Where a node stands, with all that lies above it.
    function placeOf(bytes32 batch, uint32 node) external view returns (Place memory);

    /// @notice What became of the pack at an index.
    function statusOf(bytes32 batch, uint32 index) external view returns (PackStatus);

    /// @notice The contract through which the pack at an index was dispensed, or zero.
    function claimedBy(bytes32 batch, uint32 index) external view returns (address operator);

    /// @notice The packs of a word of 256 that were dispensed or ended, and those that stand apart from their case.
    function wordOf(bytes32 batch, uint32 word) external view returns (uint256 ended, uint256 apart);

    /// @notice The batch's number: keccak256(abi.encode(maker, root)), so that nobody commissions first what is another's.
    function idOf(uint32 maker, bytes32 root) external pure returns (bytes32 batch);

    /// @notice Commissions a batch. Only a maker.
    function commission(Commission calldata terms) external returns (bytes32 batch);

    /// @notice Offers a node to a member. Only its holder. Until the offer ends, neither it nor a part of it moves otherwise.
    function offer(bytes32 batch, uint32 node, uint32 to, uint40 ends, bytes32 sheet) external;

    /// @notice Takes the holder's offers of a node back, the signed ones too.
    function withdraw(bytes32 batch, uint32 node) external;

    /// @notice Refuses an offer. Only the member it was made to.
    function reject(bytes32 batch, uint32 node) external;

    /// @notice Accepts an offer, but for what is missing, which stays with the giver. Only the member it was made to.
    function accept(bytes32 batch, uint32 node, uint32[] calldata missing) external;

    /// @notice Accepts an offer that the giver signed. Only the member it was made to.
    function acceptBySig(Handoff calldata terms, uint32[] calldata missing, bytes calldata signature) external;

    /// @notice Dispenses a pack. Only a pharmacist of its holder.
    /// @param pack The pack's commitment, keccak256 over salt, GTIN, lot, expiry and serial.
    /// @param siblings The nodes beside the pack's path, lowest first.
    function dispense(bytes32 batch, uint32 index, bytes32 pack, bytes32[20] calldata siblings) external;

    /// @notice Dispenses a pack for a pharmacist of its holder, who let the sender do so; only the sender can undo it.
    function dispenseFor(
        address pharmacist,
        bytes32 batch,
        uint32 index,
        bytes32 pack,
        bytes32[20] calldata siblings
    ) external;

    /// @notice Dispenses many packs of one word and one case, without proof. Only a pharmacist of the holder.
    function dispenseMany(bytes32 batch, uint32 case_, uint32 word, uint256 mask) external;

    /// @notice Takes a dispensed pack back into stock, within ten days of the last dispense out of its case.
    /// @dev Regulation (EU) 2016/161, article 13: by the same pharmacy, unless it is expired or blocked meanwhile.
    function undo(bytes32 batch, uint32 index) external;

    /// @notice Takes back what the sender dispensed for a member.
    function undoFor(address pharmacist, bytes32 batch, uint32 index) external;

    /// @notice Ends a pack. Only its holder. What is blocked or expired cannot be exported.
    function end(bytes32 batch, uint32 index, End kind) external;

    /// @notice Ends many packs of one word and one case. Only their holder.
    function endMany(bytes32 batch, uint32 case_, uint32 word, uint256 mask, End kind) external;

    /// @notice Blocks a node: the holder, the maker or a regulator, each for itself.
    /// @dev A holder's block and an excursion concern what goes with the node, and go along where a part is taken out; what
    /// has a holder of its own, as an opened case has, is blocked by its own name. The others concern all that lies below.
    /// What is blocked stays behind, so a holder, the maker too, blocks no part of what it offers: it would choose after
    /// the offer what the receiver gets.
    function quarantine(bytes32 batch, uint32 node, Blocks block_, uint16 reason) external;

    /// @notice Blocks a node for its holder, who let the sender do so, because it was too warm or too cold.
    function reportExcursion(uint32 member, bytes32 batch, uint32 node, uint16 reason) external;

    /// @notice Takes a block back: each authority its own, the maker an excursion.
    function release(bytes32 batch, uint32 node, Blocks block_, uint16 reason) external;

    /// @notice Recalls a node and all below it, whoever holds it. The maker or a regulator.
    function recall(bytes32 batch, uint32 node, uint16 reason) external;

    /// @notice Lifts a recall. Only a regulator.
    function liftRecall(bytes32 batch, uint32 node, uint16 reason) external;

    /// @notice Anchors the root of the hashes of EPCIS events. Any account of a member that handles goods.
    function anchorEvents(bytes32 root) external;
}
