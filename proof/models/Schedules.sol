// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IBenefits} from "../../contracts/interfaces/cover/IBenefits.sol";
import {IRules} from "../../contracts/interfaces/cover/IRules.sol";

/// @title Schedules
/// @notice A schedule of eight rows, and its tree: leaves twice hashed, pairs sorted.
library Schedules {
    uint256 internal constant ROWS = 8;
    uint256 internal constant SERVICES = 6;
    uint256 internal constant SCAN = 1;
    uint256 internal constant YEARLY = 2;
    uint256 internal constant PILLS = 6;

    bytes32 private constant PANELS = keccak256("panels");

    /// @notice Six services, then two goods. A scan needs an authorization, the fifth and the last are reviewed.
    function benefitAt(uint256 row) internal pure returns (IRules.Benefit memory benefit) {
        benefit.service = keccak256(abi.encode("service", row));
        if (row >= SERVICES) benefit.kind = IRules.Kind.Goods;
        if (row == 0) {
            (benefit.price, benefit.copay, benefit.coinsurance, benefit.deductible) = (10_000, 1_000, 2_000, true);
        } else if (row == SCAN) {
            (benefit.price, benefit.coinsurance, benefit.authorization) = (40_000, 1_500, true);
        } else if (row == YEARLY) {
            (benefit.price, benefit.yearlyUnits, benefit.deductible) = (2_500, 3, true);
        } else if (row == 3) {
            (benefit.price, benefit.bundle) = (6_000, PANELS);
        } else if (row == 4) {
            (benefit.price, benefit.bundle, benefit.mostUnits) = (2_000, PANELS, 3);
        } else if (row == 5) {
            (benefit.price, benefit.review) = (20_000, true);
        } else if (row == PILLS) {
            (benefit.price, benefit.copay, benefit.mostUnits) = (3_000, 500, 2);
        } else {
            (benefit.price, benefit.coinsurance, benefit.review) = (20_000, 2_500, true);
        }
    }

    function rowAt(uint256 row) internal pure returns (IBenefits.Row memory shown) {
        shown.benefit = benefitAt(row);
        shown.proof = new bytes32[](3);
        bytes32[8] memory level = _leaves();
        uint256 at = row;
        for (uint256 height = 0; height < 3; ++height) {
            shown.proof[height] = level[at ^ 1];
            _up(level, 4 >> height);
            at >>= 1;
        }
    }

    function rootOf() internal pure returns (bytes32) {
        bytes32[8] memory level = _leaves();
        for (uint256 height = 0; height < 3; ++height) {
            _up(level, 4 >> height);
        }
        return level[0];
    }

    function keyOf(IRules.Benefit memory benefit) internal pure returns (bytes32) {
        return benefit.bundle == 0 ? benefit.service : benefit.bundle;
    }

    function _leaves() private pure returns (bytes32[8] memory level) {
        for (uint256 row = 0; row < ROWS; ++row) {
            level[row] = keccak256(bytes.concat(keccak256(abi.encode(benefitAt(row)))));
        }
    }

    function _up(bytes32[8] memory level, uint256 count) private pure {
        for (uint256 i = 0; i < count; ++i) {
            (bytes32 a, bytes32 b) = (level[2 * i], level[2 * i + 1]);
            level[i] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
        }
    }
}
