// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEpisodes} from "../../interfaces/cover/IEpisodes.sol";
import {IEscrow} from "../../interfaces/cover/IEscrow.sol";
import {PROVIDERS} from "../../types/Roles.sol";
import {CoverFloor} from "./CoverFloor.sol";
import {Floor} from "./Floor.sol";

/// @title The floor of Episodes
/// @notice Used by tests and the bench only.
contract EpisodesFloor is CoverFloor {
    bytes32 private constant AGREEMENT_TYPEHASH = keccak256(
        "Agreement(bytes32 plan,address pseudonym,uint32 provider,address signer,uint32 assessor,uint64 price,uint64 withheld,uint40 ends,bytes32 document,uint32 era,uint40 deadline)"
    );
    bytes32 private constant OUTCOME_TYPEHASH = keccak256(
        "Outcome(bytes32 episode,bytes32 observation,uint16 achieved,address assessor,uint40 deadline)"
    );

    uint256 private constant WHOLE = 10_000;

    uint256 private constant STATUS = type(uint8).max;
    uint256 private constant OPEN = uint256(IEpisodes.EpisodeStatus.Open);
    uint256 private constant DELIVERED = uint256(IEpisodes.EpisodeStatus.Delivered);
    uint256 private constant SETTLED = uint256(IEpisodes.EpisodeStatus.Settled);
    uint256 private constant EXPIRED = uint256(IEpisodes.EpisodeStatus.Expired);

    /// @dev An episode's words as Episodes keeps them: status 8 | provider 32 | assessor 32 | opened 40 | ends 40 |
    /// price 64; withheld 64 | pseudonym 160; and the plan.
    struct Words {
        uint256 first;
        uint256 second;
        bytes32 plan;
    }

    address private immutable _consortium;
    address private immutable _keys;
    address private immutable _records;
    address private immutable _policies;
    address private immutable _escrow;

    uint256[2] private _names;
    mapping(bytes32 episode => Words) private _episodeOf;
    mapping(bytes32 record => bool) private _isDelivered;

    constructor(
        address place,
        address consortium,
        address keys,
        address records,
        address policies,
        address escrow
    ) Floor("Theriac Episodes", place) {
        _consortium = consortium;
        _keys = keys;
        _records = records;
        _policies = policies;
        _escrow = escrow;
    }

    function idOf(IEpisodes.Agreement calldata) external pure returns (bytes32 episode) {
        return _hash(AGREEMENT_TYPEHASH, 0x04, 11);
    }

    function open(IEpisodes.Agreement calldata terms, bytes calldata provider, bytes calldata patient) external {
        bytes32 id = _hash(AGREEMENT_TYPEHASH, 0x04, 11);
        (bytes32 plan, address pseudonym, uint32 number) = (terms.plan, terms.pseudonym, terms.provider);
        _checkInsurer(_consortium, _policies, plan);
        if (_signerOf(id, provider) != terms.signer) revert NotTheirs();
        if (_memberOf(_consortium, terms.signer, PROVIDERS) != number) revert NotTheirs();
        _checkSigned(_keys, pseudonym, id, patient);

        uint64 price = terms.price;
        Words storage words = _episodeOf[id];
        words.first =
            OPEN |
            (uint256(number) << 8) |
            (uint256(terms.assessor) << 40) |
            (block.timestamp << 72) |
            (uint256(terms.ends) << 112) |
            (uint256(price) << 152);
        words.second = terms.withheld | (uint256(uint160(pseudonym)) << 64);
        words.plan = plan;

        emit IEpisodes.Opened(id, plan, pseudonym, number, price);

        IEscrow(_escrow).hold(plan, price);
    }

    function deliver(bytes32 episode, bytes32 evidence) external {
        Words storage words = _episodeOf[episode];
        (uint256 first, uint256 second) = (words.first, words.second);
        uint32 member = _memberOf(_consortium, msg.sender, PROVIDERS);
        if (member != uint32(first >> 8)) revert NotTheirs();
        address pseudonym = address(uint160(second >> 64));
        _checkEvidence(_records, pseudonym, member, evidence);

        unchecked {
            _isDelivered[keccak256(abi.encode(pseudonym, member, evidence))] = true;
            words.first = (first & ~STATUS) | DELIVERED;
            uint64 paid = uint64(first >> 152) - uint64(second);

            emit IEpisodes.Delivered(episode, evidence, paid);

            if (paid != 0) IEscrow(_escrow).release(words.plan, member, paid);
        }
    }

    function assess(bytes32 episode, bytes32 observation, uint16 achieved) external {
        _assess(episode, observation, achieved, msg.sender);
    }

    function assessBySig(IEpisodes.Outcome calldata terms, bytes calldata signature) external {
        address assessor = terms.assessor;
        if (_signerOf(_hash(OUTCOME_TYPEHASH, 0x04, 5), signature) != assessor) revert NotTheirs();

        _assess(terms.episode, terms.observation, terms.achieved, assessor);
    }

    function expire(bytes32 episode) external {
        Words storage words = _episodeOf[episode];
        uint256 first = words.first;
        words.first = (first & ~STATUS) | EXPIRED;
        uint64 returned = first & STATUS == OPEN ? uint64(first >> 152) : uint64(words.second);

        emit IEpisodes.Expired(episode, returned);

        if (returned != 0) IEscrow(_escrow).release(words.plan, 0, returned);
    }

    function _assess(bytes32 episode, bytes32 observation, uint16 achieved, address account) private {
        Words storage words = _episodeOf[episode];
        (uint256 first, uint256 second) = (words.first, words.second);
        uint32 member = _memberOf(_consortium, account, PROVIDERS);
        if (member != uint32(first >> 40)) revert NotTheirs();
        _checkEvidence(_records, address(uint160(second >> 64)), member, observation);

        unchecked {
            words.first = (first & ~STATUS) | SETTLED;
            uint64 released = uint64((uint256(uint64(second)) * achieved) / WHOLE);
            uint64 returned = uint64(second) - released;

            emit IEpisodes.Assessed(episode, observation, achieved, released, returned);

            bytes32 plan = words.plan;
            if (released != 0) IEscrow(_escrow).release(plan, uint32(first >> 8), released);
            if (returned != 0) IEscrow(_escrow).release(plan, 0, returned);
        }
    }
}
