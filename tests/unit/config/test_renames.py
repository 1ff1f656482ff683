"""`config/renames.toml`: what it may say, and that a wrong one changes nothing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.renames import FILE, RenamesFile, load_renames
from shared.domain.fault import FaultKind, Faults
from shared.domain.rename import NO_RENAMES, Rename, Renames
from tests.support.processes import ROOT

DOT = '[[rename]]\nvenue = "kraken"\nfrom = "DOT"\nto = "NDOT"\n'


def test_without_a_file_nothing_is_renamed(tmp_path: Path) -> None:
    assert load_renames(tmp_path) == {}
    assert RenamesFile(tmp_path).of("kraken") == NO_RENAMES


def test_the_file_that_is_shipped_is_valid_and_renames_nothing() -> None:
    assert load_renames(ROOT / "config") == {}


def test_names_ratio_and_what_is_gone(tmp_path: Path) -> None:
    more = 'ratio = 0.001\n[[rename]]\nvenue = "kraken"\nfrom = "XYZ"\ngone = true\n'
    (tmp_path / FILE).write_text("\ufeff" + DOT + more, encoding="utf-8")
    assert load_renames(tmp_path) == {"kraken": Renames((Rename("DOT", "NDOT", Decimal("0.001")), Rename("XYZ", "")))}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rename]\n", "renames.toml"),
        (DOT + DOT, "DOT is renamed twice"),
        (DOT.replace('to = "NDOT"\n', ""), "set either `to`"),
        (DOT + "gone = true\n", "set either `to`"),
        (DOT.replace("NDOT", "DOT"), "the same"),
        (DOT + "ratio = 0\n", "ratio"),
        (DOT + "ratios = 1\n", "ratios is not a known setting"),
        (DOT.replace("kraken", "nyse"), "venue"),
        (DOT.replace('"DOT"', '"dot"'), "from"),
    ],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigurationError, match=words) as refused:
        load_renames(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_wrong_file_leaves_the_former_table_in_force_and_is_reported_until_it_is_right(tmp_path: Path) -> None:
    faults = Faults()
    (tmp_path / FILE).write_text(DOT)
    table = RenamesFile(tmp_path, faults)
    before = table.of("kraken")
    assert not table.look()
    (tmp_path / FILE).write_text("nothing that can be read")
    assert not table.look()
    assert table.of("kraken") == before
    assert [each.kind for each in faults.standing] == [FaultKind.USER_FILE]
    (tmp_path / FILE).write_text(DOT.replace("NDOT", "XDOT"))
    assert table.look()
    assert table.of("kraken") != before
    assert faults.standing == ()
    (tmp_path / FILE).unlink()
    assert table.look()
    assert table.of("kraken") == NO_RENAMES
