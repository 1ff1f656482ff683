"""Drift is judged against the master's position scaled to the user, and only strays are ever closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from shared.domain.account import Account, AccountState
from shared.domain.limits.policy import OnLeave, SizingMode, SizingPolicy, SymbolPolicy, UserPolicy
from shared.domain.master_account import Baseline, MasterHolding
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.ledger.drift import Drift, FollowerHoldings, MasterHoldings, drifts, plan_repair
from shared.ledger.holdings import cap_by_account

BTC, ETH = Symbol("BTC", "USD"), Symbol("ETH", "USD")
PRICES = {BTC: Price(Decimal(60000), BTC), ETH: Price(Decimal(3000), ETH)}
ALICE = UserPolicy(user="alice", enabled=True, venues=("kraken",))


def master(**held: str) -> MasterHoldings:
    """A master of 10,000 USD."""
    sizes = {Symbol(base, "USD"): Quantity(Decimal(size), base) for base, size in held.items()}
    return MasterHoldings(Money(Decimal(10000), "USD"), sizes)


def compared(leader: MasterHoldings, policy: UserPolicy = ALICE, **held: str) -> Mapping[Symbol, Drift]:
    """A user of 5,000 USD."""
    equity = Money(Decimal(5000), "USD")
    account = Account(policy.user, "kraken", AccountState.READY, "", equity, equity, Decimal("0.004"), 1)
    positions = {}
    for base, size in held.items():
        symbol = Symbol(base, "USD")
        positions[symbol] = Position(symbol, Quantity(Decimal(size), base), Money(Decimal(1), "USD"), 1, 1)
    found = drifts("kraken", leader, FollowerHoldings(policy, account, Portfolio(positions, PRICES)), PRICES)
    return {each.symbol: each for each in found}


def sized(**how: Any) -> UserPolicy:
    return replace(ALICE, sizing=SizingPolicy(**how))


def test_the_target_is_the_masters_position_at_the_ratio_of_equities_times_the_multiplier() -> None:
    found = compared(master(BTC="0.1"), sized(multiplier=Decimal(2)), BTC="0.08")[BTC]
    assert (found.target, found.pct, found.stray) == (Quantity(Decimal("0.1"), "BTC"), Decimal("-20.00"), False)


def test_what_was_never_bought_drifts_by_all_of_it() -> None:
    assert compared(master(BTC="0.1"))[BTC].pct == Decimal("-100.00")


def test_each_mode_has_its_own_target() -> None:
    leader = master(BTC="0.1")
    times = sized(mode=SizingMode.MULTIPLIER, multiplier=Decimal("0.5"))
    fixed = sized(mode=SizingMode.FIXED_QUOTE, quote_amount=Decimal(600))
    assert compared(leader, times)[BTC].target == Quantity(Decimal("0.05"), "BTC")
    assert compared(leader, fixed)[BTC].target == Quantity(Decimal("0.01"), "BTC")
    assert compared(leader, sized(mode=SizingMode.CASH))[BTC].target == Quantity(Decimal("0.05"), "BTC")


def test_an_equity_that_is_not_known_gives_no_target_and_no_drift() -> None:
    leader = MasterHoldings(None, {BTC: Quantity(Decimal("0.1"), "BTC")})
    found = compared(leader, BTC="0.05")[BTC]
    assert (found.target, found.pct, found.stray) == (None, None, False)


def test_what_the_master_no_longer_holds_is_a_stray_unless_it_is_dust_or_kept_on_purpose() -> None:
    gone = replace(ALICE, enabled=False, on_leave=OnLeave.KEEP)
    found = compared(master(), BTC="0.01", ETH="0.0001")
    assert (found[BTC].stray, found[ETH].stray, found[ETH].note) == (True, False, "dust")
    assert not compared(master(), gone, BTC="0.01")[BTC].stray


def test_a_symbol_that_is_traded_in_another_currency_is_compared_by_its_map_and_by_its_base_after_a_change() -> None:
    usdc = Symbol("BTC", "USDC")
    mapped = replace(ALICE, symbols=SymbolPolicy(map={BTC: usdc}))
    assert compared(master(BTC="0.1"), mapped)[usdc].target == Quantity(Decimal("0.05"), "BTC")
    assert not compared(master(BTC="0.1"), mapped, BTC="0.05")[BTC].stray


def test_an_excluded_symbol_has_no_target() -> None:
    picky = replace(ALICE, symbols=SymbolPolicy(exclude=frozenset({BTC})))
    assert compared(master(BTC="0.1"), picky) == {}
    assert compared(master(BTC="0.1"), picky, BTC="0.01")[BTC].pct is None


def test_a_repair_closes_users_or_symbols_with_strays_alone_and_nothing_else() -> None:
    bob, carol = replace(ALICE, user="bob"), replace(ALICE, user="carol")
    only_strays = compared(master(ETH="1"), BTC="0.01")
    both = compared(master(ETH="1"), bob, BTC="0.01", ETH="0.5")
    plan = plan_repair([*only_strays.values(), *both.values()])
    assert (plan.users, plan.symbols, plan.left_out) == (("alice",), (BTC,), ())
    kept = replace(carol, enabled=False, on_leave=OnLeave.KEEP)
    plan = plan_repair([*both.values(), *compared(master(ETH="1"), kept, BTC="0.01").values()])
    assert (plan.users, plan.symbols) == ((), ())
    assert [(each.user, each.symbol) for each in plan.left_out] == [("bob", BTC)]


def test_a_user_who_holds_nothing_but_what_the_master_holds_needs_no_repair() -> None:
    plan = plan_repair(list(compared(master(BTC="0.1"), BTC="0.05").values()))
    assert (plan.users, plan.symbols, plan.left_out) == ((), (), ())


def test_the_masters_side_is_what_its_account_holds_and_not_what_its_signals_say() -> None:
    """Case S3."""
    position = Position(BTC, Quantity(Decimal(10), "BTC"), Money(Decimal(1), "USD"), 1, 1_000)
    seen = MasterHolding(Quantity(Decimal(2), "BTC"), Quantity(Decimal(0), "BTC"), Baseline.SEPARATE, as_of=100_000)
    assert cap_by_account({BTC: position}, {"BTC": seen}) == {BTC: Quantity(Decimal(2), "BTC")}
    assert cap_by_account({BTC: position}, {}) == {BTC: position.size}
    too_soon = replace(seen, as_of=2_000)
    assert cap_by_account({BTC: position}, {"BTC": too_soon}) == {BTC: position.size}
    more = replace(seen, total=Quantity(Decimal(12), "BTC"))
    assert cap_by_account({BTC: position}, {"BTC": more}) == {BTC: position.size}
