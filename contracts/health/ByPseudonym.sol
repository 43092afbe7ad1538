// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IKeys} from "../interfaces/health/IKeys.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {Windows} from "../libraries/Windows.sol";

/// @title ByPseudonym
/// @notice What the contracts share that take a pseudonym's acts: directly from its controller, or signed by it.
abstract contract ByPseudonym is EIP712 {
    IKeys internal immutable _keys;

    constructor(IKeys keys_) {
        _keys = keys_;
    }

    /// @dev The sender controls the pseudonym. The era comes back for what is written under it.
    function _checkController(address pseudonym, address sender) internal view returns (uint32 era) {
        IKeys.Authority memory authority = _keys.authorityOf(pseudonym);
        if (sender != authority.controller) revert IKeys.NotTheController(sender, authority.controller);

        return authority.era;
    }

    /// @dev As above, and no recovery is pending.
    function _checkFreeController(address pseudonym, address sender) internal view returns (uint32 era) {
        IKeys.Authority memory authority = _keys.authorityOf(pseudonym);
        if (sender != authority.controller) revert IKeys.NotTheController(sender, authority.controller);
        if (authority.frozen) revert IKeys.Frozen(pseudonym);

        return authority.era;
    }

    /// @dev The controller signed, in this era, and the deadline is near.
    function _checkSignature(
        address pseudonym,
        uint32 era,
        uint40 deadline,
        bytes32 structHash,
        bytes calldata signature
    ) internal view returns (bool frozen) {
        Windows.check(deadline);
        IKeys.Authority memory authority = _keys.authorityOf(pseudonym);
        if (era != authority.era) revert IKeys.WrongEra(era, authority.era);
        if (!Signatures.isSignedBy(_hashTypedDataV4(structHash), signature, authority.controller)) {
            revert IKeys.WrongSignature(authority.controller);
        }

        return authority.frozen;
    }

    /// @dev As above, and no recovery is pending.
    function _checkFreeSignature(
        address pseudonym,
        uint32 era,
        uint40 deadline,
        bytes32 structHash,
        bytes calldata signature
    ) internal view {
        if (_checkSignature(pseudonym, era, deadline, structHash, signature)) revert IKeys.Frozen(pseudonym);
    }
}
