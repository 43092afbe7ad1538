"""Packs as the chain sees them: commitments that tell nothing, and places that do not tell how many there are."""

import hashlib
import hmac
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from theriac.errors import BatchTooLarge, WrongPack
from theriac.medicine.tree import DEPTH, Shape, keccak

KEY_SIZE = 32
_LONGEST = 255


@dataclass(frozen=True)
class Product:
    """What all packs of a batch have in common.

    `code` is a GTIN of 14 digits, a PPN, or the seven digits of China's product; `lot` and `expiry` are as printed, the
    lot empty and the expiry None where the pack's code does not carry them.
    """

    code: str
    lot: str
    expiry: date | None

    def encoded(self) -> bytes:
        """The product as it is hashed: each field after its length, so that no two products read alike."""
        expiry = self.expiry.strftime("%y%m%d") if self.expiry else ""
        return b"".join(_framed(text) for text in (self.code, self.lot, expiry))


def _framed(text: str) -> bytes:
    data = text.encode()
    if len(data) > _LONGEST:
        raise WrongPack(text=text[:40], fault=f"is longer than {_LONGEST} bytes")
    return bytes([len(data)]) + data


@dataclass(frozen=True)
class BatchKey:
    """The secret of a batch: whoever has it can tell what a commitment of this batch is about."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_SIZE:
            raise WrongPack(text="A batch's key", fault=f"has {len(self.secret)} bytes and needs {KEY_SIZE}")

    def __repr__(self) -> str:
        return "BatchKey(...)"

    def _derive(self, purpose: bytes, *, about: bytes = b"") -> bytes:
        return hmac.digest(self.secret, purpose + b"\0" + about, "sha256")

    def salt(self, serial: str) -> bytes:
        """The salt of one pack: without the key, a serial that is guessed cannot be looked for."""
        return self._derive(b"salt", about=serial.encode())

    def committer(self, product: Product) -> "Committer":
        """Computes the commitments of many packs."""
        return Committer(self, product)

    def product_commitment(self, product: Product) -> bytes:
        """Of the product alone, so that it can be opened without the lot."""
        return keccak(self._derive(b"product") + _framed(product.code))

    def lot_commitment(self, product: Product) -> bytes:
        """Of the product, its lot and its expiry."""
        return keccak(self._derive(b"lot") + product.encoded())


class Committer:
    """keccak-256 over salt of 32 bytes, product as encoded, and the serial after its length.

    The salt is `BatchKey.salt`, as HMAC is defined (RFC 2104) over two hashes that have taken the key in already:
    Python's own HMAC takes twice as long, and there are a million of them.
    """

    def __init__(self, key: BatchKey, product: Product) -> None:
        block = key.secret.ljust(hashlib.sha256().block_size, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + b"salt\0").copy
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy
        self._product = product.encoded()

    def commitment(self, serial: str) -> bytes:
        """The commitment of the pack with this serial, 32 bytes: what the chain calls `pack`."""
        return self.commitment_of(serial.encode())

    def commitment_of(self, serial: bytes) -> bytes:
        """The same for a serial in UTF-8."""
        if not 0 < len(serial) <= _LONGEST:
            raise WrongPack(text=serial.decode()[:40], fault="is no serial")
        inner, outer = self._inner(), self._outer()
        inner.update(serial)
        outer.update(inner.digest())
        return keccak(b"".join((outer.digest(), self._product, bytes((len(serial),)), serial)))


def commitment_of(salt: bytes, product: Product, serial: str) -> bytes:
    """The commitment of one pack from its own salt, for whoever was given that and not the batch's key."""
    return keccak(b"".join((salt, product.encoded(), _framed(serial))))


def tag_of(consortium_key: bytes, code: str, lot: str) -> bytes:
    """How a scanner finds the batches of a product and lot on the chain: HMAC-SHA256 under the consortium's key."""
    return hmac.digest(consortium_key, b"batch\0" + _framed(code) + _framed(lot), "sha256")


# -- places ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """How many packs are in a case, and in which pallet it stands; pallets are numbered from 0 as they come."""

    pallet: int
    packs: int


def cases_of(count: int, shape: Shape, *, case: int | None = None, pallet: int | None = None) -> list[Case]:
    """Cases for `count` packs: `case` packs in each and `pallet` cases on a pallet, or as many as there is room for."""
    per_case = case or 1 << shape.case_bits
    per_pallet = pallet or 1 << (shape.pallet_bits - shape.case_bits)
    sizes = [per_case] * (count // per_case) + ([count % per_case] if count % per_case else [])
    # Cases that are alike are one object: there may be a million of them.
    found: list[Case] = []
    for number, size in enumerate(sizes):
        made = Case(pallet=number // per_pallet, packs=size)
        found.append(found[-1] if found and found[-1] == made else made)
    return found


def places(cases: Sequence[Case], shape: Shape, *, key: BatchKey) -> Iterator[int]:
    """The index of each pack, case after case, drawn at random from the batch's key.

    The places that are taken lie anywhere in the tree, so that an index that is seen on the chain says nothing of how
    many packs there are; only a full tree has nowhere to hide.

    :raises BatchTooLarge: there is no room for so many pallets, cases or packs.
    """
    draw = random.Random(int.from_bytes(key._derive(b"places"), "big"))
    case_room, rooms = 1 << shape.case_bits, 1 << (shape.pallet_bits - shape.case_bits)
    pallets = sorted({case.pallet for case in cases})
    _check_room(len(pallets), 1 << (DEPTH - shape.pallet_bits), "pallets")
    slots = dict(zip(pallets, draw.sample(range(1 << (DEPTH - shape.pallet_bits)), len(pallets)), strict=True))
    counted = dict.fromkeys(pallets, 0)
    for case in cases:
        counted[case.pallet] += 1
    free: dict[int, Iterator[int]] = {}
    for pallet, number in counted.items():
        _check_room(number, rooms, "cases on a pallet")
        free[pallet] = iter(draw.sample(range(rooms), number))
    for case in cases:
        _check_room(case.packs, case_room, "packs in a case")
        first = ((slots[case.pallet] << (shape.pallet_bits - shape.case_bits)) | next(free[case.pallet])) * case_room
        full = case.packs == case_room
        for offset in range(case_room) if full else sorted(draw.sample(range(case_room), case.packs)):
            yield first + offset


def _check_room(wanted: int, room: int, what: str) -> None:
    if wanted > room:
        raise BatchTooLarge(wanted=wanted, room=room, what=what)
