"""The names of venues are spelt in one place: what depends on a venue is found by its `VenueName`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.values.venue import SUPPORTED_VENUES, VENUES, VenueName

ROOT = Path(__file__).resolve().parents[2]
MAY_SPELL = (
    "shared/domain/values/venue.py",
    "shared/venues/kraken/",
    "shared/venues/coinbase/",
    "services/paper_exchange/",
    # the composition roots choose the venue
    "services/master_strategy/app.py",
)


def spelt(source: str) -> Iterator[tuple[int, str]]:
    """List the line and the text of every string in a source that is the name of a venue and nothing else."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() in VENUES:
            yield node.lineno, node.value


def test_no_file_spells_a_venue_but_those_that_may() -> None:
    found = []
    for path in sorted(file for package in ("shared", "services") for file in (ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(MAY_SPELL):
            found += [f"{name}:{line} spells {text!r}; use VenueName" for line, text in spelt(path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('VENUES = ("kraken", "coinbase")', 2),
        ("if venue == 'kraken': pass", 1),
        ("venue: Literal['COINBASE']", 1),
        ('"""Speaks to Kraken: kraken."""', 0),
        ('url = "https://api.kraken.com"', 0),
        ("VenueName.KRAKEN", 0),
    ],
)
def test_the_scan_finds_names_and_nothing_else(source: str, count: int) -> None:
    assert len(list(spelt(source))) == count


def test_a_name_is_the_plain_text_of_wire_and_keys() -> None:
    assert VENUES == ("kraken", "coinbase")
    assert SUPPORTED_VENUES == VENUES
    assert f"shoal:account:{{alice}}:{VenueName.KRAKEN}" == "shoal:account:{alice}:kraken"
