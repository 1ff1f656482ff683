"""The optional field `code` of orders: written where it is set, and never a reason why an entry cannot be read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.contracts.messages import OrderMessage
from shared.contracts.own_exit import read_own_exit, write_own_exit
from shared.domain.own_exit import own_exit
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from tests.support.examples import BTC_USD, NOW, a_copied_entry, btc, usd

SKIP = replace(a_copied_entry(), copy=None, reason="account is parked: no key", code=ReasonCode.PARKED)
HELD = Position(BTC_USD, btc("0.5"), usd(30_000), NOW, NOW)


def test_a_code_stands_behind_the_reason() -> None:
    fields = OrderMessage.from_domain(SKIP).fields()
    names = list(fields)
    assert names[names.index("reason") + 1] == "code"
    assert fields["code"] == "parked"
    assert OrderMessage.parse(fields).to_domain() == SKIP


def test_an_order_without_a_code_has_no_such_field() -> None:
    fields = OrderMessage.from_domain(a_copied_entry()).fields()
    assert "code" not in fields
    assert OrderMessage.parse(fields).to_domain().code == ""


@pytest.mark.parametrize("word", ["a_word_of_the_next_version", "PARKED", "", "two words"])
def test_a_code_that_this_version_does_not_know_makes_no_entry_unreadable(word: str) -> None:
    fields = {**OrderMessage.from_domain(a_copied_entry()).fields(), "code": word}
    decision = OrderMessage.parse(fields).to_domain()
    assert decision == replace(a_copied_entry(), code=word)
    assert decision.copy is not None


def test_an_own_exit_keeps_the_word_of_its_rule() -> None:
    decision = own_exit("alice", "kraken", HELD, ReasonCode.STOP_LOSS, "5 % below", NOW)
    assert decision.code == "stop_loss"
    assert read_own_exit("alice", "kraken", BTC_USD, write_own_exit(decision)) == decision


def test_an_own_exit_of_a_version_without_codes_is_read() -> None:
    order_id = own_exit("alice", "kraken", HELD, "flatten", "", NOW).id
    written = f'{{"v": "1", "id": "{order_id}", "reason": "flatten: ", "at": "{NOW}"}}'
    assert read_own_exit("alice", "kraken", BTC_USD, written).code == ""
