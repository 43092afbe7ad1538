"""What the design sets out to reach, where that is missed, and what the best comparable designs take."""

from gas_delegations import REACH_OF_DELEGATES

# In gas a transaction.
REACH = {
    "grant by signature": 70_000,
    "revoke": 37_000,
    "revoke by signature": 46_000,
    "publish a bundle": 46_000,
    "revoke and publish in one": 76_000,
    "anchor a record": 61_000,
    "anchor a record, each of 100": 25_500,
    "allowed, with the call": 40_000,
    "log readings, any number": 32_500,
    "log receipts of readings, any number": 32_500,
    "commission 2^20 packs": 80_000,
    "handoff in two steps": 103_000,
    "handoff by signed offer": 78_000,
    "dispense the next of a case": 65_000,
    "dispense the first of a case": 86_000,
    "dispense by mask each of 256": 260,
    "recall a batch": 37_000,
    "prescribe": 82_000,
    "prescribe by signature": 90_000,
    "prescription to paid claim": 340_000,
    **REACH_OF_DELEGATES,
}

# Where the design's figure is missed, and what is kept instead. Of the recall and the readings the floor is above it,
# of the handoff, the mask and the paid claim just below (test_floors.py). Of the paid claim two transactions, their
# data, and new storage (prescription, line, claim, that the pack is claimed) are 210,000; the rest is nine contracts
# that ask each other.
MISSED = {
    "handoff in two steps": 110_000,
    "dispense by mask each of 256": 270,
    "recall a batch": 39_700,
    "log readings, any number": 34_300,
    "prescription to paid claim": 419_000,
}

# The best comparable published design, measured once elsewhere, as whole transactions of the same machine.
PEERS = {
    "grant by signature": "166,834",
    "revoke": "31,098, rotating nothing",
    "revoke by signature": "42,684, rotating nothing",
    "anchor a record": "183,790",
    "anchor a record, each of 100": "183,790",
    "allowed, with the call": "59,866; 1,469,266 after 50 grants",
    "log readings, any number": "32,537 each",
    "log receipts of readings, any number": "32,537 each",
    "commission 2^20 packs": "252,484 a pack",
    "handoff in two steps": "57,792, one-sided",
    "dispense the next of a case": "66,275",
    "dispense the first of a case": "66,275",
    "recall a batch": "48,158 a pack",
    "prescribe": "104,374",
    "prescription to paid claim": "582,976, in 9 transactions",
}

# The most that an act may cost for each gas of its floor, where that is more than a fifth above it. A claim goes from
# Claims to Benefits and from there to Rules, where each line's words are decoded, checked and encoded anew, while its
# floor hands on what it was called with and has no rules but the price: so the share grows with the lines. An appeal is
# allowed for so many days after the decision: when that was, and how many days, are four cold slots and a cold contract
# that nothing else of it needs, and the contract of the claims is asked for the claim's number.
ABOVE = {
    "medical claim of 1 line": 1.27,
    "medical claim of 10 lines": 1.55,
    "medical claim of 1 line, the provider's second": 1.34,
    "prescription to paid claim": 1.24,
    "dispense, fill and claim in one": 1.29,
    "appeal": 1.33,
    "appeal by signature": 1.36,
}

# The acts of the counting house that have a floor.
FLOORED_COVER = (
    "publish a plan",
    "close a plan",
    "enrol by signatures",
    "enrol",
    "pay a premium",
    "reinstate a policy",
    "end a policy",
    "end a policy by signature",
    "ask for an authorization",
    "pend a request for authorization",
    "complete a request for authorization",
    "authorize",
    "refuse an authorization",
    "put money into escrow",
    "take money out of escrow",
    "say where money goes",
    "answer for a member's money",
    "withdraw what was credited",
    "medical claim of 1 line",
    "medical claim of 10 lines",
    "medical claim of 1 line, the provider's second",
    "consent by a transaction",
    "prescription to paid claim",
    "prescription to paid claim, the first of a pharmacy and of a case",
    "dispense, fill and claim in one",
    "appeal",
    "appeal by signature",
    "open an episode",
    "deliver an episode",
    "assess an episode",
    "assess an episode by signature",
    "let an episode expire",
)

# The acts that have a floor (contracts/test/floors), which is made for what is the same in all of them.
FLOORED = (
    "admit a member",
    "suspend a member",
    "join",
    "join, each of 100",
    "publish the first bundle",
    "publish the first bundle, with a publisher, by signature",
    "publish a bundle",
    "publish a bundle by the controller's signature",
    "publish a bundle directly",
    "rotate by signature",
    "anchor a record",
    "anchor a record, each of 100",
    "anchor a record to the inbox",
    "report",
    "report by signature",
    "grant",
    "grant by signature",
    "grant to a member by signature",
    "grant again by signature",
    "revoke",
    "revoke by signature",
    "revoke by signature what was not sent yet",
    "revoke and publish in one",
    "allowed, with the call",
    "allowed by member, with the call",
    "allowed to family, with the call",
    "letter",
    "letter, each of 50",
    "letter by signature",
    "log receipts of readings, any number",
    "commission 2^20 packs",
    "offer",
    "accept an offer",
    "handoff in two steps",
    "handoff in two steps, of a batch as a whole",
    "handoff in two steps, of a case out of a pallet",
    "handoff by signed offer",
    "dispense the next of a case",
    "dispense the first of a case",
    "dispense the first of a case out of a pallet",
    "dispense the next of a case on another day",
    "dispense for a pharmacist, through a contract",
    "dispense by mask each of 256",
    "recall a batch",
    "log readings, any number",
    "prescribe",
    "prescribe by signature",
    "take",
    "take, from another pharmacy",
    "take for a pharmacist, through a contract",
    "fill",
    "fill for a pharmacist, through a contract",
    *FLOORED_COVER,
)
