// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IConsortium} from "../../interfaces/IConsortium.sol";
import {IRecords} from "../../interfaces/health/IRecords.sol";
import {Claim, Line} from "../../types/Claim.sol";
import {INSURER} from "../../types/Roles.sol";
import {Floor} from "./Floor.sol";

/// @title What only floors ask the floor of Policies
/// @dev The contracts ask for several words of a plan at once; a floor reads the one that it needs.
interface IFloorOfPolicies {
    function wordOf(bytes32 plan) external view returns (uint256 word);

    function tokenOf(bytes32 plan) external view returns (uint256 token);

    function lifetimeOf(bytes32 plan, address pseudonym) external view returns (uint256 amount);

    function coverOf(
        bytes32 plan,
        address pseudonym
    ) external view returns (address adjudicator, bytes32 schedule, uint256 family);
}

/// @title What the floors of cover share
/// @notice Who insures in a plan, and a token that is taken at its word. Used by tests and the bench only.
abstract contract CoverFloor is Floor {
    bytes32 private constant LINE_TYPEHASH = keccak256(
        "Line(bytes32 service,uint16 day,uint16 units,uint64 charged,bytes32 authorization)"
    );
    bytes32 private constant CLAIM_TYPEHASH = keccak256(
        "Claim(address pseudonym,bytes32 plan,uint32 provider,bytes32 evidence,bytes32 primary,Line[] lines,bytes32 salt,uint32 era,uint40 deadline)"
        "Line(bytes32 service,uint16 day,uint16 units,uint64 charged,bytes32 authorization)"
    );

    /// @dev Of a plan's words the first: its adjudicator 160 | its insurer 32 | days.
    function _termsOf(address policies, bytes32 plan) internal view returns (uint256 word) {
        return _ask(policies, IFloorOfPolicies.wordOf.selector, plan);
    }

    /// @dev Who insures in a plan.
    function _insurerOf(address policies, bytes32 plan) internal view returns (uint32) {
        return uint32(_termsOf(policies, plan) >> 160);
    }

    /// @dev What a plan pays in.
    function _tokenOf(address policies, bytes32 plan) internal view returns (address) {
        return address(uint160(_ask(policies, IFloorOfPolicies.tokenOf.selector, plan)));
    }

    /// @dev Which account acts for a member.
    function _accountOf(address consortium, uint32 member) internal view returns (address) {
        return address(uint160(_ask(consortium, IConsortium.memberOf.selector, bytes32(uint256(member)))));
    }

    /// @dev The sender acts for the plan's insurer.
    function _checkInsurer(address consortium, address policies, bytes32 plan) internal view {
        if (_memberOf(consortium, msg.sender, INSURER) != _insurerOf(policies, plan)) revert NotTheirs();
    }

    /// @dev The member anchored it under the pseudonym.
    function _checkEvidence(address records, address pseudonym, uint32 member, bytes32 evidence) internal view {
        bytes4 selector = IRecords.recordOf.selector;
        uint256 time;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 0x04), pseudonym)
            mstore(add(start, 0x24), member)
            mstore(add(start, 0x44), evidence)
            pop(staticcall(gas(), records, start, 0x64, 0x00, 0x20))
            time := mload(0x00)
        }
        if (time == 0) revert NotTheirs();
    }

    /// @dev The first word of what a floor answers to one word.
    function _ask(address floor, bytes4 selector, bytes32 about) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            mstore(0x00, selector)
            mstore(0x04, about)
            pop(staticcall(gas(), floor, 0x00, 0x24, 0x00, 0x20))
            word := mload(0x00)
        }
    }

    /// @dev Takes a token from the sender, as far as it let this contract.
    function _collect(address token, address to, uint256 amount) internal {
        bytes4 selector = IERC20.transferFrom.selector;
        bool done;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 0x04), caller())
            mstore(add(start, 0x24), to)
            mstore(add(start, 0x44), amount)
            done := call(gas(), token, 0, start, 0x64, 0x00, 0x00)
        }
        if (!done) revert NotTheirs();
    }

    /// @dev Gives a token away.
    function _transfer(address token, address to, uint256 amount) internal {
        bytes4 selector = IERC20.transfer.selector;
        bool done;
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, selector)
            mstore(add(start, 0x04), to)
            mstore(add(start, 0x24), amount)
            done := call(gas(), token, 0, start, 0x44, 0x00, 0x00)
        }
        if (!done) revert NotTheirs();
    }

    /// @dev What a patient consents to: the words of a claim, with the hash of its lines in the place of their offset.
    function _contentOf(Claim calldata claim) internal pure returns (bytes32 content) {
        (bytes32 ofClaim, bytes32 ofLine) = (CLAIM_TYPEHASH, LINE_TYPEHASH);
        Line[] calldata lines = claim.lines;
        assembly ("memory-safe") {
            let start := mload(0x40)
            let hashes := add(start, 0xc0)
            let line := lines.offset
            mstore(start, ofLine)
            for {
                let end := add(hashes, shl(5, lines.length))
            } lt(hashes, end) {
                hashes := add(hashes, 0x20)
                line := add(line, 0xa0)
            } {
                calldatacopy(add(start, 0x20), line, 0xa0)
                mstore(hashes, keccak256(start, 0xc0))
            }
            let ofLines := keccak256(add(start, 0xc0), shl(5, lines.length))
            mstore(start, ofClaim)
            calldatacopy(add(start, 0x20), claim, 0x120)
            mstore(add(start, 0xc0), ofLines)
            content := keccak256(start, 0x140)
        }
    }

    function _numberOf(bytes32 plan, bytes32 content) internal pure returns (bytes32 id) {
        assembly ("memory-safe") {
            mstore(0x00, plan)
            mstore(0x20, content)
            id := keccak256(0x00, 0x40)
        }
    }
}
