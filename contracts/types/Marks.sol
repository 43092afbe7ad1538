// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice What is special about an anchored record; each bit is one mark.
type Marks is uint8;

using {marksEqual as ==} for Marks global;

/// @dev Anchored by a member under a current bundle.
Marks constant FILED = Marks.wrap(0);

/// @dev Sealed to an inbox, because the writer had no row to seal it to.
Marks constant INBOX = Marks.wrap(1 << 0);

/// @dev Reported by the patient; no evidence for anybody else's claim.
Marks constant REPORTED = Marks.wrap(1 << 1);

/// @dev Sealed anew by the patient; author and time are those of the record it was.
Marks constant RESEALED = Marks.wrap(1 << 2);

function marksEqual(Marks a, Marks b) pure returns (bool) {
    return Marks.unwrap(a) == Marks.unwrap(b);
}
