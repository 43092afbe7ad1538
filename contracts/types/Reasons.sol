// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice Why a line of a claim is not paid, or is paid in part: a set, each bit one reason.
/// @dev The lowest bit of a line's set is the one it is told by. docs/protocol/cover.md maps each to an X12 CARC code.
type Reasons is uint32;

using {reasonsAnd as &, reasonsOr as |, reasonsEqual as ==, isNone, without, denies} for Reasons global;

Reasons constant NO_REASON = Reasons.wrap(0);

/// @dev The schedule does not cover the service. CARC 204.
Reasons constant NOT_COVERED = Reasons.wrap(1 << 0);
/// @dev The schedule excludes the service. CARC 96.
Reasons constant EXCLUDED = Reasons.wrap(1 << 1);
/// @dev Before the policy's first day. CARC 26.
Reasons constant BEFORE_COVER = Reasons.wrap(1 << 2);
/// @dev After the policy's last day, or while it had lapsed. CARC 27.
Reasons constant AFTER_COVER = Reasons.wrap(1 << 3);
/// @dev The service's waiting days were not over. CARC 179.
Reasons constant WAITING = Reasons.wrap(1 << 4);
/// @dev The evidence is older than a claim may be late. CARC 29.
Reasons constant LATE = Reasons.wrap(1 << 5);
/// @dev The service was claimed for that day, or the evidence by another claim. CARC 18.
Reasons constant DUPLICATE = Reasons.wrap(1 << 6);
/// @dev It goes with another service that was paid for that day. CARC 97.
Reasons constant BUNDLED = Reasons.wrap(1 << 7);
/// @dev The provider's grade is too low for the service. CARC 170.
Reasons constant GRADE = Reasons.wrap(1 << 8);
/// @dev The service needs an authorization, and there is none that counts. CARC 197.
Reasons constant UNAUTHORIZED = Reasons.wrap(1 << 9);
/// @dev More units than were authorized. CARC 198.
Reasons constant BEYOND_AUTHORIZATION = Reasons.wrap(1 << 10);
/// @dev More units than one line may have. CARC 222.
Reasons constant QUANTITY = Reasons.wrap(1 << 11);
/// @dev More units than a policy year may have. CARC 119.
Reasons constant FREQUENCY = Reasons.wrap(1 << 12);
/// @dev The insurer's reviewer refused it. CARC 50.
Reasons constant REVIEWED = Reasons.wrap(1 << 13);

/// @dev A lifetime limit was reached. CARC 35.
Reasons constant LIFETIME_LIMIT = Reasons.wrap(1 << 16);
/// @dev A limit of the policy year was reached. CARC 119.
Reasons constant ANNUAL_LIMIT = Reasons.wrap(1 << 17);
/// @dev An earlier payer has paid it. CARC 23.
Reasons constant OTHER_PAYER = Reasons.wrap(1 << 18);

/// @dev The reasons for which a line is denied. The others limit what is paid of it.
Reasons constant DENIALS = Reasons.wrap(0xffff);

/// @dev What an appeal may set aside. What was paid before, and what no schedule has a price for, it may not.
Reasons constant WAIVABLE = Reasons.wrap(
    (1 << 3) | (1 << 4) | (1 << 5) | (1 << 8) | (1 << 9) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13)
);

function reasonsAnd(Reasons a, Reasons b) pure returns (Reasons) {
    return Reasons.wrap(Reasons.unwrap(a) & Reasons.unwrap(b));
}

function reasonsOr(Reasons a, Reasons b) pure returns (Reasons) {
    return Reasons.wrap(Reasons.unwrap(a) | Reasons.unwrap(b));
}

function reasonsEqual(Reasons a, Reasons b) pure returns (bool) {
    return Reasons.unwrap(a) == Reasons.unwrap(b);
}

function isNone(Reasons reasons) pure returns (bool) {
    return Reasons.unwrap(reasons) == 0;
}

function without(Reasons reasons, Reasons others) pure returns (Reasons) {
    return Reasons.wrap(Reasons.unwrap(reasons) & ~Reasons.unwrap(others));
}

/// @notice Whether one of the reasons keeps the line from being paid at all.
function denies(Reasons reasons) pure returns (bool) {
    return !(reasons & DENIALS).isNone();
}
