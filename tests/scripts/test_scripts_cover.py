"""Cover by the commands of a patient, a clinic, two pharmacies and an insurer, on a real chain."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cover_town import CHECK_UP, Insured, claim_file, insured_town
from pharmacy_town import code


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Insured]:
    with insured_town(tmp_path_factory.mktemp("cover")) as found:
        yield found


def test_visit__claimed_consented_paid(town: Insured, folder: Path) -> None:
    file = claim_file(folder, (CHECK_UP, "2030-01-06", "150.00"))
    said = town.claimed(folder, file)
    print(said)
    print(town.done("patient", "claims", "--as", "ann").out)
    print(town.done("patient", "policies", "--as", "ann").out)


def test_pack__dispensed_and_paid(town: Insured, folder: Path) -> None:
    town.done("pharmacy", "let-claim", "--as", "north", "--yes")
    paper, claim = town.paid_pack(folder, code(0))
    print(claim)
    assert 0
