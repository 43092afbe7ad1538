// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Purpose} from "../../types/Purpose.sol";
import {Scope} from "../../types/Scope.sol";
import {IGrants} from "./IGrants.sol";

/// @title IDelegations
/// @notice Who may grant for a pseudonym besides its controller: a delegate or a quorum, within classes, purposes, time.
/// @dev What a delegate grants stands in Grants under the delegate's number there, and ends with it. A delegate has no
/// keys, appoints nobody, and lets no reader refer on.
interface IDelegations {
    /// @notice What a parent's holder may grant by itself; one slot. It counts in the generation and the era it names.
    /// @param scope The classes within which it grants.
    /// @param purposes The purposes for which, a bit for each number.
    /// @param threshold How many of a quorum must sign; zero where the holder is an account.
    /// @param generation The parent's generation when it was given.
    /// @param era The pseudonym's era when it was given.
    struct Mandate {
        Scope scope;
        uint16 purposes;
        uint8 threshold;
        uint32 generation;
        uint32 era;
    }

    /// @notice A parent whose holder may act: a delegate, or a quorum.
    /// @param pseudonym Under which it acts.
    /// @param by Its number, neither zero nor the highest.
    /// @param holder The delegate's account, used for this pseudonym alone; or what stands for a quorum.
    /// @param scope Within which classes; a wallet shows the words.
    /// @param purposes For which purposes, a bit for each number; a wallet shows the words.
    /// @param threshold How many of a quorum must sign; zero for a single account.
    /// @param expiry The second at which it ends, and with it what it granted.
    struct Appointment {
        address pseudonym;
        uint16 by;
        address holder;
        Scope scope;
        uint16 purposes;
        uint8 threshold;
        uint40 expiry;
    }

    /// @notice A parent's holder may act, within these classes and purposes.
    event MandateSet(address indexed pseudonym, uint16 indexed by, Scope scope, uint16 purposes, uint8 threshold);

    /// @notice Not a set of purposes that exist.
    error NoSuchPurposes(uint16 purposes);

    /// @notice A delegate grants within its classes and purposes only.
    error BeyondMandate(Scope scope, Scope mandated, Purpose purpose, uint16 purposes);

    /// @notice The sender is not the delegate that lives at this number.
    error NotTheDelegate(address sender, address holder);

    /// @notice A delegate needs an account and an end.
    error WrongHolder(address holder, uint40 expiry);

    /// @notice What a parent's holder may grant, live or not.
    function mandateOf(address pseudonym, uint16 by) external view returns (Mandate memory);

    /// @notice Appoints a delegate or a quorum, which may then grant under its number. Only the controller.
    /// @dev It ends by `Grants.setParent` with expiry zero, at its expiry, when the era is raised, or when its number is
    /// given to another.
    function appoint(Appointment calldata terms) external;

    /// @notice Appoints by the controller's signature; anyone may send it.
    function appointBySig(
        Appointment calldata terms,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external;

    /// @notice Grants under the sender's number. Only the delegate that lives there.
    function grant(IGrants.Terms calldata terms) external;

    /// @notice Grants by the signature of the delegate, or by a quorum's proof; anyone may send it.
    function grantBySig(
        IGrants.Terms calldata terms,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external;

    /// @notice Takes classes or time from a grant that stands under the sender's number.
    function narrow(address pseudonym, address reader, Purpose purpose, Scope scope, uint40 expiry) external;

    /// @notice Narrows by signature. Start and parent of the terms must be zero.
    function narrowBySig(
        IGrants.Terms calldata terms,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external;

    /// @notice Ends a grant that stands under the sender's number.
    function revoke(address pseudonym, address reader, Purpose purpose) external;

    /// @notice Ends a grant by signature.
    function revokeBySig(
        address pseudonym,
        address reader,
        Purpose purpose,
        IGrants.Freshness calldata freshness,
        bytes calldata signature
    ) external;
}
