// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice Why a record is read: a number for a code of HL7 v3 PurposeOfUse. docs/scopes.md has the table.
type Purpose is uint8;

using {purposeEqual as ==} for Purpose global;

Purpose constant TREAT = Purpose.wrap(1);
Purpose constant ETREAT = Purpose.wrap(2);
Purpose constant CAREMGT = Purpose.wrap(3);
Purpose constant COC = Purpose.wrap(4);
Purpose constant HPAYMT = Purpose.wrap(5);
Purpose constant COVERAGE = Purpose.wrap(6);
Purpose constant CLMATTCH = Purpose.wrap(7);
Purpose constant PUBHLTH = Purpose.wrap(8);
Purpose constant HQUALIMP = Purpose.wrap(9);
Purpose constant FAMRQT = Purpose.wrap(10);
Purpose constant PATRQT = Purpose.wrap(11);
Purpose constant PWATRNY = Purpose.wrap(12);

function purposeEqual(Purpose a, Purpose b) pure returns (bool) {
    return Purpose.unwrap(a) == Purpose.unwrap(b);
}
