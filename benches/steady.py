"""Makes a story of the demo repeatable to the byte, for comparing engines. Never for anything but a comparison.

What varies from run to run is drawn at random or read from the chain's clock. Here

    random bytes      come from a seed, in an own stream for each module that draws, as no engine changes what it draws
    key wraps         (HPKE draws inside of its library) are those of the first run, kept on a tape by key and recipient
    the chain's time  is read as the full hour that it is in, since engines make blocks some seconds apart
    a vault's place   (the block up to which it has filed) is left out of its backup: some engines make empty blocks

and everything else, of the chain, the store, the sealing and the opening, is as it always is.
"""

import hashlib
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

from theriac.crypto.recipients import FileKey, HybridRecipient, Stanza, Wrapped
from theriac.health.chain import Anchor, Chain
from theriac.health.vault import Vault
from theriac.ledger.node import Node

HOUR = 3600
_PASSING = {"os", "random", "secrets", "uuid", __name__}


class Draws:
    """Bytes that are the same at each run."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._drawn: Counter[str] = Counter()

    def __call__(self, count: int) -> bytes:
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_globals.get("__name__") in _PASSING:
            frame = frame.f_back
        who = str(frame.f_globals.get("__name__"))
        self._drawn[who] += 1
        return hashlib.shake_256(f"{self._seed}/{who}/{self._drawn[who]}".encode()).digest(count)


class Tape:
    """The wraps of file keys, by what was wrapped for whom; the file at `path` is made by the first run.

    `missed` counts those that it did not hold.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, list[Any]] = json.loads(path.read_text()) if path.exists() else {}
        self._asked: Counter[str] = Counter()
        self.missed = 0

    def wrap(self, recipient: HybridRecipient, key: FileKey, wrap: Any) -> Wrapped:
        what = hashlib.sha256(recipient.public_key + key.unsafe_export_secret()).hexdigest()
        self._asked[what] += 1
        name = f"{what}/{self._asked[what]}"
        if name not in self._kept:
            self.missed += 1
            wrapped: Wrapped = wrap(recipient, key)
            self._kept[name] = [list(wrapped.stanza.args), wrapped.stanza.body.hex(), sorted(wrapped.labels)]
        args, body, labels = self._kept[name]
        return Wrapped(Stanza(tuple(args), bytes.fromhex(body)), frozenset(labels))

    def save(self) -> None:
        self._path.write_text(json.dumps(self._kept))


@contextmanager
def steady(*, seed: str, tape: Tape) -> Iterator[None]:
    """Everything inside can be repeated, with the same seed and tape."""
    draws = Draws(seed)
    wrap, encode = HybridRecipient.wrap, Vault.encode
    time, anchors = Node._time, Chain.anchors

    def of_the_hour(node: Node, value: Any) -> datetime:
        return time(node, value).replace(minute=0, second=0)

    def anchored(chain: Chain, *asked: Any) -> list[Anchor]:
        return [replace(found, time=found.time // HOUR * HOUR) for found in anchors(chain, *asked)]

    def without_place(vault: Vault) -> bytes:
        place, vault.cursor = vault.cursor, 0
        try:
            return encode(vault)
        finally:
            vault.cursor = place

    with (
        mock.patch.object(os, "urandom", draws),
        mock.patch.object(random, "_urandom", draws),
        mock.patch.object(HybridRecipient, "wrap", lambda recipient, key: tape.wrap(recipient, key, wrap)),
        mock.patch.object(Node, "_time", of_the_hour),
        mock.patch.object(Chain, "anchors", anchored),
        mock.patch.object(Vault, "encode", without_place),
    ):
        yield
    tape.save()
