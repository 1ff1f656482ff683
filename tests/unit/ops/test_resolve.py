"""The verdict that `ops resolve` makes of what was typed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.ops.orders.resolve import build_verdict
from shared.contracts.verdict import VerdictKind, VerdictRecord

LIMITED = {"user": "alice", "state": "unknown", "base_size": "0.5", "limit_price": "60300"}
MARKET = {**LIMITED, "limit_price": ""}


def verdict(
    fields: dict[str, str], *, filled: bool = True, size: str = "", price: str = "", fee: str = "0"
) -> VerdictRecord:
    return build_verdict(fields, filled=filled, size=size, price=price, fee=fee)


def test_all_that_was_asked_for_at_the_limit_is_what_filled_means() -> None:
    said = verdict(LIMITED)
    assert (said.verdict, said.verdict_size, said.verdict_price, said.verdict_fee) == (
        VerdictKind.FILLED, Decimal("0.5"), Decimal(60_300), Decimal(0),
    )  # fmt: skip


def test_what_was_typed_wins() -> None:
    said = verdict(MARKET, size="0.2", price="59000.5", fee="1.25")
    assert (said.verdict_size, said.verdict_price, said.verdict_fee) == (
        Decimal("0.2"), Decimal("59000.5"), Decimal("1.25"),
    )  # fmt: skip
    assert (said.verdict_by, bool(said.verdict_at)) != ("an operator", False)


def test_an_order_of_the_masters_own_can_be_settled_by_hand_too() -> None:
    """Case R1: master-strategy asks for ever about an order that the venue has named and shows no more."""
    assert verdict({**MARKET, "user": "master"}, filled=False).verdict is VerdictKind.NONE


def test_nothing_needs_no_figures() -> None:
    said = verdict(MARKET, filled=False)
    assert (said.verdict, said.verdict_size) == (VerdictKind.NONE, None)


@pytest.mark.parametrize(
    ("fields", "typed", "words"),
    [
        ({**LIMITED, "state": "filled"}, {}, "the order is filled"),
        ({**LIMITED, "state": "planned"}, {}, "the order is planned"),
        (MARKET, {}, "--price is needed"),
        (LIMITED, {"size": "0"}, "--size 0"),
        (LIMITED, {"size": "0.6"}, "at most 0.5, the size of the order"),
        (LIMITED, {"size": "half"}, "is not a number"),
        (LIMITED, {"price": "-1"}, "is not an amount"),
        (LIMITED, {"price": "0"}, "--price must be above 0"),
        (LIMITED, {"fee": "Infinity"}, "is not an amount"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    fields: dict[str, str], typed: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        verdict(fields, size=typed.get("size", ""), price=typed.get("price", ""), fee=typed.get("fee", "0"))
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
