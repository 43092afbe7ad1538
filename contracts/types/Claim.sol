// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice A line of a claim.
/// @param service The service's salted id.
/// @param day The service's day, counted from the policy's secret origin; zero for goods.
/// @param units How many units.
/// @param charged What the provider asks for all of them.
/// @param authorization The authorization it names; zero for none.
struct Line {
    bytes32 service;
    uint16 day;
    uint16 units;
    uint64 charged;
    bytes32 authorization;
}

/// @notice A claim, as the patient consents to it.
/// @param pseudonym The policy year's pseudonym.
/// @param plan The plan.
/// @param provider The member that claims.
/// @param evidence The digest of the encounter that the provider anchored under the pseudonym; for goods the hash of the
/// prescription's number and the line's.
/// @param primary The claim that an earlier payer decided; zero for none.
/// @param lines The lines.
/// @param salt Makes two equal claims two.
/// @param era The pseudonym's era.
/// @param deadline The last second at which it may be submitted.
struct Claim {
    address pseudonym;
    bytes32 plan;
    uint32 provider;
    bytes32 evidence;
    bytes32 primary;
    Line[] lines;
    bytes32 salt;
    uint32 era;
    uint40 deadline;
}
