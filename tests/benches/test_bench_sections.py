"""Every section measures, with the least sizes; and what it finds makes a page and reads back."""

import pytest

from benches import page
from benches.__main__ import SECTIONS, measured
from benches.figures import Results
from benches.timing import Effort, in_turns


@pytest.mark.parametrize("key", SECTIONS)
def test_section__at_its_smallest__measures_and_makes_a_page(key: str) -> None:
    section = measured(key, Effort.tiny())

    assert section.figures or section.skipped
    kept = Results({key: section}, {key: "here"})
    assert Results.decode(kept.encode()).encode() == kept.encode()
    assert section.title in page.pages(kept)["README.md"]


def test_in_turns__two_acts__gives_each_its_own_times_and_tidies_up_after_each() -> None:
    done: list[str] = []

    runs = in_turns(
        lambda: done.append("act"),
        lambda: done.append("beside"),
        effort=Effort(runs=2, least=0.0),
        after=lambda: done.append("tidied"),
    )

    assert len(runs) == 2
    assert all(run.value > 0 and run.beside > 0 for run in runs)
    # Once each before, then in turns, each first in every other run.
    turns = ["act", "tidied", "beside", "tidied", "beside", "tidied", "act", "tidied"]
    assert done == ["act", "beside", "tidied", *turns]
