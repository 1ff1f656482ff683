"""What the doctor finds about keys of the paper Coinbase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from shared.domain.key_report import Finding, Grade, KeyCheck, KeyReport
from shared.domain.values.clock_offset import ClockOffset
from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.doctor import Examination, examine
from shared.venues.errors import Refusal
from shared.venues.factory import open_coinbase
from tests.contract.venues.benches import TIMEOUT, PaperExchange, now

VIEW = ["query-funds", "query-open-orders", "query-closed-orders"]
TRADING = [*VIEW, "modify-orders"]
RIGHT = ClockOffset("coinbase", 20, 10)


@dataclass
class Account:
    venue: CoinbaseVenue
    key: str
    secret: str


async def account(paper: PaperExchange, user: str = "alice", **options: Any) -> Account:
    made = await paper.account(user, venue="coinbase", **({"permissions": TRADING} | options))
    return opened(paper, made["api_key"], made["api_secret"])


def opened(paper: PaperExchange, key: str, secret: str) -> Account:
    venue = open_coinbase(
        url=paper.url,
        api_key=key,
        api_secret=secret,
        http=paper.http,
        timeout=TIMEOUT,
        clock=now,
        budget=CoinbaseBudget(),
    )
    return Account(venue, key, secret)


async def examined(account: Account, *, currency: str = "USD", trades: bool = True, probe: bool = True) -> Examination:
    return await examine(account.venue, currency=currency, clock=RIGHT, trades=trades, probe=probe)


def by_check(report: KeyReport) -> Mapping[KeyCheck, Finding]:
    """The gravest finding of each check."""
    order = [Grade.OK, Grade.WARNING, Grade.UNKNOWN, Grade.REFUSED]
    return {each.check: each for each in sorted(report.findings, key=lambda each: order.index(each.grade))}


async def verdicts(paper: PaperExchange, account: Account) -> list[str]:
    return [row["method"] for row in await paper.get("requests", api_key=account.key)]


async def test_a_good_key_passes_every_check(paper: PaperExchange) -> None:
    report = (await examined(await account(paper))).report
    assert report.grade is Grade.OK
    found = by_check(report)
    assert found[KeyCheck.PORTFOLIO].text == 'the key sees the portfolio "Default" (DEFAULT) and no other'
    assert found[KeyCheck.CASH].text == "10,000.00 USD for entries"


@pytest.mark.parametrize("key_type", ["ecdsa", "ed25519"])
async def test_both_kinds_of_keys_are_read_and_in_no_text(paper: PaperExchange, key_type: str) -> None:
    one = await account(paper, key_type=key_type)
    for each in (await examined(one)).report.findings:
        assert one.key not in each.text
        assert one.secret[-20:] not in each.text


async def test_it_asks_and_orders_nothing(paper: PaperExchange) -> None:
    one = await account(paper)
    await examined(one, probe=False)
    assert set(await verdicts(paper, one)) == {"GetKeyPermissions", "ListPortfolios", "ListAccounts"}
    report = (await examined(one)).report
    assert set(await verdicts(paper, one)) - {"GetKeyPermissions", "ListPortfolios", "ListAccounts"} == {
        "ListOrders",
        "ListFills",
        "PreviewOrder",
    }
    assert by_check(report)[KeyCheck.TRADE].text == "an order for BTC/USD would be accepted (previewed, not sent)"
    assert await paper.get("orders", user="alice") == []


async def test_a_view_only_key_is_refused_unless_nothing_is_to_be_traded_with_it(paper: PaperExchange) -> None:
    one = await account(paper, permissions=VIEW)
    found = by_check((await examined(one)).report)[KeyCheck.TRADE]
    assert (found.grade, '"Trade": tick it' in found.text) == (Grade.REFUSED, True)
    assert (await examined(one, trades=False)).report.passed


async def test_a_key_that_may_transfer_is_refused(paper: PaperExchange) -> None:
    report = (await examined(await account(paper, permissions=[*TRADING, "withdraw"]))).report
    assert report.grade is Grade.REFUSED
    assert 'the key has "Transfer": take it away' in report.words


async def test_a_key_without_the_right_to_look_is_refused(paper: PaperExchange) -> None:
    found = await examined(await account(paper, permissions=["modify-orders"]))
    assert by_check(found.report)[KeyCheck.QUERY].grade is Grade.REFUSED
    assert found.refusal is None


async def test_a_key_of_another_portfolio_is_told_by_its_missing_wallet(paper: PaperExchange) -> None:
    one = await account(paper)
    await paper.fault("portfolio_switched", user="alice")
    found = by_check((await examined(one)).report)
    assert "the account is empty, as far as this key sees" in found[KeyCheck.PORTFOLIO].text
    assert found[KeyCheck.TRADE].grade is Grade.REFUSED
    assert "account is not available" in found[KeyCheck.TRADE].text
    assert "a wallet in USD" in found[KeyCheck.TRADE].text


async def test_a_key_that_loses_the_right_to_trade_is_found_out(paper: PaperExchange) -> None:
    one = await account(paper)
    assert (await examined(one)).report.passed
    await paper.fault("trade_permission_lost", user="alice")
    assert by_check((await examined(one)).report)[KeyCheck.TRADE].grade is Grade.REFUSED


async def test_a_stranger_and_a_key_with_anothers_secret_are_refused_in_the_venues_words(paper: PaperExchange) -> None:
    alice, bob = await account(paper), await account(paper, "bob")
    for key in (alice.key, "organizations/00000000-0000-0000-0000-000000000000/apiKeys/none"):
        found = await examined(opened(paper, key, bob.secret))
        assert found.refusal is not None
        assert found.refusal.refusal is Refusal.AUTH
        assert "Unauthorized" in found.report.words
        assert "ECDSA" in found.report.words


async def test_a_401_now_and_then_is_no_bad_key(paper: PaperExchange) -> None:
    one = await account(paper)
    await paper.fault("unauthorized_burst", user="alice", count=2)
    assert (await examined(one)).report.passed


@pytest.mark.parametrize("fault", ["http_520", "html_error_page", "http_429_html", "http_503_go_sg", "truncated_json"])
async def test_a_venue_that_does_not_answer_says_nothing_about_the_key(paper: PaperExchange, fault: str) -> None:
    one = await account(paper)
    await paper.fault(fault, user="alice", method="GetKeyPermissions")
    found = await examined(one)
    assert (found.report.grade, found.refusal) == (Grade.UNKNOWN, None)


@pytest.mark.parametrize("fault", ["product_trading_disabled", "product_limit_only", "product_cancel_only"])
async def test_a_halted_or_limited_product_is_a_warning(paper: PaperExchange, fault: str) -> None:
    one = await account(paper)
    await paper.fault(fault, symbol="BTC/USD")
    report = (await examined(one)).report
    assert report.passed
    assert "coinbase has BTC/USD in" in report.words


async def test_money_in_the_other_dollar_is_named(paper: PaperExchange) -> None:
    one = await account(paper, balances={"USDC": "500"})
    found = by_check((await examined(one)).report)[KeyCheck.CASH]
    assert "holds 500.00 USDC but 0.00 USD" in found.text
    assert (await examined(one, currency="USDC")).report.grade is Grade.OK


async def test_a_wallet_with_too_little_proves_the_right_and_none_at_all_is_refused(paper: PaperExchange) -> None:
    poor = await account(paper, "poor", balances={"USD": "0.01"})
    assert by_check((await examined(poor)).report)[KeyCheck.TRADE].grade is Grade.OK
    other = await account(paper, "other", balances={"ETH": "1"})
    found = by_check((await examined(other)).report)[KeyCheck.TRADE]
    assert (found.grade, "a wallet in USD" in found.text) == (Grade.REFUSED, True)
