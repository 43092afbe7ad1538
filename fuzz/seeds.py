"""Writes inputs to begin with into the corpus: `python -m fuzz.seeds .build/harvest`.

Most are what the tests handed in (fuzz/harvest.py), the shortest and the longest of each that a target accepts. What a
target wraps by itself is made here. What is there stays; a folder is made anew once it was removed.
"""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import rlp

from fuzz import cover, relayer
from fuzz.crypto import _KEY
from fuzz.targets import ACCOUNT, CLASSIC, CORPUS, HYBRID, Target, all_targets
from fuzz.watch import fault_of
from theriac.cover import papers
from theriac.crypto import age, blind, shares
from theriac.crypto.recipients import FileKey, Stanza, Wrapped, to_base64
from theriac.health import delegate, documents, emergencies, groups, keystore, programmes, requests
from theriac.health.keystore import Lock
from theriac.ledger.codec import checksummed
from theriac.medicine import keys
from theriac.store.cid import Block, Cid, Link, Node, Tree

ROOT = Path(__file__).resolve().parent.parent
MOST = 3
LONGEST = 8 << 10


def made() -> Iterator[tuple[str, bytes]]:
    """Inputs by target."""
    for number, plain in enumerate((b"", b"a sealed file")):
        for identity in (HYBRID, CLASSIC):
            sealed = age.seal_bytes(plain, to=[identity.recipient])
            yield "age", sealed
            if number == 1:
                yield "age-header", sealed.partition(b"---")[0]
    yield from _by_key()
    for path in sorted((ROOT / "tests" / "vectors" / "age").glob("*.age")):
        if path.stat().st_size < 1500 and "mac" in path.name:
            yield "age", path.read_bytes()
    yield from _vectors()
    yield "base64", to_base64(b"thirty-two bytes of a body, yes!").encode()
    for identity in (HYBRID, CLASSIC):
        yield "recipient", str(identity.recipient).encode()
        yield "identity", identity.unsafe_export_secret().encode()
    yield "bech32", str(CLASSIC.recipient).encode()
    yield "blind-key", blind.encode_key(blind.generate().public_key())
    yield "shares", "\n".join(shares.split(b"sixteen bytes ..", k=2, n=3)).encode()
    yield from _store()
    yield from _light()
    yield "abi", bytes(2) + b"".join(number.to_bytes(32, "big") for number in (32, 1, 2, 96, 4))
    yield (
        "revert",
        bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (3).to_bytes(32, "big") + b"why".ljust(32, b"\0"),
    )
    yield "json", b'{"a": ["\\u0061\\"[", 1, -0.5e3, true, null, {"b": {}}]}'
    yield "framing", (5).to_bytes(4, "big") + b"hello\0\0\0"
    yield from _health()
    yield from _medicine()


class _WithKey:
    """A recipient that hands the one file key on in the open."""

    def wrap(self, file_key: FileKey) -> Wrapped:
        return Wrapped(Stanza(args=("open",), body=file_key.unsafe_export_secret()), labels=frozenset())


def _by_key() -> Iterator[tuple[str, bytes]]:
    before = FileKey.generate
    FileKey.generate = classmethod(lambda cls: _KEY)  # type: ignore[assignment,method-assign]
    try:
        for size in (0, 20, 3000):
            yield "age-file-key", age.seal_bytes(bytes(size), to=[_WithKey()])
    finally:
        FileKey.generate = before  # type: ignore[method-assign]


def _vectors() -> Iterator[tuple[str, bytes]]:
    """Of the public vectors of age the short ones, in the order of their names, one of each beginning."""
    script = ROOT / "tests" / "crypto" / "cctv_vectors.mjs"
    done = subprocess.run(["node", str(script)], capture_output=True, timeout=60, check=True)
    begun: set[str] = set()
    for name, text in sorted(json.loads(done.stdout).items()):
        head, _, file = base64.b64decode(text).partition(b"\n\n")
        kind = name[:6]
        if b"compressed" not in head and b"passphrase" not in head and len(file) < 400 and kind not in begun:
            begun.add(kind)
            yield "age", file


def _store() -> Iterator[tuple[str, bytes]]:
    blocks: list[Block] = []
    tree = Tree(blocks.append)
    tree.write(bytes(1 << 20) + b"rest")
    cid = tree.finish()
    yield "cid", str(cid).encode()
    yield "cid", str(Cid.raw(bytes(32))).encode()
    yield "dag-root", bytes(blocks[-1].content)
    leaf = Link(Cid.raw(hashlib.sha256(b"").digest()), size=1 << 20, weight=1 << 20)
    yield "dag-inner", Node((leaf,) * 3).encode()
    small = b"a leaf of one block"
    yield "blocks", len(small).to_bytes(2, "big") + small
    root = blocks[-1].content
    yield "blocks", (4).to_bytes(2, "big") + b"rest" + len(root).to_bytes(2, "big") + root


