"""Which process listens at a port of this machine, so that a test can stop it and let it go on."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit


def process_at(uri: str) -> int:
    """The process that listens at a port of this machine."""
    port = urlsplit(uri).port
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            parts = line.split()
            if int(parts[1].rpartition(":")[2], 16) == port and parts[3] == "0A":
                inodes.add(parts[9])
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(handle))
        except OSError:
            continue
        if found and found.group(1) in inodes:
            return int(handle.parts[2])
    raise AssertionError(f"nothing listens at {uri}")
