// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

// What a contract may do for a member: the bits of the mask that the member gives it at the consortium.
uint8 constant DISPENSE_FOR = 1 << 0;
uint8 constant FILL_FOR = 1 << 1;
uint8 constant REPORT_EXCURSION_FOR = 1 << 2;
uint8 constant HOLD_FOR = 1 << 3;