def _light() -> Iterator[tuple[str, bytes]]:
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "ledger")]
    from eth_utils.crypto import keccak
    from light_recording import recorded

    seen: set[str] = set()
    for method, _, answer in recorded()["told"]:
        result = answer.get("result")
        if method not in ("kaia_getHeaderByNumber", "eth_getProof", "kaia_getBlockReceipts") or not result:
            continue
        if method in seen:
            continue
        seen.add(method)
        if method == "kaia_getHeaderByNumber":
            yield "light-header", json.dumps(result).encode()
            yield "light-extra", bytes.fromhex(result["extraData"][2:])
            yield "node", json.dumps(result).encode()
        elif method == "kaia_getBlockReceipts":
            yield "light-receipt", json.dumps(result[0]).encode()
        else:
            nodes = [bytes.fromhex(each[2:]) for each in result["accountProof"]]
            address = bytes.fromhex(result["address"][2:])
            yield "light-proof", keccak(nodes[0]) + address + rlp.encode(nodes)


def _health() -> Iterator[tuple[str, bytes]]:
    entry = {
        "digest": "00" * 32,
        "author": 1,
        "generation": 0,
        "first": 98_000,
        "anchored": 1_900_000_000,
        "summary": {"title": "Glucose"},
        "key": "",
        "resealed_from": "",
        "proofs": "",
    }
    part = json.dumps({"kind": "part", "format": 1, "entries": [entry]}, separators=(",", ":"))
    outer = {"kind": "index", "format": 1, "pseudonym": ACCOUNT, "cls": "laboratory/N"}
    parts = [{"generation": 0, "first": 98_000, "sealed": "THE PART"}]
    yield "index", json.dumps({**outer, "parts": parts}).encode() + b"\n" + part.encode()
    yield "words", documents.encode("shares", {"home": ACCOUNT, "words": ["academic acid"]})
    yield "nodes", json.dumps([[0, 98_000, "00" * 32]]).encode()
    for reason in emergencies.Reason:
        yield "reason", reason.word.encode()
    yield "key-class", b"laboratory/N"
    yield "purpose", b"TREAT"
    yield "emergency-card", emergencies.Card(31337, ACCOUNT).encode().encode()
    yield "emergency-card", checksummed(bytes.fromhex(ACCOUNT[2:])).encode()
    body = json.dumps(
        {"kind": "group", "format": groups.FORMAT, "calls": [{"contract": "Grants", "data": "00" * 4}], "documents": []}
    ).encode()
    yield "group", body
    yield "relayer-http", body
    yield from _papers()
    for version in (b"", b" HTTP/0.9", b" HTTP/2.0"):
        yield "relayer-http", b"GET /v1/groups/00%s\r\nHost: x\r\n\r\n" % version
    for line in (b"GET /v1/relayer", b"GET /v1/groups/" + b"ab" * 32, b"OPTIONS *"):
        yield "relayer-http", line + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /v1/groups HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield "relayer-http", head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    yield "relay-answer", b'\0{"kind":"relayer","format":1,"relayer":"0x00"}'
    yield "relay-answer", b'\3{"code":"unknown","reason":"no such group"}'
    for path in sorted((ROOT / "tests" / "fixtures" / "consents").glob("*.json"))[::8]:
        yield "consent", path.read_bytes()
    yield "dicom", (ROOT / "examples" / "dicom" / "gradient.dcm").read_bytes()[:6000]
    yield "picture", (ROOT / "examples" / "dicom" / "gradient.dcm").read_bytes()[:6000]


