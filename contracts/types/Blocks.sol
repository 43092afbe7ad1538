// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice Why goods may not go on; each bit is one authority's word, and only that authority takes it back.
type Blocks is uint8;

using {blocksOr as |, blocksAnd as &, blocksEqual as ==, without, isNone, isOneOf} for Blocks global;

Blocks constant NO_BLOCK = Blocks.wrap(0);

/// @dev The holder's quarantine.
Blocks constant BY_HOLDER = Blocks.wrap(1 << 0);

/// @dev The maker's quarantine.
Blocks constant BY_MAKER = Blocks.wrap(1 << 1);

/// @dev A regulator's quarantine.
Blocks constant BY_REGULATOR = Blocks.wrap(1 << 2);

/// @dev It was too warm or too cold for too long. Set for the holder, cleared by the maker, who knows what it bears.
Blocks constant EXCURSION = Blocks.wrap(1 << 3);

/// @dev The maker or a regulator wants it back; lifted by a regulator alone.
Blocks constant RECALL = Blocks.wrap(1 << 4);

/// @dev What a holder says of what it holds. It concerns what goes with that, nothing that has a holder of its own, and
/// goes along where a part is taken out. The other blocks concern all that lies below, whoever holds it.
Blocks constant OF_HOLDER = Blocks.wrap(Blocks.unwrap(BY_HOLDER) | Blocks.unwrap(EXCURSION));

Blocks constant EVERY_BLOCK = Blocks.wrap((1 << 5) - 1);

function blocksOr(Blocks a, Blocks b) pure returns (Blocks) {
    return Blocks.wrap(Blocks.unwrap(a) | Blocks.unwrap(b));
}

function blocksAnd(Blocks a, Blocks b) pure returns (Blocks) {
    return Blocks.wrap(Blocks.unwrap(a) & Blocks.unwrap(b));
}

function blocksEqual(Blocks a, Blocks b) pure returns (bool) {
    return Blocks.unwrap(a) == Blocks.unwrap(b);
}

function without(Blocks blocks, Blocks others) pure returns (Blocks) {
    return Blocks.wrap(Blocks.unwrap(blocks) & ~Blocks.unwrap(others));
}

function isNone(Blocks blocks) pure returns (bool) {
    return Blocks.unwrap(blocks) == 0;
}

/// @notice Whether the set is exactly one block, and that one is in `others`.
function isOneOf(Blocks block_, Blocks others) pure returns (bool) {
    uint8 bits = Blocks.unwrap(block_);
    return bits != 0 && bits & (bits - 1) == 0 && bits & ~Blocks.unwrap(others) == 0;
}
