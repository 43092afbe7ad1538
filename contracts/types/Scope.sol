// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice A set of classes of records, as the chain sees it: a bit for each category at level N, one bit for all of
/// level R, one for all of level V, one for single records. The finer classes are in the sealed capsule.
type Scope is uint64;

using {includes, isEmpty, with, scopeEqual as ==} for Scope global;

/// @notice Whether every class of `wanted` is in the set.
function includes(Scope scope, Scope wanted) pure returns (bool) {
    return Scope.unwrap(wanted) & ~Scope.unwrap(scope) == 0;
}

function isEmpty(Scope scope) pure returns (bool) {
    return Scope.unwrap(scope) == 0;
}

/// @notice Both sets together.
function with(Scope scope, Scope more) pure returns (Scope) {
    return Scope.wrap(Scope.unwrap(scope) | Scope.unwrap(more));
}

function scopeEqual(Scope a, Scope b) pure returns (bool) {
    return Scope.unwrap(a) == Scope.unwrap(b);
}
