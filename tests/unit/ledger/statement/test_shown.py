"""What people and programs get: words for everything, cents that add up, exact CSV and JSON, HTML that needs nothing."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from random import Random

import pytest
from hypothesis import given, strategies as st

from shared.domain.reason import ReasonCode
from shared.ledger.statement.month import Month
from shared.ledger.statement.parts.causes import Cause
from shared.ledger.statement.shown.html_file import statement_html
from shared.ledger.statement.shown.rounding import CENT, round_parts
from shared.ledger.statement.shown.views import COLUMNS, statement_csv, statement_json
from shared.ledger.statement.shown.words import LINES, PARTS, line_words
from shared.ledger.statement.statement import Line, Statement, state_account
from tests.unit.ledger.statement.months import Causes, RandomMonth

MADE = 1_764_547_200_000
EVERYTHING = Causes(
    fees=0.5,
    slippage=0.5,
    delay=0.5,
    unrecorded=0.2,
    skips={"stale": 0.1, "below_minimum": 0.1},
    unfilled=0.2,
    limits=0.2,
    rounding=0.3,
    own_exits={"stop_loss": 0.1},
    deposits=0.1,
    settings=0.1,
    carried=True,
)
JOINING = {
    "position_increased",
    "already_held",
    "history_incomplete",
    "copied_by_fills",
    "master_cancelled",
    "recalled",
}
"""Codes of decisions that copy no fill of the master's, or that come with a trade: no copy is missed for them."""


def a_statement(seed: int = 1) -> Statement:
    account = state_account(RandomMonth(Random(seed), EVERYTHING, fills=40).material())
    assert account is not None
    return Statement("alice", Month(2026, 11), running=True, accounts=(account,), notes=("A note.",))


def test_every_part_and_every_reason_has_words() -> None:
    assert set(PARTS) == set(Cause)
    assert {code for code in ReasonCode if code not in LINES} <= JOINING
    assert line_words("a_code_of_tomorrow") == "a code of tomorrow"


def test_every_part_is_shown_even_if_nothing_happened() -> None:
    account = state_account(RandomMonth(Random(1), Causes()).material())
    assert account is not None
    assert [part.cause for part in account.parts] == list(PARTS)


@given(st.lists(st.decimals(-(10**9), 10**9, places=12), max_size=12))
def test_rounded_amounts_add_up_to_their_rounded_sum(amounts: list[Decimal]) -> None:
    shown = round_parts(amounts)
    exact = sum(amounts, Decimal(0))
    assert abs(sum(shown, Decimal(0)) - exact) <= CENT / 2
    for small, amount in zip(shown, amounts, strict=True):
        assert abs(small - amount) <= CENT
        assert amount != amount.quantize(CENT) or small == amount


def test_the_rows_of_the_csv_file_add_up_with_all_digits() -> None:
    statement = a_statement()
    (account,) = statement.accounts
    rows = list(csv.DictReader(io.StringIO(statement_csv(statement))))
    assert tuple(rows[0]) == COLUMNS

    def total(kind: str, part: str = "") -> Decimal:
        return sum(
            (Decimal(row["amount"]) for row in rows if row["row"] == kind and part in {"", row["part"]}), Decimal(0)
        )

    assert total("part") == total("gap") == account.gap
    assert total("at_scale") + total("part") == total("result") == account.result
    for part in account.parts:
        assert not part.lines or total("line", part.cause) == part.amount


def test_no_cell_is_a_formula() -> None:
    (account,) = a_statement().accounts
    part = account.parts[3]
    evil = Line("=1+1", '=HYPERLINK("x")', Decimal(-1), Decimal(-1))
    account = replace(account, parts=(*account.parts[:3], replace(part, lines=(evil,)), *account.parts[4:]))
    written = statement_csv(replace(a_statement(), accounts=(account,)))
    for row in csv.reader(io.StringIO(written)):
        assert not [cell for cell in row if re.match(r"[=+@]|-\D", cell)]
    assert "'=1+1" in written
    assert ",-1," in written


def test_json_has_exact_amounts_as_text_and_the_shown_ones_beside_them() -> None:
    (account,) = json.loads(json.dumps(statement_json(a_statement())))["accounts"]
    assert Decimal(account["at_scale"]) + sum(Decimal(part["amount"]) for part in account["parts"]) == Decimal(
        account["result"]
    )
    assert sum(Decimal(part["shown"]) for part in account["parts"]) == Decimal(account["shown"]["gap"])


class _Page(HTMLParser):
    """Collects what a page would run or fetch, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag in {"script", "link", "img", "iframe", "base", "form"} or names & {"src", "href", "style"}:
            self.fetched.append(tag)
        self.fetched += [name for name in names if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_html_file_runs_and_fetches_nothing_and_shows_every_part() -> None:
    statement = a_statement()
    written = statement_html(statement, MADE)
    page = _Page()
    page.feed(written)
    assert page.fetched == []
    assert "url(" not in written
    assert "@import" not in written
    assert "prefers-color-scheme: dark" in written
    (account,) = statement.accounts
    for part in account.parts:
        assert part.title in page.text
        assert f"{part.shown:+,.2f}" in page.text
    assert "Made 2025-12-01 00:00 UTC; the month has not ended." in page.text


def test_text_from_elsewhere_is_text_in_the_html_file() -> None:
    (account,) = a_statement().accounts
    evil = "<script>alert(1)</script>"
    statement = Statement(evil, Month(2026, 11), running=False, accounts=(replace(account, venue=evil),), notes=(evil,))
    assert "<script" not in statement_html(statement, MADE)


def test_a_month_without_accounts_says_so() -> None:
    empty = Statement("alice", Month(2026, 11), running=False, accounts=())
    assert "Nothing was decided or held" in statement_html(empty, MADE)
    assert statement_csv(empty).splitlines() == [",".join(COLUMNS)]


def test_a_month_begins_and_ends_at_midnight_utc() -> None:
    december = Month.parse("2026-12")
    assert (december.begins, december.ends) == (1_796_083_200_000, 1_798_761_600_000)
    assert (str(december), str(december.next)) == ("2026-12", "2027-01")
    assert Month.of(december.begins) == Month.of(december.ends - 1) == december
    for text in ("2026-13", "2026-1", "26-11", "", "2026-11-01", "2026-00"):
        with pytest.raises(ValueError, match="not a month"):
            Month.parse(text)
