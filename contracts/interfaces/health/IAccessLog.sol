// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title IAccessLog
/// @notice Keeps that receipts of readings existed: roots of Merkle trees over them, with who logged each and when.
/// @dev Nothing is stored: a root is an event, which no one can take back. A root says nothing of a patient, a record or
/// a reader; who was handed a receipt and its path can show to anybody that it is below the root. The tree is that of
/// RFC 9162 (SHA-256), so that `leaves` bounds what it holds. Receipts are signed in the EIP-712 domain of this contract.
interface IAccessLog {
    /// @notice A root over receipts was logged.
    /// @param root The root of the tree.
    /// @param by Who logged it.
    /// @param member The member that the account belongs to, in standing or not; zero for none.
    /// @param leaves How many receipts the tree holds.
    event Logged(bytes32 indexed root, address indexed by, uint32 indexed member, uint32 leaves);

    /// @notice A log needs a root, and a tree has leaves.
    error EmptyLog(bytes32 root, uint32 leaves);

    /// @notice Logs the root of a tree over so many receipts.
    /// @dev Anyone may: what counts is the reader's signature on each receipt. So the family logs its own, a member goes
    /// on logging what it read before it was suspended, and whoever carries for others can carry this. A root logged
    /// twice says nothing new.
    function log(bytes32 root, uint32 leaves) external;
}
