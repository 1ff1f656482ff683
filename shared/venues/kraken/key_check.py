"""Asks Kraken about an account's key, in a way that changes nothing.

GetApiKeyInfo needs no right and says nearly everything. If Kraken refuses it, each right is tried with a call that changes
nothing: lookups, an order that is only validated, and the fee of a withdrawal to an address that does not exist, which must be
refused for lack of permission. What cannot be tried (list of addresses, expiry, nonce window) is named.

It must never send an order that could be taken: `validate` is set, and beside it the order is an immediate one at half the price,
which cannot fill. Sources: docs.kraken.com *Get API Key Info*, *Add Order* (`validate`), *Get Withdrawal Information*; KRAKEN.md,
K27 to K29.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from shared.domain.key_report import Finding, KeyCheck, ok, refused, warning
from shared.domain.values.money import Price, plain
from shared.domain.values.symbol import Symbol
from shared.venues.errors import KEY_REFUSALS, Refusal, Rejected
from shared.venues.kraken import parse
from shared.venues.kraken.errors import lacks_permission
from shared.venues.kraken.key_info import (
    MODIFY,
    QUERY_CLOSED,
    QUERY_FUNDS,
    QUERY_OPEN,
    TITLES,
    WHERE,
    KeyInfo,
    stream_finding,
)
from shared.venues.kraken.lane import Lane
from shared.venues.kraken.public import KrakenPublic

_KEY_INFO: Final = "GetApiKeyInfo"
_TOKEN: Final = "GetWebSocketsToken"  # noqa: S105  # a method; its answer is dropped unread
_NO_SUCH_ADDRESS: Final = "no such withdrawal address"
_PROBES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    QUERY_FUNDS: ("BalanceEx", {}),
    QUERY_OPEN: ("OpenOrders", {}),
    QUERY_CLOSED: ("ClosedOrders", {}),
}
"""The lookup that each right allows."""
_PROVES_THE_RIGHT: Final = frozenset({Refusal.FUNDS, Refusal.MINIMUM, Refusal.PRECISION})
"""Refusals of an order that come after the check of the key's rights."""


class KeyExaminer:
    """The questions about one key, through its lane. `now` returns the venue's time in epoch ms."""

    def __init__(self, lane: Lane, public: KrakenPublic, now: Callable[[], int]) -> None:
        self._lane = lane
        self._public = public
        self._now = now

    async def findings(self, symbol: Symbol | None, *, trades: bool, probe: bool) -> list[Finding]:
        """Return what Kraken says of the key. Raises Rejected for one that it refuses as a whole, Unavailable."""
        known = await self._key_info(patient=not probe)
        if known is None:
            found = await self._by_probes(symbol, trades=trades)
        else:
            found = known.findings(self._now(), self._lane.last_nonce, trades=trades)
            if probe and trades and MODIFY in known.rights:
                found += await self._validated(symbol)
        return found

    async def _key_info(self, *, patient: bool) -> KeyInfo | None:
        """Return the answer to GetApiKeyInfo; None if Kraken does not answer it for this key."""
        try:
            answer = await self._lane.look_up(_KEY_INFO, patient=patient)
        except Rejected as refusal:
            if refusal.refusal in KEY_REFUSALS and not lacks_permission(refusal.words):
                raise
            return None
        with parse.readable(_KEY_INFO):
            return KeyInfo.read(answer)

    async def _by_probes(self, symbol: Symbol | None, *, trades: bool) -> list[Finding]:
        missing = [right for right, (method, form) in _PROBES.items() if not await self._allows(method, form)]
        found = [ok(KeyCheck.SIGNATURE, "Kraken accepts key and secret")]
        if missing:
            names = " and ".join(f'"{TITLES[right]}"' for right in missing)
            found.append(refused(KeyCheck.QUERY, f"the key lacks {names}: tick it {WHERE}"))
        else:
            found.append(ok(KeyCheck.QUERY, "may look up funds, open and closed orders"))
        if trades:
            found += await self._validated(symbol)
        found.append(stream_finding(allowed=await self._allows(_TOKEN, {})))
        found.append(await self._withdrawal())
        unproved = "cannot be read with this key: make a new one, which tells it"
        found += [
            warning(KeyCheck.NONCE, f"the nonce window {unproved}"),
            warning(KeyCheck.IP_LIST, f"the IP list {unproved}"),
            warning(KeyCheck.EXPIRY, f"the expiry {unproved}"),
        ]
        return found

    async def _allows(self, method: str, form: Mapping[str, str]) -> bool:
        try:
            await self._lane.look_up(method, form)
        except Rejected as refusal:
            if not lacks_permission(refusal.words):
                raise
            return False
        return True

    async def _withdrawal(self) -> Finding:
        form = {"asset": "XBT", "key": _NO_SUCH_ADDRESS, "amount": "0.001"}
        try:
            await self._lane.look_up("WithdrawInfo", form)
        except Rejected as refusal:
            if lacks_permission(refusal.words):
                return ok(KeyCheck.WITHDRAW, "may not withdraw: Kraken refused to tell the fee of a withdrawal")
            if refusal.refusal in KEY_REFUSALS:
                raise
        return refused(
            KeyCheck.WITHDRAW, f'the key has "{TITLES["withdraw-funds"]}": take it away {WHERE}; Shoal never needs it'
        )

    async def _validated(self, symbol: Symbol | None) -> list[Finding]:
        """Have Kraken check a minimal order without taking it."""
        if symbol is None:
            return [warning(KeyCheck.TRADE, "not tried: Kraken lists no pair in the user's currency")]
        form = await self._order(symbol)
        if form is None:
            return [warning(KeyCheck.TRADE, f"not tried: {symbol} has no price")]
        try:
            await self._lane.check_order(form)
        except Rejected as refusal:
            if lacks_permission(refusal.words):
                return [refused(KeyCheck.TRADE, f'{refusal.words}: tick "{TITLES[MODIFY]}" {WHERE}')]
            if refusal.refusal in KEY_REFUSALS:
                raise
            if refusal.refusal not in _PROVES_THE_RIGHT:
                return [warning(KeyCheck.TRADE, f"an order for {symbol} would be refused now: {refusal.words}")]
        return [ok(KeyCheck.TRADE, f"an order for {symbol} would be accepted (validated, not sent)")]

    async def _order(self, symbol: Symbol) -> Mapping[str, str] | None:
        """Return the smallest order for a pair, as one that cannot fill and is only validated; None without a price."""
        book = await self._public.names()
        pair, instrument = book.pair_name(symbol), book.instruments.get(symbol)
        last = (await self._public.prices([symbol])).get(symbol)
        if pair is None or instrument is None or last is None:
            return None
        limit = Price(last.amount / 2, symbol).floored(instrument.tick)
        if limit.amount <= 0:
            return None
        return {
            "pair": pair,
            "type": "buy",
            "ordertype": "limit",
            "volume": plain(instrument.least(limit).amount),
            "price": plain(limit.amount),
            "timeinforce": "IOC",
        }
