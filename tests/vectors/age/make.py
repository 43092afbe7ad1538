"""Writes the sealed files of this folder, each with the one fault that names it, and `expected.json` beside them.

    .venv/bin/python tests/vectors/age/make.py

Sealing is never without randomness, so each run writes other bytes with the same faults. `expected.json` says for
each file which error opening it must end with (none for a whole file) and which plaintext may have come before. The
outcomes are written by hand here, from the format's specification. `*_example.txt` are the specification's own
examples of an identity and its recipient.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity, X25519Identity

HERE = Path(__file__).parent
PLAIN = b"Allergy to penicillin, severe. Noted on a vector, of nobody."
READER = X25519Identity.from_seed(b"the reader of these vectors, 32 ")
HYBRID_READER = HybridIdentity.from_seed(b"the reader of these vectors, 32 ")
STRANGER = X25519Identity.from_seed(b"a stranger to these vectors, 32.")
HYBRID_STRANGER = HybridIdentity.from_seed(b"a stranger to these vectors, 32.")


@dataclass(frozen=True)
class Expected:
    """What opening comes to: the error's name and facts, and the plaintext given out before."""

    error: str | None
    facts: dict[str, str | int]
    plain: str


@dataclass(frozen=True)
class Vector:
    name: str
    file: bytes
    expected: Expected


def _fails(name: str, file: bytes, error: str, **facts: str | int) -> Vector:
    return Vector(name=name, file=file, expected=Expected(error=error, facts=facts, plain=""))


def _opens(name: str, file: bytes) -> Vector:
    return Vector(name=name, file=file, expected=Expected(error=None, facts={}, plain=PLAIN.decode("ascii")))


def _flip(data: bytes, at: int) -> bytes:
    place = at % len(data)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _flip_base64(text: bytes) -> bytes:
    """The text of the same bytes with the first bit of them flipped, so that it stays base64."""
    data = base64.b64decode(text + b"=" * (-len(text) % 4))
    return base64.b64encode(bytes([data[0] ^ 0x80]) + data[1:]).rstrip(b"=")


def _whole() -> Iterator[Vector]:
    yield _opens("x25519_whole", age.seal_bytes(PLAIN, to=[READER.recipient]))
    yield _opens("x25519_for_two", age.seal_bytes(PLAIN, to=[STRANGER.recipient, READER.recipient]))
    yield _opens("hybrid_whole", age.seal_bytes(PLAIN, to=[HYBRID_READER.recipient]))
    yield _opens("hybrid_for_two", age.seal_bytes(PLAIN, to=[HYBRID_STRANGER.recipient, HYBRID_READER.recipient]))


def _headers() -> Iterator[Vector]:
    sealed = age.seal_bytes(PLAIN, to=[STRANGER.recipient, READER.recipient])
    version, stranger, stranger_body, reader, reader_body, mac, payload = sealed.split(b"\n", 6)
    lines = [version, stranger, stranger_body, reader, reader_body, mac, payload]

    def with_lines(*changed: bytes) -> bytes:
        return b"\n".join(changed)

    def with_line(at: int, line: bytes) -> bytes:
        return with_lines(*lines[:at], line, *lines[at + 1 :])

    yield _fails("header_mac_flipped_bit", with_line(5, b"--- " + _flip_base64(mac[4:])), "HeaderTampered")
    yield _fails("header_stanza_added", with_lines(*lines[:5], b"-> grease", b"", mac, payload), "HeaderTampered")
    yield _fails("header_stanza_removed", with_lines(version, reader, reader_body, mac, payload), "HeaderTampered")
    yield _fails(
        "header_stanzas_swapped",
        with_lines(version, reader, reader_body, stranger, stranger_body, mac, payload),
        "HeaderTampered",
    )
    yield _fails("header_stanza_of_a_stranger_altered", with_line(2, _flip_base64(stranger_body)), "HeaderTampered")
    yield _fails(
        "header_share_flipped_bit", with_line(3, reader[:10] + _flip_base64(reader[10:])), "NoMatchingIdentity", tried=2
    )
    yield _fails("header_body_flipped_bit", with_line(4, _flip_base64(reader_body)), "NoMatchingIdentity", tried=2)
    yield _fails("header_kind_flipped_bit", with_line(3, b"-> X25518" + reader[9:]), "NoMatchingIdentity", tried=2)
    yield _fails(
        "header_share_missing",
        with_line(3, b"-> X25519"),
        "HeaderMalformed",
        fault="a stanza X25519 has 1 arguments, not 2",
    )
    yield _fails(
        "header_body_too_short",
        with_line(4, reader_body[:40]),
        "HeaderMalformed",
        fault="the body of a stanza X25519 has 30 bytes, not 32",
    )
    yield _fails(
        "header_mac_too_short",
        with_line(5, mac[:44]),
        "HeaderMalformed",
        fault="its MAC line is not one MAC",
    )
    yield _fails(
        "header_without_stanza", with_lines(version, mac, payload), "HeaderMalformed", fault="it has no stanza"
    )
    yield _fails("header_cut_in_the_middle", with_lines(*lines[:4]), "HeaderMalformed", fault="it ends in the middle")
    yield _fails(
        "header_with_129_stanzas",
        with_lines(*lines[:5], *[b"-> grease", b""] * 127, mac, payload),
        "HeaderTooLarge",
        limit=128,
        of="stanzas",
    )
    yield _fails("header_of_version_two", with_line(0, b"age-encryption.org/v2"), "NotAnAgeFile")
    yield _fails("header_with_carriage_returns", sealed.replace(b"\n", b"\r\n", 6), "NotAnAgeFile")
    yield _fails("header_behind_a_space", b" " + sealed, "NotAnAgeFile")
    yield _fails("armored", _armor(sealed), "NotAnAgeFile")
    yield _fails("empty", b"", "NotAnAgeFile")


