"""The preview that proves the right to trade at Coinbase: what its answers mean, and that nothing else is posted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import pytest

from shared.domain.key_report import Grade, KeyCheck
from shared.domain.values.instrument import seed_instruments
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.venues.coinbase.key_check import KeyExaminer
from shared.venues.coinbase.public import CoinbasePublic
from shared.venues.coinbase.questions import Questions
from shared.venues.errors import Refusal, Rejected, Unavailable

BTC = Symbol("BTC", "USD")
RIGHTS = {
    "can_view": True,
    "can_trade": True,
    "can_transfer": False,
    "portfolio_uuid": "1",
    "portfolio_type": "DEFAULT",
}


@dataclass
class Asked:
    """Answers by path, and what was posted."""

    answers: dict[str, Any] = field(default_factory=dict)
    posted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def ask(self, path: str, query: object = None, *, patient: bool = False, body: str = "") -> dict[str, Any]:
        del query, patient
        if body:
            self.posted.append((path, json.loads(body)))
        answer = self.answers.get(path, {})
        if isinstance(answer, Exception):
            raise answer
        return cast("dict[str, Any]", answer)


class Public:
    """One product at 60000."""

    async def instruments(self) -> Any:
        return seed_instruments(VenueName.COINBASE)

    async def prices(self, symbols: list[Symbol]) -> dict[Symbol, Price]:
        return {symbol: Price(Decimal(60_000), symbol) for symbol in symbols}

    async def product_id(self, symbol: Symbol) -> str:
        return f"{symbol.base}-{symbol.quote}"


async def traded(preview: Any, rights: Any = RIGHTS) -> tuple[Grade, str, Asked]:
    """Check with this answer to the preview; give the gravest finding about trading."""
    asked = Asked({"/key_permissions": rights, "/orders/preview": preview})
    examiner = KeyExaminer(cast("Questions", asked), cast("CoinbasePublic", Public()))
    found = [each for each in await examiner.findings(BTC, trades=True, probe=True) if each.check is KeyCheck.TRADE]
    return found[-1].grade, found[-1].text, asked


async def test_a_preview_of_the_smallest_order_is_all_that_is_posted() -> None:
    grade, text, asked = await traded({"errs": [], "order_total": "1"})
    assert (grade, text) == (Grade.OK, "an order for BTC/USD would be accepted (previewed, not sent)")
    ((path, body),) = asked.posted
    assert path == "/orders/preview"
    assert "client_order_id" not in body
    assert body["order_configuration"]["sor_limit_ioc"]["limit_price"] == "60000"
    assert Decimal(body["order_configuration"]["sor_limit_ioc"]["base_size"]) * 60_000 >= 1


@pytest.mark.parametrize("reason", ["PREVIEW_INSUFFICIENT_FUND", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"])
async def test_an_order_that_lacks_only_money_proves_the_right(reason: str) -> None:
    assert (await traded({"errs": [reason]}))[0] is Grade.OK


@pytest.mark.parametrize(
    "answer", [{"errs": ["account is not available"]}, Rejected("HTTP 400: account is not available", Refusal.AUTH)]
)
async def test_a_missing_wallet_is_refused_with_what_to_do(answer: Any) -> None:
    grade, text, _ = await traded(answer)
    assert grade is Grade.REFUSED
    assert "account is not available" in text
    assert "a wallet in USD" in text


@pytest.mark.parametrize("reason", ["PREVIEW_GEOFENCING_RESTRICTION", "TRADING_DISABLED", "A_NEW_WORD"])
async def test_any_other_refusal_is_a_warning_in_the_venues_words(reason: str) -> None:
    grade, text, _ = await traded({"errs": [reason]})
    assert (grade, reason in text) == (Grade.WARNING, True)


@pytest.mark.parametrize("missing", ["can_view", "can_trade", "can_transfer"])
async def test_a_right_that_the_answer_lacks_is_no_refusal(missing: str) -> None:
    with pytest.raises(Unavailable):
        await traded({}, {name: value for name, value in RIGHTS.items() if name != missing})


async def test_a_key_that_may_not_trade_previews_nothing() -> None:
    grade, _, asked = await traded({}, {**RIGHTS, "can_trade": False})
    assert (grade, asked.posted) == (Grade.REFUSED, [])
