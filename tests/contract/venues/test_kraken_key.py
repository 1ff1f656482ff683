"""What the doctor finds about keys of the paper Kraken, and that its questions leave nothing behind."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from shared.domain.key_report import Finding, Grade, KeyCheck, KeyReport
from shared.domain.values.clock_offset import ClockOffset
from shared.venues.doctor import Examination, examine
from shared.venues.errors import Refusal
from tests.contract.venues.benches import KrakenBench, PaperExchange, kraken_bench

QUERY = ["query-funds", "query-open-orders", "query-closed-orders"]
TRADING = [*QUERY, "modify-orders", "cancel-orders", "websockets"]
RIGHT = ClockOffset("kraken", 20, 10)


async def examined(
    bench: KrakenBench, *, currency: str = "USD", trades: bool = True, probe: bool = True
) -> Examination:
    return await examine(bench.venue, currency=currency, clock=RIGHT, trades=trades, probe=probe)


def by_check(report: KeyReport) -> Mapping[KeyCheck, Finding]:
    """The gravest finding of each check."""
    order = [Grade.OK, Grade.WARNING, Grade.UNKNOWN, Grade.REFUSED]
    ranked = sorted(report.findings, key=lambda each: order.index(each.grade))
    return {each.check: each for each in ranked}


async def test_a_good_key_is_ok_but_for_its_missing_list_of_addresses(paper: PaperExchange) -> None:
    bench = await kraken_bench(paper, permissions=TRADING)
    report = (await examined(bench)).report
    assert report.grade is Grade.WARNING
    assert [each.check for each in report.findings if each.grade is not Grade.OK] == [KeyCheck.IP_LIST]
    bound = await kraken_bench(paper, "bob", permissions=TRADING, ip_allowlist=["127.0.0.1"])
    assert (await examined(bound)).report.grade is Grade.OK


@pytest.mark.parametrize("tells", [True, False])
async def test_a_key_without_private_streams_passes_with_an_advice(paper: PaperExchange, *, tells: bool) -> None:
    """By GetApiKeyInfo, and where Kraken does not answer that: then the right is tried."""
    bench = await kraken_bench(paper, permissions=[right for right in TRADING if right != "websockets"])
    if not tells:
        await paper.fault("permission_denied", user="alice", method="GetApiKeyInfo")
    report = (await examined(bench)).report
    found = by_check(report)[KeyCheck.STREAM]
    assert (found.grade, report.passed) == (Grade.WARNING, True)
    assert '"WebSocket interface": tick it' in found.text


async def test_an_order_is_only_validated(kraken: KrakenBench) -> None:
    report = (await examined(kraken)).report
    assert by_check(report)[KeyCheck.TRADE].text == "an order for BTC/USD would be accepted (validated, not sent)"
    assert await kraken.orders_at_venue() == 0
    assert {verdict for _, verdict in await kraken.verdicts()} == {"ok"}


async def test_without_a_probe_no_order_is_even_validated(kraken: KrakenBench) -> None:
    await examined(kraken, probe=False)
    assert [method for method, _ in await kraken.verdicts()] == ["GetApiKeyInfo", "BalanceEx"]


async def test_no_text_has_the_key_in_it(kraken: KrakenBench) -> None:
    for each in (await examined(kraken)).report.findings:
        assert kraken.key not in each.text


@pytest.mark.parametrize("missing", QUERY)
async def test_a_missing_right_to_look_up_is_refused_by_its_name(paper: PaperExchange, missing: str) -> None:
    bench = await kraken_bench(paper, permissions=[right for right in TRADING if right != missing])
    found = by_check((await examined(bench)).report)[KeyCheck.QUERY]
    assert found.grade is Grade.REFUSED
    assert "tick it" in found.text
    assert missing.split("-")[1] in found.text.lower()


async def test_a_view_only_key_is_refused_unless_nothing_is_to_be_traded_with_it(paper: PaperExchange) -> None:
    bench = await kraken_bench(paper, permissions=QUERY)
    found = by_check((await examined(bench)).report)[KeyCheck.TRADE]
    assert (found.grade, "Create & modify orders" in found.text) == (Grade.REFUSED, True)
    assert (await examined(bench, trades=False)).report.passed


async def test_a_key_that_may_withdraw_is_refused(paper: PaperExchange) -> None:
    bench = await kraken_bench(paper, permissions=[*TRADING, "withdraw"])
    report = (await examined(bench)).report
    assert report.grade is Grade.REFUSED
    assert "Funds: Withdraw" in report.words


async def test_a_nonce_window_and_another_program_are_warned_of(paper: PaperExchange) -> None:
    bench = await kraken_bench(paper, permissions=TRADING, nonce_window=1000)
    assert "nonce window is 1000" in by_check((await examined(bench)).report)[KeyCheck.NONCE].text
    await bench.api.private("Balance", {}, await bench.nonces.next() + 500)  # somebody else, within the window
    found = by_check((await examined(bench)).report)[KeyCheck.NONCE]
    assert (found.grade, "another program uses it" in found.text) == (Grade.WARNING, True)


@pytest.mark.parametrize(("days", "grade"), [(3, Grade.WARNING), (90, Grade.OK)])
async def test_a_near_expiry_is_warned_of(paper: PaperExchange, days: int, grade: Grade) -> None:
    bench = await kraken_bench(paper, valid_until=int(time.time()) + days * 86_400)
    assert by_check((await examined(bench)).report)[KeyCheck.EXPIRY].grade is grade


async def test_an_expired_key_is_refused_as_a_whole(paper: PaperExchange) -> None:
    bench = await kraken_bench(paper, valid_until=int(time.time()) - 1)
    found = await examined(bench)
    assert found.refusal is not None
    assert found.refusal.refusal is Refusal.AUTH
    assert by_check(found.report)[KeyCheck.SIGNATURE].grade is Grade.REFUSED


async def test_a_key_that_may_not_ask_about_itself_is_tried_right_by_right(paper: PaperExchange) -> None:
    bench = await kraken_bench(paper, permissions=TRADING)
    await paper.fault("permission_denied", user="alice", method="GetApiKeyInfo")
    found = by_check((await examined(bench)).report)
    assert found[KeyCheck.QUERY].grade is found[KeyCheck.TRADE].grade is found[KeyCheck.WITHDRAW].grade is Grade.OK
    assert "cannot be read with this key" in found[KeyCheck.IP_LIST].text
    assert await bench.orders_at_venue() == 0


async def test_probes_find_what_is_missing_and_what_is_too_much(paper: PaperExchange) -> None:
    await paper.fault("permission_denied", method="GetApiKeyInfo")
    owner = await kraken_bench(paper, "owner", permissions=[*TRADING, "withdraw"])
    assert by_check((await examined(owner)).report)[KeyCheck.WITHDRAW].grade is Grade.REFUSED
    reader = await kraken_bench(paper, "reader", permissions=["query-funds", "query-open-orders"])
    found = by_check((await examined(reader)).report)
    assert found[KeyCheck.QUERY].grade is found[KeyCheck.TRADE].grade is Grade.REFUSED


@pytest.mark.parametrize(
    "fault", ["http_520", "html_error_page", "hang", "truncated_json", "rate_limited", "unavailable_before_accept"]
)
async def test_a_venue_that_does_not_answer_says_nothing_about_the_key(kraken: KrakenBench, fault: str) -> None:
    seconds = {"seconds": 2} if fault == "hang" else {}
    await kraken.paper.fault(fault, user="alice", method="GetApiKeyInfo", **seconds)
    found = await examined(kraken)
    assert found.report.grade is Grade.UNKNOWN
    assert found.refusal is None


@pytest.mark.parametrize("fault", ["key_revoked_mid_run", "temporary_lockout", "account_disabled"])
async def test_a_refused_key_is_refused_in_the_venues_words(kraken: KrakenBench, fault: str) -> None:
    await kraken.paper.fault(fault, user="alice", method="GetApiKeyInfo")
    found = await examined(kraken)
    assert found.refusal is not None
    assert found.refusal.words in found.report.words


async def test_a_halted_pair_is_a_warning_in_the_venues_words(kraken: KrakenBench) -> None:
    await kraken.paper.fault("pair_halted", symbol="BTC/USD")
    report = (await examined(kraken)).report
    assert report.passed
    assert "cancel_only" in report.words


async def test_what_is_lent_out_and_cash_of_another_currency_are_named(paper: PaperExchange) -> None:
    bench = await kraken_bench(paper, balances={"USDC": "500", "ETH.F": "1.5"})
    found = by_check((await examined(bench)).report)
    assert "1.5 ETH.F, which cannot be sold" in found[KeyCheck.LENT_OUT].text
    assert "holds 500.00 USDC but 0.00 USD" in found[KeyCheck.CASH].text


async def test_a_key_without_a_right_to_cancel_says_so(paper: PaperExchange) -> None:
    reading = ["query-funds", "query-open-orders", "query-closed-orders"]
    assert await (await kraken_bench(paper, permissions=reading)).venue.may_cancel() is False
    for number, right in enumerate(("cancel-orders", "modify-orders")):
        bench = await kraken_bench(paper, f"user-{number}", permissions=[*reading, right])
        assert await bench.venue.may_cancel() is True