def _papers() -> Iterator[tuple[str, bytes]]:
    """Documents that only a town of several clients makes, field by field."""
    vectors = ROOT / "docs" / "protocol" / "vectors"
    kept = json.loads((vectors / "documents.json").read_bytes())
    introduction = kept["introduction"]["document"].encode()
    inboxes = json.loads(introduction)["inboxes"]
    account = kept["inboxes"]["pseudonym"]
    yield "introduction", introduction
    escrow = {"shares": [base64.b64encode(b"sealed").decode()], "commitments": ["ab" * 32]}
    named = {"pseudonym": account, "version": 1, "inboxes": inboxes, "files": ["AAAA"], "classes": ["cd" * 32]}
    yield "bundle", documents.encode("bundle", {**named, "backup": ""})
    yield "bundle", documents.encode("bundle", {**named, "backup": "ef" * 32, "escrow": escrow})
    row = {"cls": "laboratory/N", "generation": 1, "first": 98_000, "until": 98_100, "recipient": str(HYBRID.recipient)}
    yield "rows", documents.encode("rows", {"pseudonym": account, "rows": [row], "receipts": ["ab" * 32]})
    capsule = {
        "pseudonym": account,
        "reader": account,
        "openings": [kept["opening"]["opening"]],
        "keys": [{"source": account, "digest": "ab" * 32, "key": "07" * 16}],
        "indexes": [{"source": account, "cls": "laboratory/N", "digest": "ab" * 32, "hour": 98_000}],
        "inboxes": [{"source": account, "seed": "07" * 32}],
        "referable": 98_100,
    }
    yield "capsule", documents.encode("capsule", capsule)
    manifest = kept["manifest"]["document"].encode()
    yield "manifest", manifest
    yield "record", len(manifest).to_bytes(4, "big") + manifest + bytes(64)

    share = documents.seal(documents.encode("share", {"home": ACCOUNT, "words": "academic acid"}), to=HYBRID.recipient)
    lock = Lock(HYBRID.recipient, {"by": "shares", "shares": [base64.b64encode(share).decode()]})
    yield "keystore", keystore.seal(b"a secret", lock)
    yield "share-in-backup", keystore.seal(b"a secret", lock)
    yield "answer", requests.Answer(account, "ab" * 32, True, "for the visit").encode()
    proofs = json.loads(sorted((CORPUS / "disclosure").glob("*"))[0].read_bytes())["proofs"]
    yield "receipts-letter", documents.encode("receipts", {"pseudonym": account, "proofs": proofs})

    named = {"threshold": 2, "accounts": [account], "account": account, "place": 3, "salt": "07" * 32}
    item = {**named, "pseudonym": account, "controller": account, "round": 1, "deadline": 1_900_000_000}
    yield "plea", documents.encode("plea", {"guardian": "Ben", "home": account, "items": [item]})
    approved = {"pseudonym": account, "account": account, "signature": "11" * 65}
    yield "approval", documents.encode("approval", {"guardian": "Ben", "items": [approved]})
    yield "call", documents.encode("call", {"home": account, "recipient": str(HYBRID.recipient)})
    signed = json.loads((vectors / "delegations.json").read_bytes())["programme"]["document"].encode()
    yield "programme", signed
    yield "programme-terms", signed
    yield "enrolment", programmes.Taken(account, 4, "06" * 32, 52_000, 53_000).encode()
    yield "step", programmes.Note(account, 4, "checkup", 52_001, True, "a reason").encode()
    yield "delegate-offer", delegate.Offer("Dan", str(HYBRID.recipient), (account,)).encode()
    mandate = {
        "pseudonym": account,
        "by": 4,
        "name": "Dan",
        "holder": account,
        "classes": ["laboratory/N"],
        "since": 0,
        "purposes": ["TREAT"],
        "end": 53_000,
        "ages": 0,
        "threshold": 2,
        "salt": "05" * 32,
        "members": [account],
        "recipient": "",
    }
    yield "mandate", documents.encode("mandate", {"patient": "Ann", "mandates": [mandate]})
    act = {"kind": "grant", "reader": account, "purpose": "TREAT", "nonce": 1, "era": 0, "deadline": 1_900_000_000}
    act |= {"classes": ["laboratory/N"], "expiry": 1_900_000_000}
    values = {"mandate": mandate, "act": act, "signatures": {account: "11" * 65}}
    yield "quorum", documents.encode("quorum", values)
    question = {"reader": account, "first": account, "second": checksummed(bytes(19) + b"\1"), "number": "09" * 16}
    yield "same-question", documents.encode("same question", {**question, "reason": "one file", "until": 1_900_000_000})
    yield "group", _group(account)
    yield "relayer-http", _group(account)

    small = [{"resourceType": "Patient", "id": "p", "text": {"status": "generated", "div": "<div>A &amp; B</div>"}}]
    small += [{"resourceType": "Observation", "id": "o", "status": "final", "subject": {"reference": "Patient/p"}}]
    entries = [{"fullUrl": f"urn:uuid:{number}", "resource": each} for number, each in enumerate(small)]
    yield "fhir-bundle", json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    for each in small:
        yield "fhir-rows", json.dumps(each).encode()
    yield "opening", documents.encode("claim opening", {"salt": "00" * 32})


