"""Mirrored orders on the wire: what is written is what is read, and what lacks its size or limit is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from shared.contracts.fields import MalformedMessageError
from shared.contracts.mirror import (
    MasterOrderMessage,
    RestingOrderMessage,
    read_mark,
    read_mirror,
    write_mark,
    write_mirror,
)
from shared.domain.mirror import MasterAction, MasterOrder, Mirror, MirrorAction, MirrorDecision, mirror_id
from shared.domain.order import Copy, Side
from tests.support.examples import BTC_USD, NOW, a_copied_entry, btc, btc_price, usd

MASTERS = "OMASTR-1"
PLACED = MirrorDecision(
    replace(
        a_copied_entry(),
        signal_id=mirror_id("kraken", MASTERS),
        copy=Copy(btc("0.05"), None, btc_price("59000"), None),
        master_order_id=MASTERS,
    ),
    MirrorAction.PLACE,
    "kraken",
    MASTERS,
    1,
    Decimal("0.1"),
    Decimal(0),
    post_only=True,
)
ORDER = MasterOrder(
    id=mirror_id("kraken", MASTERS),
    venue="kraken",
    master_order_id=MASTERS,
    version=2,
    action=MasterAction.AMENDED,
    symbol=BTC_USD,
    side=Side.SELL,
    size=btc("0.1"),
    limit_price=btc_price("61000"),
    post_only=False,
    filled=btc("0.04"),
    fraction=Decimal("0.25"),
    master_equity=usd(10_000),
    seen_at=NOW,
    emitted_at=NOW + 1,
    placed_entry="5-0",
)


def test_an_event_is_read_as_it_was_written() -> None:
    fields = MasterOrderMessage.from_domain(ORDER).fields()
    assert MasterOrderMessage.parse(fields).to_domain() == ORDER
    assert (fields["base_size"], fields["limit_price"], fields["post_only"]) == ("0.1", "61000", "no")


@pytest.mark.parametrize("field", ["fraction", "base_size", "limit_price", "filled_size", "master_order_id", "v", "id"])
def test_an_event_that_lacks_what_it_needs_is_refused(field: str) -> None:
    fields = MasterOrderMessage.from_domain(ORDER).fields()
    del fields[field]
    with pytest.raises(MalformedMessageError):
        MasterOrderMessage.parse(fields)


def test_a_decision_is_read_as_it_was_written() -> None:
    assert RestingOrderMessage.parse(RestingOrderMessage.from_domain(PLACED).fields()).to_domain() == PLACED
    skip = replace(PLACED, decision=replace(PLACED.decision, copy=None, reason="too small", code="below_minimum"))
    assert RestingOrderMessage.parse(RestingOrderMessage.from_domain(skip).fields()).to_domain() == skip


@pytest.mark.parametrize("field", ["base_size", "limit_price", "master_size", "version", "action", "master_order_id"])
def test_a_decision_to_place_that_lacks_what_it_needs_is_refused(field: str) -> None:
    fields = RestingOrderMessage.from_domain(PLACED).fields()
    fields[field] = ""
    if field == "master_order_id":
        del fields[field]
    with pytest.raises(MalformedMessageError):
        RestingOrderMessage.parse(fields)


def test_a_mirrored_order_is_read_as_it_was_written() -> None:
    mirror = replace(Mirror.of(PLACED), blocked="stopped", blocked_code="kill_switch", ended=True, version=3, at=7)
    read = read_mirror("alice", "kraken", MASTERS, write_mirror(mirror))
    kept = replace(mirror.decision, master_equity=None, user_equity=None, emitted_at=mirror.decision.signal_at)
    assert read == replace(mirror, decision=kept)


@pytest.mark.parametrize("field", ["order_id", "limit_price", "master_size", "base_size", "terms_version"])
def test_a_damaged_record_is_refused(field: str) -> None:
    fields = json.loads(write_mirror(Mirror.of(PLACED)))
    fields[field] = "" if field == "base_size" else "?"
    with pytest.raises(MalformedMessageError):
        read_mirror("alice", "kraken", MASTERS, json.dumps(fields))


def test_a_mark_says_how_an_order_is_copied_and_a_damaged_one_buys_nothing() -> None:
    assert read_mark(write_mark(mirrored=True, at=NOW)) == (True, NOW)
    assert read_mark(write_mark(mirrored=False, at=NOW)) == (False, NOW)
    assert read_mark("?") == (True, 0)
