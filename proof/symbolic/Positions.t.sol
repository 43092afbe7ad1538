// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Positions} from "../../contracts/libraries/Positions.sol";
import {vm} from "./Cheats.sol";

/// @title PositionProofs
/// @notice Where the parts of a batch lie, for batches of all sizes.
contract PositionProofs {
    uint256 private constant PACKS = 1 << 20;

    // property D3
    /// @dev Bound: the sizes that Batches takes
    function check_height__of_a_pack_and_of_what_carries_it(
        uint32 index,
        uint8 palletBits,
        uint8 caseBits
    ) external pure {
        vm.assume(index < PACKS);
        _assumeSizes(palletBits, caseBits);
        uint256 pack = Positions.packAt(index);

        assert(Positions.heightOf(pack, palletBits, caseBits) == 0);
        assert(Positions.heightOf(pack >> caseBits, palletBits, caseBits) == caseBits);
        assert(Positions.heightOf(pack >> palletBits, palletBits, caseBits) == palletBits);
        assert(Positions.heightOf(pack >> Positions.DEPTH, palletBits, caseBits) == Positions.DEPTH);
    }

    // property D3
    /// @dev Bound: the sizes that Batches takes
    function check_height__of_any_number_is_that_of_a_part_or_nowhere(
        uint32 node,
        uint8 palletBits,
        uint8 caseBits
    ) external pure {
        _assumeSizes(palletBits, caseBits);

        uint256 height = Positions.heightOf(node, palletBits, caseBits);

        if (height == Positions.NOWHERE) {
            assert(!_isPart(node, 0) && !_isPart(node, caseBits) && !_isPart(node, palletBits) && !_isPart(node, 20));
        } else {
            assert(height == 0 || height == caseBits || height == palletBits || height == Positions.DEPTH);
            assert(_isPart(node, height));
        }
    }

    // property D3
    function check_packs_of__are_those_that_lie_in_the_case(
        uint32 case_,
        uint8 caseBits,
        uint16 word,
        uint8 bit
    ) external pure {
        vm.assume(caseBits <= Positions.DEPTH && _isPart(case_, caseBits));
        vm.assume(word < PACKS >> 8);

        bool inMask = (Positions.packsOf(case_, caseBits, word) >> bit) & 1 == 1;

        uint32 index = (uint32(word) << 8) | bit;
        assert(inMask == (Positions.packAt(index) >> caseBits == case_));
    }

    // property D3
    function check_packs_of__is_empty_beyond_the_batch(uint32 case_, uint8 caseBits, uint256 word) external pure {
        vm.assume(caseBits <= Positions.DEPTH && _isPart(case_, caseBits));
        vm.assume(word >= PACKS >> 8);

        assert(Positions.packsOf(case_, caseBits, word) == 0);
    }

    /// @dev A part of height h is one bit followed by 20 - h others.
    function _isPart(uint256 node, uint256 height) private pure returns (bool) {
        return node >= PACKS >> height && node < (PACKS >> height) * 2;
    }

    function _assumeSizes(uint8 palletBits, uint8 caseBits) private pure {
        vm.assume(caseBits <= palletBits && palletBits <= Positions.DEPTH);
    }
}
