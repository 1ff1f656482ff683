"""Edits of a settings file: the wanted setting changes, every other line stays, and what cannot be edited is refused."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from shared.operations.settings.toml_edit import NotEditableError, edit_toml

SHIPPED = {path.name: path.read_text() for path in sorted(Path("config/users").glob("*.toml"))}
KEYS = {
    "enabled": ["true", "false"],
    "on_leave": ['"exits_only"', '"close_now"'],
    "venues": ['["kraken"]', '["kraken", "coinbase"]'],
    "follow.kraken": ['"kraken"', '"none"'],
    "sizing.multiplier": ["2", "0.5"],
    "limits.max_order_pct": ["10", "12.5"],
    "limits.max_positions": ["3"],
    "guards.max_signal_age": ['"20s"'],
    "symbols.exclude": ['["DOGE/USD"]', '["A/USD", "B#/USD"]'],
    "symbols.map": ['{ "BTC/USD" = "BTC/USDC" }'],
    "exits.stop_loss_pct": ['"off"', "7"],
    "exits.trailing_pct": ["9"],
}
changes = st.dictionaries(st.sampled_from(sorted(KEYS)), st.integers(0, 3), min_size=1, max_size=6)


@given(name=st.sampled_from(sorted(SHIPPED)), steps=st.lists(changes, min_size=1, max_size=4))
def test_the_shipped_files_say_what_was_wanted_and_keep_their_comments(name: str, steps: list[dict[str, int]]) -> None:
    text = SHIPPED[name]
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    for step in steps:
        wanted = copy.deepcopy(tomllib.loads(text))
        literals: dict[str, str | None] = {}
        for key, choice in step.items():
            literals[key] = (KEYS[key] + [None] * 3)[choice]
            table, _, field = key.rpartition(".")
            part = wanted.setdefault(table, {}) if table else wanted
            if literals[key] is None:
                part.pop(field, None)
            else:
                part[field] = tomllib.loads(f"x = {literals[key]}")["x"]
        text = edit_toml(text, literals)
        found = tomllib.loads(text)
        for key in KEYS:  # an empty table says nothing
            table, _, field = key.rpartition(".")
            there = found.get(table, {}) if table else found
            assert there.get(field) == (wanted.get(table, {}) if table else wanted).get(field), key
    left = text
    for words in (each.rsplit("# ", 1)[-1].strip() for each in comments if each.strip()):
        assert words in left, words


def test_only_the_line_of_the_setting_changes() -> None:
    text = SHIPPED["alice.toml"]
    after = edit_toml(text, {"limits.max_order_pct": "25"})
    changed = [pair for pair in zip(text.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    (pair,) = changed
    assert pair[0].startswith("max_order_pct = 50")
    assert pair[1] == pair[0].replace("= 50", "= 25")


def test_a_setting_that_is_shown_as_a_comment_is_set_in_its_place() -> None:
    after = edit_toml(
        "[limits]\n# max_positions = 8   # symbols held\nmax_order_pct = 5\n", {"limits.max_positions": "3"}
    )
    assert after == "[limits]\nmax_positions = 3   # symbols held\nmax_order_pct = 5\n"


def test_a_removed_setting_stays_as_a_comment() -> None:
    assert edit_toml("[limits]\nmax_order_pct = 5 # x\n", {"limits.max_order_pct": None}) == (
        "[limits]\n# max_order_pct = 5 # x\n"
    )


TWO_TABLES = "[exits]\n\n[limits]\nmax_order_pct = 5\n"
A_TEXT = 'a = """\n[limits]\nmax_order_pct = 1\n"""\n'


@pytest.mark.parametrize(
    ("text", "key", "literal", "after"),
    [
        ("", "enabled", "true", "enabled = true\n"),
        ("enabled = false", "paper", "true", "enabled = false\npaper = true\n"),
        ("limits.max_order_pct = 5\n", "limits.max_order_pct", "6", "limits.max_order_pct = 6\n"),
        ("[limits]", "limits.max_positions", "2", "[limits]\nmax_positions = 2\n"),
        ('venues = [\n  "kraken", # one\n  "coinbase",\n]\n', "venues", '["kraken"]', 'venues = ["kraken"]\n'),
        (A_TEXT, "paper", "true", f"{A_TEXT}paper = true\n"),
        ("[limits]\r\nmax_order_pct = 5\r\n", "limits.max_order_pct", "6", "[limits]\r\nmax_order_pct = 6\n"),
        (TWO_TABLES, "exits.max_hold", '"3d"', TWO_TABLES.replace("[exits]\n", '[exits]\nmax_hold = "3d"\n')),
    ],
)
def test_ways_of_writing_that_people_use(text: str, key: str, literal: str, after: str) -> None:
    assert edit_toml(text, {key: literal}) == after


@pytest.mark.parametrize(
    "text",
    [
        "limits = { max_order_pct = 5 }\n",
        'limits = "short"\n',
        '["limits"]\nmax_order_pct = 5\n',
        'limits."max_order_pct" = 5\n',
        "enabled = \n",
        "a = 1\na = 2\n",
    ],
)
def test_what_it_cannot_edit_is_refused(text: str) -> None:
    with pytest.raises(NotEditableError):
        edit_toml(text, {"limits.max_order_pct": "6"})