def _hybrid_headers() -> Iterator[Vector]:
    sealed = age.seal_bytes(PLAIN, to=[HYBRID_READER.recipient])
    version, reader, body, mac, payload = sealed.split(b"\n", 4)
    kind = b"-> mlkem768x25519 "
    share = base64.b64decode(reader.removeprefix(kind) + b"==")

    def with_share(changed: bytes) -> bytes:
        return b"\n".join([version, kind + base64.b64encode(changed).rstrip(b"="), body, mac, payload])

    yield _fails("hybrid_mlkem_share_flipped_bit", with_share(_flip(share, 0)), "NoMatchingIdentity", tried=2)
    yield _fails("hybrid_x25519_share_flipped_bit", with_share(_flip(share, 1088)), "NoMatchingIdentity", tried=2)
    yield _fails(
        "hybrid_x25519_share_of_low_order",
        with_share(share[:1088] + bytes(32)),
        "HeaderMalformed",
        fault="the X25519 share of a stanza is a point of low order",
    )
    yield _fails(
        "hybrid_share_without_x25519",
        with_share(share[:1088]),
        "HeaderMalformed",
        fault="the share of a stanza mlkem768x25519 has 1088 bytes, not 1120",
    )
    yield _fails(
        "hybrid_for_a_stranger",
        age.seal_bytes(PLAIN, to=[HYBRID_STRANGER.recipient]),
        "NoMatchingIdentity",
        tried=2,
    )


def _payloads() -> Iterator[Vector]:
    sealed, other = (age.seal_bytes(PLAIN, to=[READER.recipient]) for _ in range(2))
    start = sealed.index(b"\n", sealed.index(b"\n--- ") + 1) + 1
    header, nonce, chunk = sealed[:start], sealed[start : start + 16], sealed[start + 16 :]
    empty = age.seal_bytes(b"", to=[READER.recipient])

    yield _fails("nonce_flipped_bit", header + _flip(nonce, 0) + chunk, "PayloadTampered", chunk=0)
    yield _fails(
        "nonce_cut_short",
        header + nonce[:15],
        "HeaderMalformed",
        fault="the file ends before the payload's nonce",
    )
    yield _fails("chunk_flipped_bit", header + nonce + _flip(chunk, 0), "PayloadTampered", chunk=0)
    yield _fails("chunk_tag_flipped_bit", header + nonce + _flip(chunk, -1), "PayloadTampered", chunk=0)
    yield _fails("chunk_missing", header + nonce, "PayloadTruncated", chunks=0)
    yield _fails("chunk_cut_inside_its_tag", header + nonce + chunk[-10:], "PayloadTruncated", chunks=0)
    yield _fails("chunk_cut_by_a_byte", sealed[:-1], "PayloadTampered", chunk=0)
    yield _fails("chunk_with_a_byte_more", sealed + b"\0", "PayloadTampered", chunk=0)
    yield _fails("chunk_twice", sealed + chunk, "PayloadTampered", chunk=0)
    yield _fails("payload_of_another_file", header + other[start:], "PayloadTampered", chunk=0)
    yield _fails("payload_of_an_empty_file", header + empty[-32:], "PayloadTampered", chunk=0)


def _armor(sealed: bytes) -> bytes:
    text = base64.b64encode(sealed)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN AGE ENCRYPTED FILE-----", *lines, b"-----END AGE ENCRYPTED FILE-----", b""])


def main() -> None:
    for old in HERE.glob("*.age"):
        old.unlink()
    vectors = [*_whole(), *_headers(), *_hybrid_headers(), *_payloads()]
    for vector in vectors:
        (HERE / f"{vector.name}.age").write_bytes(vector.file)

    table = {
        "identities": [HYBRID_READER.unsafe_export_secret(), READER.unsafe_export_secret()],
        "files": {vector.name: asdict(vector.expected) for vector in vectors},
    }
    (HERE / "expected.json").write_text(json.dumps(table, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
