"""A clock that can be wrong: the file that engines built here read their shift from (`shift.go`)."""

import os
import struct
from pathlib import Path

_FORMAT = "=q"


class Clock:
    """A file with the seconds by which whoever reads it goes ahead of the machine's clock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def environment(self) -> dict[str, str]:
        """What tells an engine to go by it; the file is made where it is missing."""
        if not self.path.exists():
            self.shift(0)
        return {"THERIAC_CLOCK": str(self.path)}

    @property
    def shifted(self) -> int:
        return int(struct.unpack(_FORMAT, self.path.read_bytes())[0])

    def shift(self, seconds: int) -> None:
        """Sets the shift, which counts at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # In place: programs have this very file in their memory.
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(handle, struct.pack(_FORMAT, seconds), 0)
        finally:
            os.close(handle)
