// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IConsortium} from "../interfaces/IConsortium.sol";
import {IBatches} from "../interfaces/medicine/IBatches.sol";
import {PackStatuses} from "../libraries/PackStatuses.sol";
import {Positions} from "../libraries/Positions.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {
    BY_HOLDER,
    BY_MAKER,
    BY_REGULATOR,
    Blocks,
    EVERY_BLOCK,
    EXCURSION,
    NO_BLOCK,
    OF_HOLDER,
    RECALL
} from "../types/Blocks.sol";
import {NodeSlot, packBatch} from "../types/NodeSlot.sol";
import {DISPENSE_FOR, REPORT_EXCURSION_FOR} from "../types/Operations.sol";
import {DISTRIBUTOR, MAKER, PHARMACIST, REGULATOR, Roles} from "../types/Roles.sol";

/// @title Batches
/// @notice Where each pack of medicine is: who holds it, whether it was dispensed, and what keeps it from going on.
contract Batches is IBatches, EIP712 {
    using PackStatuses for PackStatus;

    bytes32 private constant HANDOFF_TYPEHASH = keccak256(
        "Handoff(bytes32 batch,uint32 node,address by,uint32 to,uint32 moves,bytes32 sheet,uint40 deadline)"
    );

    /// @dev Who has to do with goods.
    Roles private constant HANDLERS = Roles.wrap(
        Roles.unwrap(MAKER) | Roles.unwrap(DISTRIBUTOR) | Roles.unwrap(PHARMACIST)
    );

    /// @dev Goods cross an ocean; an offer that nobody took by then was forgotten.
    uint256 private constant OFFER_WINDOW = 30 days;

    /// @dev Regulation (EU) 2016/161, article 13(1)(b).
    uint256 private constant UNDO_DAYS = 10;

    /// @dev A day fits 16 bits until then.
    uint256 private constant LAST_EXPIRY = uint256(type(uint16).max) * 1 days;

    /// @dev What lies on a node's path, read from the batch down to it.
    /// @param top The batch's own slot, with its maker, its expiry and its sizes.
    /// @param own The node's own slot.
    /// @param height How many levels lie below the node.
    /// @param above The holder of the node above, zero above a batch.
    /// @param holder The holder: of the deepest node on the path that has one.
    /// @param giver Who gave what carries the node to its holder.
    /// @param moves How often the node, or what carried it at the time, was handed on or its offers withdrawn.
    /// @param movesAbove The same of the node above.
    /// @param carried Blocks of the holder that lie above the node.
    /// @param blocks Every block that concerns the node.
    /// @param offeredAbove Whether something that carries the node is under an offer.
    /// @param alone Whether the node has a slot of its own; a pack has one where it was taken out of its case.
    struct Path {
        NodeSlot top;
        NodeSlot own;
        uint256 height;
        uint32 above;
        uint32 holder;
        uint32 giver;
        uint32 moves;
        uint32 movesAbove;
        Blocks carried;
        Blocks blocks;
        bool offeredAbove;
        bool alone;
    }

    /// @dev What is known of 256 packs, a bit each.
    /// @param ended Dispensed or ended.
    /// @param apart It has a slot of its own, since it moved, was missing or was blocked by itself; or it ended for good,
    /// so that `ended` alone means dispensed. Where a case is a single pack every pack has a slot of its own anyway.
    struct Word {
        uint256 ended;
        uint256 apart;
    }

    IConsortium private immutable _consortium;

    mapping(bytes32 batch => mapping(uint32 node => NodeSlot)) private _nodeOf;

    mapping(bytes32 batch => mapping(uint256 number => Word)) private _wordOf;

    /// @inheritdoc IBatches
    mapping(bytes32 batch => mapping(uint32 index => address operator)) public claimedBy;

    constructor(IConsortium consortium) EIP712("Theriac Batches", "1") {
        _consortium = consortium;
    }

    /// @inheritdoc IBatches
    function batchOf(bytes32 batch) external view returns (Batch memory) {
        NodeSlot slot = _nodeOf[batch][Positions.BATCH];
        return Batch(slot.giver(), slot.expiry(), slot.palletBits(), slot.caseBits());
    }

    /// @inheritdoc IBatches
    function nodeOf(bytes32 batch, uint32 node) external view returns (Node memory) {
        return _nodeOf[batch][node].unpack();
    }

    /// @inheritdoc IBatches
    function placeOf(bytes32 batch, uint32 node) external view returns (Place memory) {
        Path memory path = _path(batch, node);
        bool offered = path.offeredAbove || path.own.hasOfferAt(block.timestamp, path.moves);
        bool expired = block.timestamp >= path.top.expiry();
        return Place(path.holder, path.giver, path.moves, path.blocks, offered, expired);
    }

    /// @inheritdoc IBatches
    function statusOf(bytes32 batch, uint32 index) external view returns (PackStatus) {
        Path memory path = _path(batch, _packAt(index));
        return _statusOf(batch, index, path);
    }

    /// @inheritdoc IBatches
    function wordOf(bytes32 batch, uint32 word) external view returns (uint256 ended, uint256 apart) {
        Word storage packs = _wordOf[batch][word];
        return (packs.ended, packs.apart);
    }

    /// @inheritdoc IBatches
    function idOf(uint32 maker, bytes32 root) public pure returns (bytes32 batch) {
        assembly ("memory-safe") {
            // Solidity clears what lies above a short value only where it goes into memory itself.
            mstore(0x00, and(maker, 0xffffffff))
            mstore(0x20, root)
            batch := keccak256(0x00, 0x40)
        }
    }

    /// @inheritdoc IBatches
    function commission(Commission calldata terms) external returns (bytes32 batch) {
        uint32 maker = _memberOf(msg.sender, MAKER);
        _checkCommission(terms);
        batch = idOf(maker, terms.root);
        if (!_nodeOf[batch][Positions.BATCH].isEmpty()) revert AlreadyCommissioned(batch);

        _nodeOf[batch][Positions.BATCH] = packBatch(maker, terms.expiry, terms.palletBits, terms.caseBits);

        emit Commissioned(
            batch,
            maker,
            terms.tag,
            terms.keyNumber,
            terms.root,
            terms.product,
            terms.lot,
            terms.manifest,
            terms.expiry,
            terms.palletBits,
            terms.caseBits
        );
    }

    /// @inheritdoc IBatches
    function offer(bytes32 batch, uint32 node, uint32 to, uint40 ends, bytes32 sheet) external {
        uint32 from = _memberOf(msg.sender, HANDLERS);
        if (to == 0 || to == from) revert WrongReceiver(to);
        uint256 latest = block.timestamp + OFFER_WINDOW;
        if (ends <= block.timestamp || ends > latest) revert WrongEnd(ends, latest);
        Path memory path = _pathHeldBy(batch, node, from);
        if (path.own.hasOfferAt(block.timestamp, path.moves)) revert UnderOffer(batch, node);
        _checkMayGo(batch, node, path, to);

        _setApart(batch, node, path);
        _nodeOf[batch][node] = path.own.withOffer(to, ends, path.moves);

        emit Offered(batch, from, to, node, ends, sheet);
    }

    /// @inheritdoc IBatches
    function withdraw(bytes32 batch, uint32 node) external {
        uint32 from = _memberOf(msg.sender, HANDLERS);
        Path memory path = _pathHeldBy(batch, node, from);
        _checkInStock(batch, node, path);

        _setApart(batch, node, path);
        _nodeOf[batch][node] = path.own.withoutOffer();

        emit Withdrawn(batch, from, node);
    }

    /// @inheritdoc IBatches
    function reject(bytes32 batch, uint32 node) external {
        uint32 to = _memberOf(msg.sender, HANDLERS);
        Path memory path = _path(batch, node);
        _checkOffered(batch, node, path, to);

        _nodeOf[batch][node] = path.own.withoutOffer();

        emit Rejected(batch, to, node);
    }

    /// @inheritdoc IBatches
    function accept(bytes32 batch, uint32 node, uint32[] calldata missing) external {
        uint32 to = _memberOf(msg.sender, HANDLERS);
        Path memory path = _path(batch, node);
        _checkOffered(batch, node, path, to);
        if (!_consortium.inStanding(path.holder)) revert GiverNotInStanding(path.holder);

        _handOver(batch, node, path, to, bytes32(0), missing);
    }

    /// @inheritdoc IBatches
    function acceptBySig(Handoff calldata terms, uint32[] calldata missing, bytes calldata signature) external {
        uint32 to = _memberOf(msg.sender, HANDLERS);
        if (terms.to != to) revert NotOffered(terms.batch, terms.node, to);
        _checkSignature(terms, signature);
        uint32 from = _memberOf(terms.by, HANDLERS);
        if (to == from) revert WrongReceiver(to);
        Path memory path = _pathHeldBy(terms.batch, terms.node, from);
        if (terms.moves != path.moves) revert WrongMoves(terms.moves, path.moves);
        bool offeredToAnother = path.own.offeredTo() != to && path.own.hasOfferAt(block.timestamp, path.moves);
        if (offeredToAnother) revert UnderOffer(terms.batch, terms.node);

        _handOver(terms.batch, terms.node, path, to, terms.sheet, missing);
    }

    /// @inheritdoc IBatches
    function dispense(bytes32 batch, uint32 index, bytes32 pack, bytes32[20] calldata siblings) external {
        uint32 member = _memberOf(msg.sender, PHARMACIST);

        _dispense(batch, index, pack, siblings, member);
    }

    /// @inheritdoc IBatches
    function dispenseFor(
        address pharmacist,
        bytes32 batch,
        uint32 index,
        bytes32 pack,
        bytes32[20] calldata siblings
    ) external {
        uint32 member = _memberOf(pharmacist, PHARMACIST);
        _checkOperator(member, DISPENSE_FOR);

        claimedBy[batch][index] = msg.sender;
        _dispense(batch, index, pack, siblings, member);
    }

    /// @inheritdoc IBatches
    function dispenseMany(bytes32 batch, uint32 case_, uint32 word, uint256 mask) external {
        uint32 member = _memberOf(msg.sender, PHARMACIST);
        Path memory path = _pathOfCase(batch, case_, member);
        Word storage packs = _checkMask(batch, case_, word, mask, path);
        _checkMayBeUsed(batch, path);

        packs.ended |= mask;
        _open(batch, case_, path);

        emit DispensedMany(batch, member, word, mask);
    }

    /// @inheritdoc IBatches
    function undo(bytes32 batch, uint32 index) external {
        uint32 member = _memberOf(msg.sender, PHARMACIST);
        address operator = claimedBy[batch][index];
        if (operator != address(0)) revert IsClaimed(batch, index, operator);

        _undo(batch, index, member);
    }

    /// @inheritdoc IBatches
    function undoFor(address pharmacist, bytes32 batch, uint32 index) external {
        uint32 member = _memberOf(pharmacist, PHARMACIST);
        _checkOperator(member, DISPENSE_FOR);
        address operator = claimedBy[batch][index];
        if (operator != msg.sender) revert IsClaimed(batch, index, operator);

        claimedBy[batch][index] = address(0);
        _undo(batch, index, member);
    }

    /// @inheritdoc IBatches
    function end(bytes32 batch, uint32 index, End kind) external {
        uint32 member = _memberOf(msg.sender, HANDLERS);
        uint32 node = _packAt(index);
        Path memory path = _pathHeldBy(batch, node, member);
        _checkUnoffered(batch, node, path);
        if (kind == End.Exported) _checkMayBeUsed(batch, path);

        _move(batch, index, path, PackStatus.Ended);
        _setApart(batch, node, path);

        emit Ended(batch, member, index >> 8, 1 << (index & 0xff), kind);
    }

    /// @inheritdoc IBatches
    function endMany(bytes32 batch, uint32 case_, uint32 word, uint256 mask, End kind) external {
        uint32 member = _memberOf(msg.sender, HANDLERS);
        Path memory path = _pathOfCase(batch, case_, member);
        Word storage packs = _checkMask(batch, case_, word, mask, path);
        if (kind == End.Exported) _checkMayBeUsed(batch, path);

        packs.ended |= mask;
        packs.apart |= mask;
        _nodeOf[batch][case_] = path.own.scattered();

        emit Ended(batch, member, word, mask, kind);
    }

    /// @inheritdoc IBatches
    function quarantine(bytes32 batch, uint32 node, Blocks block_, uint16 reason) external {
        if (!block_.isOneOf(BY_HOLDER | BY_MAKER | BY_REGULATOR)) revert WrongBlock(block_);
        Path memory path = _path(batch, node);
        uint32 member = _authorityFor(batch, node, path, block_);
        if (path.offeredAbove && member == path.holder) revert UnderOffer(batch, node);

        _block(batch, node, path, block_, member, reason);
    }

    /// @inheritdoc IBatches
    function reportExcursion(uint32 member, bytes32 batch, uint32 node, uint16 reason) external {
        _checkOperator(member, REPORT_EXCURSION_FOR);
        Path memory path = _pathHeldBy(batch, node, member);

        _block(batch, node, path, EXCURSION, member, reason);
    }

    /// @inheritdoc IBatches
    function release(bytes32 batch, uint32 node, Blocks block_, uint16 reason) external {
        if (!block_.isOneOf(EVERY_BLOCK.without(RECALL))) revert WrongBlock(block_);
        Path memory path = _path(batch, node);
        uint32 member = _authorityFor(batch, node, path, block_);

        _release(batch, node, path, block_, member, reason);
    }

    /// @inheritdoc IBatches
    function recall(bytes32 batch, uint32 node, uint16 reason) external {
        Path memory path = _path(batch, node);
        uint32 member = _consortium.standing(msg.sender, MAKER);
        if (member != path.top.giver()) member = _memberOf(msg.sender, REGULATOR);

        _block(batch, node, path, RECALL, member, reason);
    }

    /// @inheritdoc IBatches
    function liftRecall(bytes32 batch, uint32 node, uint16 reason) external {
        uint32 member = _memberOf(msg.sender, REGULATOR);
        Path memory path = _path(batch, node);

        _release(batch, node, path, RECALL, member, reason);
    }

    /// @inheritdoc IBatches
    function anchorEvents(bytes32 root) external {
        uint32 member = _memberOf(msg.sender, HANDLERS);
        if (root == bytes32(0)) revert NoRoot();

        emit EventsAnchored(member, root);
    }

    /// @dev What is missing stays with the giver under its own name, before the rest goes.
    function _handOver(
        bytes32 batch,
        uint32 node,
        Path memory path,
        uint32 to,
        bytes32 sheet,
        uint32[] calldata missing
    ) private {
        bool back = _checkMayGo(batch, node, path, to);
        uint32 from = path.holder;
        for (uint256 i = 0; i < missing.length; ++i) {
            _leave(batch, node, missing[i], from);
        }
        // A pack that was missing has marked the case that is handed over.
        if (missing.length != 0) path.own = _nodeOf[batch][node];

        _setApart(batch, node, path);
        bool rejoins = back && to == path.above && (path.own.blocks() | path.carried).isNone();
        _nodeOf[batch][node] = _moved(path, rejoins ? 0 : to, back ? 0 : from);

        emit HandedOver(batch, from, to, node, back, rejoins, sheet, missing);
    }

    function _leave(bytes32 batch, uint32 from, uint32 node, uint32 giver) private {
        if (!_isBelow(node, from)) revert NoSuchNode(batch, node);
        Path memory path = _pathHeldBy(batch, node, giver);
        _checkInStock(batch, node, path);

        _setApart(batch, node, path);
        _nodeOf[batch][node] = _moved(path, giver, path.giver);
    }

    /// @dev Whatever blocked it for its holder where it lay goes along; the maker of a whole batch stays its giver. A node
    /// without a holder of its own counts from the node above, so that its whole count goes up by one in any case.
    function _moved(Path memory path, uint32 holder, uint32 giver) private pure returns (NodeSlot) {
        NodeSlot own = path.own.withBlocks(path.own.blocks() | path.carried);
        uint32 from = path.height == Positions.DEPTH ? path.top.giver() : giver;
        unchecked {
            // Modulo 2^32, and no node is handed on as often.
            return own.withHolder(holder, from, path.moves + 1 - (holder == 0 ? path.movesAbove : 0));
        }
    }

    function _dispense(
        bytes32 batch,
        uint32 index,
        bytes32 pack,
        bytes32[20] calldata siblings,
        uint32 member
    ) private {
        uint32 node = _packAt(index);
        Path memory path = _pathHeldBy(batch, node, member);
        if (idOf(path.top.giver(), Positions.rootOf(index, pack, siblings)) != batch) revert WrongProof(batch, index);
        _checkUnoffered(batch, node, path);
        _checkMayBeUsed(batch, path);

        _move(batch, index, path, PackStatus.Dispensed);
        _openFor(batch, node, path);

        emit Dispensed(batch, member, msg.sender, index);
    }

    function _undo(bytes32 batch, uint32 index, uint32 member) private {
        uint32 node = _packAt(index);
        Path memory path = _pathHeldBy(batch, node, member);
        _checkMayBeUsed(batch, path);
        _move(batch, index, path, PackStatus.InStock);
        uint256 day = path.alone ? path.own.day() : _nodeOf[batch][_caseOf(node, path)].day();
        uint256 until = (day + UNDO_DAYS + 1) * 1 days;
        if (block.timestamp >= until) revert TooLate(batch, index, until);

        if (path.alone) _nodeOf[batch][node] = path.own.closed();

        emit Undone(batch, member, msg.sender, index);
    }

    /// @dev Opens what a pack was dispensed out of: its case, or the pack itself where it stands apart.
    function _openFor(bytes32 batch, uint32 node, Path memory path) private {
        if (path.alone) {
            _open(batch, node, path);
        } else {
            uint32 case_ = _caseOf(node, path);
            path.own = _nodeOf[batch][case_];
            _open(batch, case_, path);
        }
    }

    function _open(bytes32 batch, uint32 node, Path memory path) private {
        uint256 today = block.timestamp / 1 days;
        if (path.own.isOpened() && path.own.day() == today) return;

        _nodeOf[batch][node] = path.own.staying(path.holder, path.giver, path.moves).opened(today);
    }

    /// @dev A single pack's slot is read only where its bit says that there is one, and the bit only where its case says
    /// that it has such packs.
    function _setApart(bytes32 batch, uint32 node, Path memory path) private {
        if (path.alone) return;

        uint256 index = _indexOf(node);
        uint32 case_ = _caseOf(node, path);
        _wordOf[batch][index >> 8].apart |= 1 << (index & 0xff);
        _nodeOf[batch][case_] = _nodeOf[batch][case_].scattered();
    }

    /// @dev What is blocked stays with its holder under its own name, so that nothing carries it on.
    function _block(bytes32 batch, uint32 node, Path memory path, Blocks block_, uint32 member, uint16 reason) private {
        _checkInStock(batch, node, path);

        _setApart(batch, node, path);
        NodeSlot own = path.own.withBlocks(path.own.blocks() | path.carried | block_);
        _nodeOf[batch][node] = own.staying(path.holder, path.giver, path.moves);

        emit Blocked(batch, member, node, block_, reason);
    }

    function _release(
        bytes32 batch,
        uint32 node,
        Path memory path,
        Blocks block_,
        uint32 member,
        uint16 reason
    ) private {
        Blocks blocks = path.own.blocks();
        if ((blocks & block_).isNone()) revert WrongBlock(block_);

        _nodeOf[batch][node] = path.own.withBlocks(blocks.without(block_));

        emit Released(batch, member, node, block_, reason);
    }

    function _checkCommission(Commission calldata terms) private view {
        bool hasAll = terms.root != 0 && terms.product != 0 && terms.lot != 0 && terms.tag != 0 && terms.manifest != 0;
        if (!hasAll) revert EmptyCommission();
        if (terms.caseBits > terms.palletBits || terms.palletBits > Positions.DEPTH) {
            revert WrongSizes(terms.palletBits, terms.caseBits);
        }
        if (terms.expiry <= block.timestamp || terms.expiry % 1 days != 0 || terms.expiry > LAST_EXPIRY) {
            revert WrongExpiry(terms.expiry);
        }
        uint32 current = _consortium.keyNumber();
        if (terms.keyNumber != current) revert WrongKey(terms.keyNumber, current);
    }

    /// @dev Whether the goods go back: to the maker, or to who gave them. Blocked and expired goods go nowhere else.
    function _checkMayGo(bytes32 batch, uint32 node, Path memory path, uint32 to) private view returns (bool back) {
        if (path.offeredAbove) revert UnderOffer(batch, node);
        _checkInStock(batch, node, path);
        if (path.height != 0 && path.own.isOpened()) revert IsOpened(batch, node);
        back = to == path.top.giver() || (to == path.giver && to != 0);
        if (!back) _checkMayBeUsed(batch, path);
    }

    function _checkMayBeUsed(bytes32 batch, Path memory path) private view {
        if (!path.blocks.isNone()) revert IsBlocked(batch, path.blocks);
        uint40 expiry = path.top.expiry();
        if (block.timestamp >= expiry) revert IsExpired(batch, expiry);
    }

    /// @dev Only a single pack has a status; a case with some of its packs gone is still a case.
    function _checkInStock(bytes32 batch, uint32 node, Path memory path) private view {
        if (path.height != 0) return;

        uint32 index = _indexOf(node);
        PackStatus status = _statusOf(batch, index, path);
        if (status != PackStatus.InStock) revert WrongStatus(batch, index, status);
    }

    function _checkUnoffered(bytes32 batch, uint32 node, Path memory path) private view {
        bool offered = path.offeredAbove || path.own.hasOfferAt(block.timestamp, path.moves);
        if (offered) revert UnderOffer(batch, node);
    }

    function _checkOffered(bytes32 batch, uint32 node, Path memory path, uint32 to) private view {
        bool offered = path.own.offeredTo() == to && path.own.hasOfferAt(block.timestamp, path.moves);
        if (!offered) revert NotOffered(batch, node, to);
    }

    function _checkOperator(uint32 member, uint8 operation) private view {
        bool may = _consortium.operatorOf(member, msg.sender) & operation != 0 && _consortium.inStanding(member);
        if (!may) revert NotAnOperator(msg.sender, member);
    }

    function _checkSignature(Handoff calldata terms, bytes calldata signature) private view {
        if (block.timestamp > terms.deadline) revert SignatureExpired(terms.deadline);
        uint256 latest = block.timestamp + OFFER_WINDOW;
        if (terms.deadline > latest) revert DeadlineTooFar(terms.deadline, latest);
        bytes32 hash = _hashTypedDataV4(keccak256(abi.encode(HANDOFF_TYPEHASH, terms)));
        if (!Signatures.isSignedBy(hash, signature, terms.by)) revert WrongSignature(terms.by);
    }

    /// @dev Each authority sets and clears its own block. An excursion is the maker's to clear.
    function _authorityFor(
        bytes32 batch,
        uint32 node,
        Path memory path,
        Blocks block_
    ) private view returns (uint32 member) {
        if (block_ == BY_REGULATOR) return _memberOf(msg.sender, REGULATOR);
        if (block_ == BY_HOLDER) {
            member = _memberOf(msg.sender, HANDLERS);
            if (member != path.holder) revert NotTheHolder(batch, node, member, path.holder);
            return member;
        }

        member = _consortium.standing(msg.sender, MAKER);
        uint32 maker = path.top.giver();
        if (member != maker) revert NotTheMaker(batch, msg.sender, maker);
    }

    function _memberOf(address account, Roles roles) private view returns (uint32 member) {
        member = _consortium.standing(account, roles);
        if (member == 0) revert NoStanding(account);
    }

    function _pathHeldBy(bytes32 batch, uint32 node, uint32 member) private view returns (Path memory path) {
        path = _path(batch, node);
        if (path.holder != member) revert NotTheHolder(batch, node, member, path.holder);
    }

    function _pathOfCase(bytes32 batch, uint32 case_, uint32 member) private view returns (Path memory path) {
        path = _pathHeldBy(batch, case_, member);
        if (path.height != path.top.caseBits()) revert NoSuchNode(batch, case_);
        _checkUnoffered(batch, case_, path);
    }

    /// @dev A mask is of packs that all lie in the case, none ended and none apart.
    function _checkMask(
        bytes32 batch,
        uint32 case_,
        uint256 word,
        uint256 mask,
        Path memory path
    ) private view returns (Word storage packs) {
        packs = _wordOf[batch][word];
        uint256 possible = Positions.packsOf(case_, path.height, word) & ~packs.ended;
        if (path.own.isScattered()) possible &= ~packs.apart;
        if (mask == 0 || mask & ~possible != 0) revert WrongMask(batch, case_, mask, possible);
    }

    /// @dev Reads what lies on the way from the batch down to a node: one to four slots, whatever the batch's size.
    function _path(bytes32 batch, uint32 node) private view returns (Path memory path) {
        mapping(uint32 node => NodeSlot) storage nodes = _nodeOf[batch];
        NodeSlot top = nodes[Positions.BATCH];
        if (top.isEmpty()) revert NoSuchBatch(batch);
        uint256 palletBits = top.palletBits();
        uint256 caseBits = top.caseBits();
        uint256 height = Positions.heightOf(node, palletBits, caseBits);
        if (height == Positions.NOWHERE) revert NoSuchNode(batch, node);

        path.top = top;
        path.own = top;
        path.height = height;
        path.holder = top.holder();
        path.giver = top.giver();
        path.moves = top.moves();
        path.blocks = top.blocks();
        path.alone = true;
        if (palletBits < Positions.DEPTH && palletBits >= height) {
            _step(path, nodes[node >> (palletBits - height)]);
        }
        if (caseBits < palletBits && caseBits >= height) {
            _step(path, nodes[node >> (caseBits - height)]);
        }
        if (height == 0 && caseBits != 0) {
            path.alone = path.own.isScattered() && _isApart(batch, node);
            _step(path, path.alone ? nodes[node] : NodeSlot.wrap(0));
        }
    }

    /// @dev Goes down one level. A node with a holder of its own goes its own way: no offer of what carried it concerns it,
    /// nor what anyone said of that as its holder.
    function _step(Path memory path, NodeSlot slot) private view {
        NodeSlot upper = path.own;
        path.own = slot;
        path.above = path.holder;
        path.movesAbove = path.moves;
        if (slot.holder() != 0) {
            path.holder = slot.holder();
            path.giver = slot.giver();
            path.moves = slot.moves();
            path.offeredAbove = false;
            path.carried = NO_BLOCK;
            path.blocks = path.blocks.without(OF_HOLDER) | slot.blocks();
            return;
        }
        if (upper.saysOfBelow()) {
            path.carried = path.carried | (upper.blocks() & OF_HOLDER);
            if (upper.hasOfferAt(block.timestamp, path.moves)) path.offeredAbove = true;
        }
        if (slot.isEmpty()) return;

        unchecked {
            // Modulo 2^32: the slot has the difference.
            path.moves += slot.moves();
        }
        path.blocks = path.blocks | slot.blocks();
    }

    /// @dev The one place where a pack's bit changes.
    function _move(bytes32 batch, uint32 index, Path memory path, PackStatus to) private {
        Word storage packs = _wordOf[batch][index >> 8];
        uint256 ended = packs.ended;
        uint256 bit = 1 << (index & 0xff);
        _statusIn(ended & bit, path).move(batch, index, to);

        packs.ended = ended ^ bit;
    }

    function _statusOf(bytes32 batch, uint32 index, Path memory path) private view returns (PackStatus) {
        return _statusIn(_wordOf[batch][index >> 8].ended & (1 << (index & 0xff)), path);
    }

    /// @dev Dispensed and ended packs have the same bit; an ended one stands apart and was not opened.
    function _statusIn(uint256 ended, Path memory path) private pure returns (PackStatus) {
        if (ended == 0) return PackStatus.InStock;

        return path.alone && !path.own.isOpened() ? PackStatus.Ended : PackStatus.Dispensed;
    }

    function _isApart(bytes32 batch, uint32 node) private view returns (bool) {
        uint256 index = _indexOf(node);
        return (_wordOf[batch][index >> 8].apart >> (index & 0xff)) & 1 == 1;
    }

    function _packAt(uint32 index) private pure returns (uint32) {
        if (index >= 1 << Positions.DEPTH) revert NoSuchIndex(index);

        return Positions.packAt(index);
    }

    function _indexOf(uint32 node) private pure returns (uint32) {
        return node & uint32((1 << Positions.DEPTH) - 1);
    }

    function _caseOf(uint32 node, Path memory path) private pure returns (uint32) {
        return node >> path.top.caseBits();
    }

    function _isBelow(uint32 node, uint32 other) private pure returns (bool) {
        uint32 ancestor = node;
        while (ancestor > other) ancestor >>= 1;
        return ancestor == other && node != other;
    }
}
