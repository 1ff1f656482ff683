"""Reads the input of `drift.py`: a master's holdings, and the accounts and positions of the users who copy it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.bus.master.master_account import read_holdings
from shared.bus.master.master_places import read_master_places
from shared.bus.state.records import Records, read_holdings as read_positions
from shared.bus.users.routes import routed_users
from shared.contracts import keys
from shared.domain.account import MASTER, Account, AccountState, further_name
from shared.domain.limits.policy import UserPolicy
from shared.domain.limits.risk import MAX_BALANCE_AGE_MS
from shared.domain.master_account import MasterHolding
from shared.domain.portfolio import Portfolio
from shared.domain.position import MAIN, Position
from shared.domain.rename import NO_RENAMES, Renames
from shared.domain.values.money import ONE, ZERO, Quantity
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES
from shared.ledger.drift import Drift, FollowerHoldings, MasterHoldings, drifts
from shared.ledger.signal_views import instant

_LATELY: Final = 200
_LAG_MS: Final = 20_000
"""How long the master's balance may lag behind its fills."""
_NO_RENAMES: Final[Mapping[str, Renames]] = {}


async def read_drifts(
    bus: Bus,
    policies: Sequence[UserPolicy],
    venue: str,
    renames: Mapping[str, Renames] = _NO_RENAMES,
    owner: str = MASTER,
) -> list[Drift]:
    """Compare these users with the master whose account is at a venue, each in the accounts that hold its copies.

    `owner` is that of a further account there. An unreadable record has a row of its own, and so has the book of a master that is
    followed no more. Coins count under their present names, by the `renames` of each venue. Raises BusUnavailable.
    """
    records, names = Records(bus), await read_master_names(bus)
    name = further_name(owner) or names[venue]
    master = name or venue
    (account,) = await records.accounts([(owner, venue)])
    held = await records.holdings(owner, venue)
    positions = renames.get(venue, NO_RENAMES).positions(held.positions)
    leader = MasterHoldings(
        account.equity if account else None, cap_by_account(positions, await read_holdings(bus, venue, owner)), held
    )
    routed = await routed_users(bus, policies)
    places = [(policy, each) for policy in routed for each in _accounts_of(policy, master)]
    prices = {each: await records.prices(each) for each in {each for _, each in places}}
    markets = {each: {symbol: price for symbol, (price, _) in found.items()} for each, found in prices.items()}
    accounts = await records.accounts([(policy.user, each) for policy, each in places])
    answers = await bus.do_all([("HGETALL", keys.positions(policy.user, each)) for policy, each in places])
    found = []
    for (policy, place), of_user, answer in zip(places, accounts, answers, strict=True):
        holdings, market = read_positions(answer), markets[place]
        named = renames.get(place, NO_RENAMES).positions(holdings.positions)
        copied = not policy.waits(master) and policy.venue_for(master) == place
        books = {symbol: book for symbol, each in named.items() if (book := each.book(name)).size.amount > 0}
        follows = FollowerHoldings(policy, of_user, Portfolio(books, market), copied, _share(policy, name))
        hidden = {symbol for text in holdings.unreadable if (symbol := _symbol(text)) is not None}
        rows = [each for each in drifts(place, leader, follows, market) if each.symbol not in hidden]
        rows += [_hidden(policy.user, place, symbol) for symbol in sorted(hidden, key=str)]
        found += [replace(each, master=master) for each in rows]
    if owner != MASTER:  # the books of no master are looked for once for each venue
        return found
    present = {name or place for place, name in names.items()}
    present |= {further for place in await read_master_places(bus) if (further := further_name(place.owner))}
    divided = [
        policy
        for policy in routed
        if venue in policy.venues and (policy.has_books or len(present) > len(names) or any(names.values()))
    ]
    answers = await bus.do_all([("HGETALL", keys.positions(policy.user, venue)) for policy in divided])
    for policy, answer in zip(divided, answers, strict=True):
        found += _of_nobody(policy, venue, read_positions(answer).positions, present)
    return found