def _group(account: str) -> bytes:
    """A revocation that everybody can read, and nobody signed."""
    contract = relayer.contracts()["Grants"]
    abi: Any = contract.abi
    inputs = next(each for each in abi if each.get("name") == "revokeBySig")["inputs"]
    data = contract.encode_abi("revokeBySig", [_zero(each, account) for each in inputs])
    call = {"contract": "Grants", "data": str(data).removeprefix("0x")}
    values = {
        "kind": "group",
        "format": groups.FORMAT,
        "calls": [call],
        "documents": [],
        "voucher": None,
        "blank": None,
    }
    return json.dumps(values, separators=(",", ":")).encode()


def _zero(parameter: Any, account: str) -> Any:
    kind = parameter["type"]
    if kind == "tuple":
        return {each["name"]: _zero(each, account) for each in parameter["components"]}
    if kind.endswith("[]"):
        return []
    plain = {"address": account, "bytes": bytes(65), "string": "TREAT", "bool": False}
    return plain.get(kind, bytes(32) if kind == "bytes32" else 1)


def _medicine() -> Iterator[tuple[str, bytes]]:
    well_formed = json.loads((ROOT / "tests" / "vectors" / "gs1" / "well_formed.json").read_bytes())
    texts = [each for each in _texts(well_formed) if len(each) > 20]
    for text in texts[:: max(1, len(texts) // 8)]:
        yield "gs1", text.encode()
        yield "wedge", text.encode()
        yield "gs1-elements", text.encode()
    yield "gs1", b"\x1d010401234567890121SERIAL\x1d10LOT\x1d17310300"
    key = b"a key of the consortium, 32 byte"
    yield "consortium-key", keys.sealed_to(key, [HYBRID.recipient])
    sheet = sorted((CORPUS / "sheet").glob("*"))[0].read_bytes()
    yield "sealed-sheet", len(sheet).to_bytes(4, "big") + sheet
    small = replace(cover.schedule(), entries=cover.schedule().entries[:3])
    yield "schedule", small.encode()
    common = (bytes(32), "An insurer", small, papers.Year(date(2030, 1, 1), 400, 700, 1_925_000_000))
    account = checksummed(bytes.fromhex(ACCOUNT[2:]))
    yield "cover-card", papers.Card(*common, account).encode()
    yield "cover-offer", papers.Offer(*common, 5, 6, account).encode()
    yield "epcis-time", b"2031-03-10T10:20:30.1234+02:00"
    yield "readings-csv", b"time,celsius\n2031-03-10T10:00:00Z,5.25\n2031-03-10T12:00:00+01:00,-1\n"
    yield "plan", (ROOT / "examples" / "plan.yaml").read_bytes()[:4000]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _accepted(target: Target, data: bytes) -> bool:
    try:
        target.read(data)
    except target.may:
        return False
    except Exception:
        return True
    return True


def _chosen(target: Target, folder: Path) -> Iterator[bytes]:
    """Of what was harvested the shortest, the longest, and one between."""
    found = [path.read_bytes() for path in sorted(folder.glob("*")) if path.stat().st_size <= LONGEST]
    found = [data for data in found if _accepted(target, data)]
    places = dict.fromkeys((0, len(found) - 1, len(found) // 2)) if found else {}
    yield from (found[place] for place in places)


def main() -> None:
    harvest = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".build" / "harvest"
    targets = all_targets()
    new = {name for name, target in targets.items() if not target.folder.exists()}

    def keep(name: str, data: bytes) -> None:
        if name in new:
            targets[name].folder.mkdir(parents=True, exist_ok=True)
            (targets[name].folder / f"seed-{hashlib.sha256(data).hexdigest()[:8]}").write_bytes(data)

    # What is made by hand wraps some of the others.
    for name, target in targets.items():
        alike = {"dossier-verified": "dossier", "document": "profile"}.get(name, name)
        for data in _chosen(target, harvest / alike):
            keep(name, data)
    for name, data in made():
        keep(name, data)
    for name, target in targets.items():
        read = sum(_accepted(target, data) for data in target.seeds())
        faults = {str(fault) for data in target.seeds() if (fault := fault_of(target, data))}
        print(
            f"{name}: {len(target.seeds())} seeds, {read} of them accepted" + "".join(f"\n  {each}" for each in faults)
        )


if __name__ == "__main__":
    main()
