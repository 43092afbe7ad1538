"""A slide of 5 GB is sealed, stored, fetched and opened by a process that stays small."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_streams import run_alone

BYTES = 5 * 10**9
ROOM_BYTES = 12 * 10**9
MEMORY_MIB = 200

PROGRAM = """
import hashlib, json, resource, time
from store_streams import keystream
from theriac.crypto.age import open_, sealing_reader
from theriac.crypto.recipients import HybridIdentity
from theriac.store import LocalStore

MIB = 1 << 20

class Hashed:
    def __init__(self, stream):
        self.stream, self.digest, self.size = stream, hashlib.sha256(), 0

    def read(self, count):
        content = self.stream.read(count)
        self.digest.update(content)
        self.size += len(content)
        return content

def rate_of_sha256():
    content, digest, started = bytes(MIB), hashlib.sha256(), time.perf_counter()
    for _ in range(512):
        digest.update(content)
    return 512 * MIB / (time.perf_counter() - started)

folder, size = {folder!r}, {size}
identity = HybridIdentity.generate()
store = LocalStore(folder)
source = Hashed(keystream("slide", size))

before = rate_of_sha256()
started = time.perf_counter()
cid = store.put(sealing_reader(source, to=[identity.recipient]))
put = time.perf_counter() - started

opened = Hashed(open_(store.get_digest(cid.digest), identities=[identity]))
started = time.perf_counter()
while opened.read(MIB):
    pass
get = time.perf_counter() - started

print(json.dumps({{
    "put": {{"size": source.size, "digest": source.digest.hexdigest(), "rate": source.size / put}},
    "got": {{"size": opened.size, "digest": opened.digest.hexdigest(), "rate": opened.size / get}},
    "sha256_rate": (before + rate_of_sha256()) / 2,
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}}))
"""


@pytest.fixture
def roomy_disk(tmp_path: Path) -> Iterator[Path]:
    free = shutil.disk_usage(tmp_path).free
    if free < ROOM_BYTES:
        pytest.skip(
            f"5 GB need {ROOM_BYTES // 10**9} GB of room and {tmp_path} has {free // 10**9}; free some, or --basetemp"
        )
    yield tmp_path / "store"
    shutil.rmtree(tmp_path / "store", ignore_errors=True)


@pytest.mark.heavy
def test_seal_put_get_open__five_gigabytes_in_little_memory(roomy_disk: Path) -> None:
    # when
    found = json.loads(run_alone(PROGRAM.format(folder=str(roomy_disk), size=BYTES)))

    # then
    put, got, raw = found["put"], found["got"], found["sha256_rate"]
    print(f"\npeak memory {found['peak_mib']:.0f} MiB; raw sha256 {raw / 1e6:.0f} MB/s")
    for name, act in (("sealed and stored", put), ("fetched and opened", got)):
        print(f"{name} {act['rate'] / 1e6:.0f} MB/s, {act['rate'] / raw:.2f} of raw sha256")
    assert (put["size"], got["size"]) == (BYTES, BYTES)
    assert got["digest"] == put["digest"]
    assert found["peak_mib"] < MEMORY_MIB
