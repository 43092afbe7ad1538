"""Who may log receipts of readings: anyone, since what counts is the reader's signature on each."""

from authorisation_rows import Row, SignedRow, anyone
from contracts_world import digest

ROWS = (Row("AccessLog", "log", "", lambda _: (digest("root"), 1), anyone),)
SIGNED: tuple[SignedRow, ...] = ()
