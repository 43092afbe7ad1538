// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAppeals} from "../../interfaces/cover/IAppeals.sol";
import {IClaims} from "../../interfaces/cover/IClaims.sol";
import {Claim} from "../../types/Claim.sol";
import {PROVIDERS} from "../../types/Roles.sol";
import {CoverFloor} from "./CoverFloor.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Appeals
/// @notice Used by tests and the bench only.
contract AppealsFloor is CoverFloor {
    bytes32 private constant APPEAL_TYPEHASH = keccak256(
        "Appeal(address pseudonym,bytes32 claim,bytes32 document,uint32 era,uint40 deadline)"
    );

    uint256 private constant OPEN = uint256(IAppeals.AppealStatus.Open);

    address private immutable _consortium;
    address private immutable _keys;
    address private immutable _claims;

    uint256[2] private _names;

    /// @dev An appeal's word: status 8 | time 40.
    mapping(bytes32 claim => uint256 word) private _appealOf;

    constructor(address place, address consortium, address keys, address claims) Floor("Theriac Appeals", place) {
        _consortium = consortium;
        _keys = keys;
        _claims = claims;
    }

    function appeal(Claim calldata claim, bytes32 document) external {
        (address controller, ) = _controllerOf(_keys, claim.pseudonym);
        uint32 member = 0;
        if (msg.sender != controller) {
            member = _memberOf(_consortium, msg.sender, PROVIDERS);
            if (member != claim.provider) revert NotTheirs();
        }

        _appeal(_numberOf(claim.plan, _contentOf(claim)), document, member);
    }

    function appealBySig(Claim calldata claim, IAppeals.Appeal calldata terms, bytes calldata signature) external {
        bytes32 id = _numberOf(claim.plan, _contentOf(claim));
        address pseudonym = terms.pseudonym;
        if (terms.claim != id || pseudonym != claim.pseudonym) revert NotTheirs();
        _checkSigned(_keys, pseudonym, _hash(APPEAL_TYPEHASH, 0x24, 5), signature);

        _appeal(id, terms.document, 0);
    }

    /// @dev That the claim was decided is proved; since when is not asked.
    function _appeal(bytes32 id, bytes32 document, uint32 member) private {
        if (_ask(_claims, IClaims.stateOf.selector, id) != uint256(IClaims.ClaimStatus.Decided)) revert NotTheirs();

        _appealOf[id] = OPEN | (block.timestamp << 8);

        emit IAppeals.Appealed(id, member, document);
    }
}
