// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice A set of roles that a licence carries; each bit is one role.
type Roles is uint32;

using {rolesAnd as &, rolesOr as |, rolesEqual as ==, isNone, within} for Roles global;

Roles constant NO_ROLE = Roles.wrap(0);
Roles constant CLINICIAN = Roles.wrap(1 << 0);
Roles constant PRESCRIBER = Roles.wrap(1 << 1);
Roles constant PHARMACIST = Roles.wrap(1 << 2);
Roles constant MAKER = Roles.wrap(1 << 3);
Roles constant DISTRIBUTOR = Roles.wrap(1 << 4);
Roles constant INSURER = Roles.wrap(1 << 5);
Roles constant REGULATOR = Roles.wrap(1 << 6);
Roles constant AUDITOR = Roles.wrap(1 << 7);
Roles constant CUSTODIAN = Roles.wrap(1 << 8);
Roles constant LABORATORY = Roles.wrap(1 << 9);
Roles constant DEVICE = Roles.wrap(1 << 10);
Roles constant GATEWAY = Roles.wrap(1 << 11);

/// @dev Every role there is; a set with any other bit is refused.
Roles constant EVERY_ROLE = Roles.wrap((1 << 12) - 1);

/// @dev Who claims for what was done or dispensed.
Roles constant PROVIDERS = Roles.wrap((1 << 0) | (1 << 2) | (1 << 9));

function rolesAnd(Roles a, Roles b) pure returns (Roles) {
    return Roles.wrap(Roles.unwrap(a) & Roles.unwrap(b));
}

function rolesOr(Roles a, Roles b) pure returns (Roles) {
    return Roles.wrap(Roles.unwrap(a) | Roles.unwrap(b));
}

function rolesEqual(Roles a, Roles b) pure returns (bool) {
    return Roles.unwrap(a) == Roles.unwrap(b);
}

function isNone(Roles roles) pure returns (bool) {
    return Roles.unwrap(roles) == 0;
}

/// @notice Whether every role of the set is also in `others`.
function within(Roles roles, Roles others) pure returns (bool) {
    return Roles.unwrap(roles) & ~Roles.unwrap(others) == 0;
}
