// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {VM} from "./Vm.sol";
import {World} from "./World.sol";

/// @title Handler
/// @notice What the handlers share: how an act is made by somebody, how one is tried that must be refused, how a message
/// is signed, and what was found wrong.
/// @dev See proof/README.md for how a handler is written.
abstract contract Handler {
    World public immutable world;

    /// @notice How many acts were made here.
    uint256 public turn;

    /// @dev What was found wrong while acting, by the number of the property.
    mapping(bytes32 number => bool) private _broken;

    /// @notice An act broke this property.
    event Broken(string number);

    /// @notice Nothing here can be acted on.
    error NothingToDo();

    constructor(World world_) {
        world = world_;
        VM.warp(world_.clock());
    }

    /// @notice The signatures of all properties here, `property_H10_what_it_says()` say.
    function properties() external pure virtual returns (string[] memory);

    /// @notice Asserts that all properties hold here. Medusa chooses it as if it were an act where it is not asked for every
    /// property after every act, which costs more.
    function judge() external {
        string[] memory names = this.properties();
        for (uint256 i = 0; i < names.length; ++i) {
            // solhint-disable-next-line avoid-low-level-calls
            (bool done, bytes memory answer) = address(this).staticcall(abi.encodeWithSignature(names[i]));
            assert(done && abi.decode(answer, (bool)));
        }
        ++turn;
    }

    /// @dev Around each act that a fuzzer may choose.
    modifier acting() {
        VM.warp(world.clock());
        _;
        ++turn;
    }

    /// @dev Around each property.
    modifier looking() {
        VM.warp(world.clock());
        _;
    }

    /// @dev Makes an act that must be possible. Where it is refused the whole act is, and the engine counts it so.
    function _do(address sender, address target, bytes memory data) internal returns (bytes memory answer) {
        bool done;
        (done, answer) = _try(sender, target, data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }

    /// @dev Makes an act that may be refused.
    function _try(address sender, address target, bytes memory data) internal returns (bool done, bytes memory answer) {
        VM.prank(sender);
        // solhint-disable-next-line avoid-low-level-calls
        (done, answer) = target.call(data);
    }

    /// @dev Tries an act that must be refused; that it was not breaks the property. Who goes on to do something that would
    /// then be refused must ask: all that an act has noted is undone with it.
    function _refused(
        address sender,
        address target,
        bytes memory data,
        string memory number
    ) internal returns (bool held) {
        (bool done, ) = _try(sender, target, data);
        held = !done;
        _must(held, number);
    }

    /// @dev Notes that the property is broken. The act is not undone, so that the engines see it.
    function _must(bool held, string memory number) internal {
        if (held) return;

        _broken[keccak256(bytes(number))] = true;
        emit Broken(number);
    }

    /// @dev Whether no act broke the property so far.
    function _held(string memory number) internal view returns (bool) {
        return !_broken[keccak256(bytes(number))];
    }

    /// @dev The signature of an account, or of a wallet's owner, over a message to a contract.
    function _sign(address signer, address verifier, bytes32 structHash) internal view returns (bytes memory) {
        bytes32 hash = world.hashOf(verifier, structHash);
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(world.keyOf(signer), hash);
        return abi.encodePacked(r, s, v);
    }

    /// @dev One of the accounts.
    function _one(address[] memory accounts, uint256 seed) internal pure returns (address) {
        return accounts[seed % accounts.length];
    }

    /// @dev A deadline that a pseudonym's message may carry: up to an hour ahead.
    function _soon(uint256 seed) internal view returns (uint40) {
        return uint40(block.timestamp + (seed % (1 hours + 1)));
    }

    /// @dev A number between two others, both of which it may be.
    function _between(uint256 seed, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + (seed % (most - least + 1));
    }

    /// @dev Independent numbers from one.
    function _more(uint256 seed, uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, index)));
    }
}
