"""Sealing a file into the store and opening it again, beside the slower of its two primitives alone."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from benches.figures import Bars, Figure, Run, Section
from benches.timing import Act, Effort, in_turns, memory_folder, peak_memory, seconds
from theriac.crypto import age
from theriac.crypto.recipients import HybridIdentity, X25519Identity
from theriac.store import LocalStore, compute
from theriac.store.cid import CORES

CHUNK = 64 << 10
PIECE = 1 << 20
SIZES = {"4 KiB": 4 << 10, "1 MiB": 1 << 20, "100 MiB": 100 << 20, "1 GiB": 1 << 30}
REACH, FROM = 0.7, 100 << 20
SLOWER = "the slower primitive alone"
ROOT = Path(__file__).resolve().parent.parent

PROSE = """
A file is encrypted (ChaCha20-Poly1305 in chunks of 64 KiB, as age does) and named by its bytes (SHA-256). *Sealed and
stored* is `LocalStore.put` of a file sealed to a post-quantum reader while it is read, to the point where it is safe
on the disk; *fetched and opened* is the other way, with every block's digest and every chunk's tag verified before a
byte is given out; *sealed and named* keeps nothing. Beside them stand the same bytes through each primitive alone, in
the same process and in turns; the slower counts. From 100 MiB on, 0.7 of that is asked. Encrypting, hashing and
writing go on at once, on as many cores as there are: one figure of 100 MiB stands beside what the three take one after
the other, and two cores cannot do better than twice that. Small files are the post-quantum key wrap, and some files'
names on the disk. The store's folder is in memory where the machine has such a
file system, so that what is measured is the program; *on a disk* is the same in an ordinary folder, beside writing
and syncing the same bytes as one file.
"""


def measure(effort: Effort) -> Section:
    sizes = dict(list(SIZES.items())[: 2 if effort.small else None])
    middle = SIZES["1 MiB" if effort.small else "100 MiB"]
    figures: list[Figure] = []
    with TemporaryDirectory(prefix="theriac-bench-", dir=memory_folder(4 * max(sizes.values()))) as folder:
        for name, size in sizes.items():
            figures += _sized(name, os.urandom(size), LocalStore(Path(folder, name)), effort)
        others, skipped = _beside_others(middle, Path(folder), effort)
        figures += others
        figures.append(_memory(middle, Path(folder), effort))
    with TemporaryDirectory(prefix="theriac-bench-") as folder:
        figures.append(_on_a_disk(os.urandom(middle), Path(folder), effort))
    bars = tuple(
        (f"{name} {what}", f"sealing/{name}/{key}")
        for name in sizes
        for key, what in (("name", "sealed, named"), ("put", "sealed, stored"), ("get", "fetched, opened"))
    )
    chart = Bars("sealing", "Sealed and stored, fetched and opened", f"share of {SLOWER}", bars)
    return Section("sealing", "Sealing and opening", PROSE, tuple(figures), charts=(chart,), skipped=skipped)


def _sized(name: str, data: bytes, store: LocalStore, effort: Effort) -> Iterator[Figure]:
    identity = HybridIdentity.generate()
    cid = store.put(_sealed(data, identity))
    opened = hashlib.sha256()
    _through(age.open_(store.get(cid), identities=[identity]), opened.update)
    assert opened.digest() == hashlib.sha256(data).digest()

    def emptied() -> None:
        for each in list(store.pins()):
            if each != cid:
                store.unpin(each)
        store.collect_garbage()

    slower = max((_encrypt, _hash), key=lambda primitive: seconds(lambda: primitive(data)))
    # A gigabyte takes seconds, and its runs differ less.
    runs = effort.runs if len(data) <= FROM else max(1, effort.runs - 2)
    acts: dict[str, tuple[str, Act]] = {
        "name": ("sealed and named", lambda: compute(_sealed(data, identity))),
        "put": ("sealed and stored", lambda: store.put(_sealed(data, identity))),
        "get": ("fetched and opened", lambda: _through(age.open_(store.get(cid), identities=[identity]))),
    }
    for key, (what, act) in acts.items():
        taken = in_turns(act, lambda: slower(data), effort=effort, runs=runs, after=emptied)
        reach = REACH if len(data) >= FROM else None
        yield Figure(f"sealing/{name}/{key}", f"{name} {what}", "s", SLOWER, taken, reach=reach)
    if len(data) == FROM:
        with TemporaryDirectory(dir=Path(store.place).parent) as folder:

            def cleared() -> None:
                emptied()
                for path in Path(folder).iterdir():
                    path.unlink()

            taken = in_turns(acts["put"][1], lambda: _parts(data, Path(folder)), effort=effort, after=cleared)
        beside = f"encrypted, hashed and written as files of 1 MiB, one after the other; {CORES} cores"
        yield Figure(f"sealing/{name}/parts", f"{name} sealed and stored", "s", beside, taken)
    store.unpin(cid)
    store.collect_garbage()


def _parts(data: bytes, folder: Path) -> None:
    """What storing a sealed file cannot do without."""
    _encrypt(data)
    _hash(data)
    for at in range(0, len(data), PIECE):
        (folder / str(at)).write_bytes(memoryview(data)[at : at + PIECE])


def _on_a_disk(data: bytes, folder: Path, effort: Effort) -> Figure:
    """The same where the bytes must reach a disk, beside one plain file that must."""
    identity, store, plain = HybridIdentity.generate(), LocalStore(folder / "store"), folder / "plain"

    def written() -> None:
        with plain.open("wb", buffering=0) as file:
            for at in range(0, len(data), PIECE):
                file.write(memoryview(data)[at : at + PIECE])
            os.fsync(file.fileno())

    def emptied() -> None:
        plain.unlink(missing_ok=True)
        for cid in list(store.pins()):
            store.unpin(cid)
        store.collect_garbage()

    runs = in_turns(lambda: store.put(_sealed(data, identity)), written, effort=effort, after=emptied)
    what = f"{len(data) >> 20} MiB sealed and stored on a disk"
    return Figure("sealing/disk/put", what, "s", "one plain file of as many bytes, written and synced", runs)


def _beside_others(size: int, folder: Path, effort: Effort) -> tuple[list[Figure], tuple[str, ...]]:
    """Files sealed and opened beside the programs of the same format, which stand on the PATH or nowhere."""
    program = next((name for name in ("age", "rage") if shutil.which(name)), None)
    if program is None:
        return [], ("`age` beside it: install it (Debian's package `age`, or `rage`) and have it on the PATH.",)
    identity, plain, sealed, out = X25519Identity.generate(), folder / "plain", folder / "sealed", folder / "out"
    plain.write_bytes(os.urandom(size))
    keys = folder / "keys"
    keys.write_text(identity.unsafe_export_secret() + "\n")

    def ours(act: Callable[[BinaryIO, BinaryIO], object], source: Path) -> None:
        with source.open("rb", buffering=0) as inward, out.open("wb", buffering=0) as outward:
            act(inward, outward)

    def seal() -> None:
        ours(lambda inward, outward: age.seal(inward, outward, to=[identity.recipient]), plain)

    def open_() -> None:
        ours(lambda inward, outward: _through(age.open_(inward, identities=[identity]), outward.write), sealed)

    def theirs(*words: str) -> None:
        out.unlink(missing_ok=True)
        # What comes in is named last.
        command = [str(program), *words[:-1], "-o", str(out), words[-1]]
        subprocess.run(command, check=True, capture_output=True)

    theirs("-r", str(identity.recipient), str(plain))
    out.replace(sealed)
    open_()
    assert out.read_bytes() == plain.read_bytes(), f"what {program} sealed opened as something else"
    figures = []
    for key, what, act, words in (
        ("seal", "sealed, file to file, X25519", seal, ("-r", str(identity.recipient), str(plain))),
        ("open", "opened, file to file, X25519", open_, ("-d", "-i", str(keys), str(sealed))),
    ):
        runs = in_turns(act, lambda words=words: theirs(*words), effort=effort)  # type: ignore[misc]
        beside = f"the program `{program}`, which uses all cores"
        figures.append(Figure(f"sealing/age/{key}", f"{size >> 20} MiB {what}", "s", beside, runs))
    return figures, ()


def _memory(size: int, folder: Path, effort: Effort) -> Figure:
    """The most memory of a process that seals, stores, fetches and opens a file, beside one that only imports."""
    path = folder / "large"
    with path.open("wb") as file:
        for _ in range(0, size, PIECE):
            file.write(os.urandom(PIECE))

    def peak(*words: str) -> float:
        command = [sys.executable, "-m", "benches.sealing", *words]
        return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout)

    runs = tuple(Run(peak(str(path), str(folder / "child")), peak()) for _ in range(min(effort.runs, 3)))
    path.unlink()
    what = f"peak memory of a process that seals, stores, fetches and opens {size >> 20} MiB"
    return Figure("sealing/memory", what, "MiB", "of one that imports the same and does nothing", runs)


def _sealed(data: bytes, identity: HybridIdentity) -> BinaryIO:
    return age.sealing_reader(io.BytesIO(data), to=[identity.recipient])


def _encrypt(data: bytes) -> None:
    cipher, whole = ChaCha20Poly1305(bytes(32)), memoryview(data)
    for at in range(0, len(data), CHUNK):
        cipher.encrypt(at.to_bytes(12, "big"), whole[at : at + CHUNK], None)


def _hash(data: bytes) -> None:
    hashlib.sha256(data).digest()


def _through(stream: BinaryIO, take: Callable[[bytes], object] = lambda piece: None) -> None:
    while piece := stream.read(PIECE):
        take(piece)


def _child(path: str, folder: str) -> None:
    """Seals, stores, fetches and opens a file."""
    identity, store = HybridIdentity.generate(), LocalStore(folder)
    with open(path, "rb") as file:
        cid = store.put(age.sealing_reader(file, to=[identity.recipient]))
    _through(age.open_(store.get(cid), identities=[identity]))


if __name__ == "__main__":
    if sys.argv[1:]:
        _child(*sys.argv[1:])
    print(peak_memory())
