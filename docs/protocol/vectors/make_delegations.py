"""Writes delegations.json: what every client that knows delegates, referrals and programmes must compute alike.

`python docs/protocol/vectors/make_delegations.py`. `docs/protocol/delegations.md` says how each value comes about.
"""

import json
from pathlib import Path
from typing import Any

from eth_account import Account as EthAccount
from eth_account.messages import _hash_eip191_message

from theriac.health.bundle import IndexFile, Opening
from theriac.health.delegations import Quorum, commitment
from theriac.health.hours import Nodes, mondays_after
from theriac.health.programmes import Programme, Step
from theriac.health.referrals import Referral, Referred
from theriac.ledger.signer import KeySigner

FILE = Path(__file__).resolve().parent / "delegations.json"
SIGNER = KeySigner(EthAccount.from_key(b"\x31" * 32))
SEED, HOUR = b"\x42" * 32, 52_001
PSEUDONYM = EthAccount.from_key(b"\x32" * 32).address
STEPS = (
    Step("checkup", "Check-up", "health centre", 30),
    Step("hospital", "Seen at the hospital", "hospital", 28, after="checkup", optional=True),
)


def vectors() -> dict[str, Any]:
    """Every vector, inputs beside outputs."""
    members = tuple(EthAccount.from_key(bytes([number]) * 32).address for number in (1, 2, 3))
    quorum = Quorum(PSEUDONYM, b"\x05" * 32, members, 2)
    signatures = {members[0]: b"\x11" * 65, members[2]: b"\x22" * 65}
    unsigned = Programme("Check-up", 7, SIGNER.address, "TREAT", ("laboratory/N", "vitals/N"), STEPS)
    programme = unsigned.signed(SIGNER)
    nodes = Nodes.covering(SEED, [(0, HOUR + 500)])
    clipped = nodes.clipped(since=HOUR, end=HOUR + 5)
    opening = Opening(PSEUDONYM, "laboratory/N", 2, HOUR, clipped)
    referral = Referral(
        PSEUDONYM,
        members[0],
        members[1],
        "TREAT",
        ("laboratory/N",),
        HOUR + 5,
        "please look at the liver",
        (opening,),
        (IndexFile(PSEUDONYM, "laboratory/N", "ab" * 32, HOUR),),
    )
    return {
        "quorum": {
            "pseudonym": PSEUDONYM,
            "salt": quorum.salt.hex(),
            "members": list(quorum.members),
            "holder": quorum.holder,
            "signatures": {name: each.hex() for name, each in signatures.items()},
            "proof": quorum.proof(signatures).hex(),
        },
        "programme": {
            "document": programme.encode().decode(),
            "hash": _hash_eip191_message(unsigned.message()).hex(),
            "account": SIGNER.address,
            "salt": (b"\x06" * 32).hex(),
            "commitment": commitment(programme.encode(), salt=b"\x06" * 32),
        },
        "referral": {
            "seed": SEED.hex(),
            "held": [0, HOUR + 500],
            "since": HOUR,
            "end": HOUR + 5,
            "document": referral.encode().decode(),
        },
        "referred": {
            "pseudonym": referral.pseudonym,
            "reader": referral.reader,
            "purpose": referral.purpose,
            "classes": list(referral.classes),
            "since": HOUR,
            "nonce": 4,
            "document": Referred.of(referral, since=HOUR, nonce=4).encode().decode(),
        },
        "mondays": [{"hour": hour, "mondays": list(mondays_after(hour))} for hour in (0, 119, 120, 121, HOUR)],
    }


def text() -> str:
    return json.dumps(vectors(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