async def read_master_names(bus: Bus) -> Mapping[str, str]:
    """Return the name of the master at each venue; empty for one that has none but the venue's. Raises BusUnavailable."""
    answers = await bus.do_all([("HGET", keys.master_name(venue), "name") for venue in VENUES])
    return {str(venue): name if isinstance(name, str) else "" for venue, name in zip(VENUES, answers, strict=True)}


def _share(policy: UserPolicy, name: str) -> Decimal:
    followed = policy.followed_master(name)
    return ONE if followed is None else followed.share_pct / 100


def _of_nobody(
    policy: UserPolicy, venue: str, held: Mapping[Symbol, Position], present: Collection[str]
) -> list[Drift]:
    """Return a row for each book that is compared with no master. As no stray it is closed by no repair."""
    note = "the book of a master that has no account here any more"
    found = []
    for symbol, position in sorted(held.items(), key=lambda each: str(each[0])):
        for name, book in position.split().items():
            master = name if name != MAIN else policy.master_at(venue)
            if master not in present or venue not in _accounts_of(policy, master):
                found.append(
                    Drift(policy.user, venue, symbol, None, book.size, None, stray=False, note=note, master=master)
                )
    return found


def _accounts_of(policy: UserPolicy, master: str) -> list[str]:
    """Return the venues whose accounts hold, or may hold, copies of a master."""
    now = None if policy.waits(master) else policy.venue_for(master)
    return [*([] if now is None else [now]), *policy.former_venues(master)]


def _symbol(name: str) -> Symbol | None:
    try:
        return Symbol.parse(name)
    except ValueError:
        return None


def _hidden(user: str, venue: str, symbol: Symbol) -> Drift:
    nothing = Quantity(ZERO, symbol.base)
    return Drift(
        user, venue, symbol, None, nothing, None, stray=False, note="the record of what is held cannot be read"
    )


def cap_by_account(
    positions: Mapping[Symbol, Position], holdings: Mapping[str, MasterHolding]
) -> dict[Symbol, Quantity]:
    """Return the master's positions, each limited to what its account was last seen to hold.

    A balance read before the last change of a position, or too soon after it, does not count: balances lag behind fills.
    """
    found, left = {}, {coin: each.total for coin, each in holdings.items()}
    for symbol in sorted(positions, key=str):
        position, coin = positions[symbol], symbol.base
        seen = holdings.get(coin)
        found[symbol] = position.size
        if seen is not None and seen.as_of >= position.updated_at + _LAG_MS:
            found[symbol] = min(position.size, left[coin])
            left[coin] = left[coin] - found[symbol]
    return found


async def master_problem(bus: Bus, venue: str, now: int, owner: str = MASTER) -> str:
    """Return why the master's holdings are not reliable at `now` (epoch ms); empty if they are."""
    (master,) = await Records(bus).accounts([(owner, venue)])
    return _problem_of(master, now)


async def traded_since(bus: Bus, since: int) -> Mapping[str, int]:
    """Return the assets that the master has traded since an instant (epoch ms), each with its latest trade."""
    found: dict[str, int] = {}
    for entry in read_entries(keys.SIGNALS, await bus.do("XREVRANGE", keys.SIGNALS, "+", "-", "COUNT", _LATELY)):
        at = instant(entry.fields, "filled_at") or 0
        base = entry.fields.get("symbol", "").partition("/")[0]
        if at >= since:
            found[base] = max(at, found.get(base, 0))
    return found


def _problem_of(master: Account | None, now: int) -> str:
    if master is None or master.state is not AccountState.READY:
        return "the master's account is not ready"
    age = now - master.as_of
    if age > MAX_BALANCE_AGE_MS:
        return f"the master's account was read {age / 1000:.0f} s ago"
    return ""
