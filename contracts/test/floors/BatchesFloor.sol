// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsortium} from "../../interfaces/IConsortium.sol";
import {IBatches} from "../../interfaces/medicine/IBatches.sol";
import {Positions} from "../../libraries/Positions.sol";
import {RECALL} from "../../types/Blocks.sol";
import {NodeSlot, packBatch} from "../../types/NodeSlot.sol";
import {DISPENSE_FOR} from "../../types/Operations.sol";
import {DISTRIBUTOR, MAKER, PHARMACIST, Roles} from "../../types/Roles.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Batches
/// @notice Of batches whose cases and pallets go whole: no pack apart, nothing missing. Used by tests and the bench only.
contract BatchesFloor is Floor {
    bytes32 private constant HANDOFF_TYPEHASH = keccak256(
        "Handoff(bytes32 batch,uint32 node,address by,uint32 to,uint32 moves,bytes32 sheet,uint40 deadline)"
    );

    Roles private constant HANDLERS = Roles.wrap(
        Roles.unwrap(MAKER) | Roles.unwrap(DISTRIBUTOR) | Roles.unwrap(PHARMACIST)
    );

    struct Word {
        uint256 ended;
        uint256 apart;
    }

    /// @dev What an act needs to know of a node: its slot, what holds it, and how often what carries it moved.
    struct Found {
        NodeSlot top;
        NodeSlot own;
        uint32 holder;
        uint32 giver;
        uint32 moves;
    }

    address private immutable _consortium;

    uint256[2] private _names;
    mapping(bytes32 batch => mapping(uint256 node => NodeSlot)) private _nodeOf;
    mapping(bytes32 batch => mapping(uint256 number => Word)) private _wordOf;
    mapping(bytes32 batch => mapping(uint32 index => address operator)) private _claimedBy;

    constructor(address place, address consortium) Floor("Theriac Batches", place) {
        _consortium = consortium;
    }

    function commission(IBatches.Commission calldata terms) external returns (bytes32 batch) {
        uint32 maker = _memberOf(_consortium, msg.sender, MAKER);
        batch = _idOf(maker, terms.root);

        _nodeOf[batch][Positions.BATCH] = packBatch(maker, terms.expiry, terms.palletBits, terms.caseBits);

        emit IBatches.Commissioned(
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

    function offer(bytes32 batch, uint32 node, uint32 to, uint40 ends, bytes32 sheet) external {
        uint32 from = _memberOf(_consortium, msg.sender, HANDLERS);
        mapping(uint256 => NodeSlot) storage nodes = _nodeOf[batch];
        Found memory found = _find(nodes, node, from);

        nodes[node] = found.own.withOffer(to, ends, found.moves);

        emit IBatches.Offered(batch, from, to, node, ends, sheet);
    }

    function accept(bytes32 batch, uint32 node, uint32[] calldata missing) external {
        uint32 to = _memberOf(_consortium, msg.sender, HANDLERS);

        _handOver(batch, node, 0, to, bytes32(0), missing);
    }

    function acceptBySig(
        IBatches.Handoff calldata terms,
        uint32[] calldata missing,
        bytes calldata signature
    ) external {
        uint32 to = _memberOf(_consortium, msg.sender, HANDLERS);
        if (_signerOf(_hash(HANDOFF_TYPEHASH, 0x04, 7), signature) != terms.by) revert NotTheirs();
        uint32 from = _memberOf(_consortium, terms.by, HANDLERS);

        _handOver(terms.batch, terms.node, from, to, terms.sheet, missing);
    }

    function dispense(bytes32 batch, uint32 index, bytes32 pack, bytes32[20] calldata siblings) external {
        _dispense(batch, index, pack, siblings, _memberOf(_consortium, msg.sender, PHARMACIST));
    }

    function dispenseFor(
        address pharmacist,
        bytes32 batch,
        uint32 index,
        bytes32 pack,
        bytes32[20] calldata siblings
    ) external {
        uint32 member = _memberOf(_consortium, pharmacist, PHARMACIST);
        if (IConsortium(_consortium).operatorOf(member, msg.sender) & DISPENSE_FOR == 0) revert NotTheirs();

        _claimedBy[batch][index] = msg.sender;
        _dispense(batch, index, pack, siblings, member);
    }

    function dispenseMany(bytes32 batch, uint32 case_, uint32 word, uint256 mask) external {
        uint32 member = _memberOf(_consortium, msg.sender, PHARMACIST);
        mapping(uint256 => NodeSlot) storage nodes = _nodeOf[batch];
        Found memory found = _find(nodes, case_, member);

        _wordOf[batch][word].ended |= mask;
        _open(nodes, case_, found);

        emit IBatches.DispensedMany(batch, member, word, mask);
    }

    function recall(bytes32 batch, uint32 node, uint16 reason) external {
        uint32 member = _memberOf(_consortium, msg.sender, MAKER);
        mapping(uint256 => NodeSlot) storage nodes = _nodeOf[batch];
        Found memory found = _find(nodes, node, 0);
        if (member != found.top.giver()) revert NotTheirs();

        NodeSlot own = found.own.withBlocks(found.own.blocks() | RECALL);
        nodes[node] = own.staying(found.holder, found.giver, found.moves);

        emit IBatches.Blocked(batch, member, node, RECALL, reason);
    }

    /// @dev By a signed offer of the member that holds it, or by an open one.
    function _handOver(
        bytes32 batch,
        uint32 node,
        uint32 from,
        uint32 to,
        bytes32 sheet,
        uint32[] calldata missing
    ) private {
        mapping(uint256 => NodeSlot) storage nodes = _nodeOf[batch];
        Found memory found = _find(nodes, node, from);
        if (from == 0 && found.own.offeredTo() != to) revert NotTheirs();

        nodes[node] = _moved(found, to);

        emit IBatches.HandedOver(batch, found.holder, to, node, false, false, sheet, missing);
    }

    function _dispense(
        bytes32 batch,
        uint32 index,
        bytes32 pack,
        bytes32[20] calldata siblings,
        uint32 member
    ) private {
        mapping(uint256 => NodeSlot) storage nodes = _nodeOf[batch];
        NodeSlot top = nodes[Positions.BATCH];
        if (_idOf(top.giver(), Positions.rootOf(index, pack, siblings)) != batch) revert NotTheirs();
        uint256 node = (1 << (Positions.DEPTH - top.caseBits())) | (index >> top.caseBits());
        Found memory found = _find(nodes, node, member);

        _wordOf[batch][index >> 8].ended |= 1 << (index & 0xff);
        _open(nodes, node, found);

        emit IBatches.Dispensed(batch, member, msg.sender, index);
    }

    function _open(mapping(uint256 => NodeSlot) storage nodes, uint256 node, Found memory found) private {
        uint256 today = block.timestamp / 1 days;
        if (found.own.isOpened() && found.own.day() == today) return;

        nodes[node] = found.own.staying(found.holder, found.giver, found.moves).opened(today);
    }

    /// @dev A batch, a pallet or a case, and on the way to it whoever holds it; a member, where one is named, has to.
    function _find(
        mapping(uint256 => NodeSlot) storage nodes,
        uint256 node,
        uint32 member
    ) private view returns (Found memory found) {
        NodeSlot top = nodes[Positions.BATCH];
        (found.top, found.own) = (top, top);
        (found.holder, found.giver, found.moves) = (top.holder(), top.giver(), top.moves());
        unchecked {
            uint256 palletBits = top.palletBits();
            uint256 caseBits = top.caseBits();
            bool isCase = node >> (Positions.DEPTH - caseBits) == 1;
            if (palletBits < Positions.DEPTH && node != Positions.BATCH) {
                _step(found, nodes[isCase ? node >> (palletBits - caseBits) : node]);
            }
            if (isCase && caseBits < palletBits) _step(found, nodes[node]);
        }
        if (member != 0 && found.holder != member) revert NotTheirs();
    }

    function _step(Found memory found, NodeSlot slot) private pure {
        found.own = slot;
        if (slot.holder() == 0) {
            unchecked {
                found.moves += slot.moves();
            }
        } else {
            (found.holder, found.giver, found.moves) = (slot.holder(), slot.giver(), slot.moves());
        }
    }

    function _moved(Found memory found, uint32 to) private pure returns (NodeSlot) {
        unchecked {
            return found.own.withHolder(to, found.holder, found.moves + 1);
        }
    }

    function _idOf(uint32 maker, bytes32 root) private pure returns (bytes32 batch) {
        assembly ("memory-safe") {
            mstore(0x00, and(maker, 0xffffffff))
            mstore(0x20, root)
            batch := keccak256(0x00, 0x40)
        }
    }
}
