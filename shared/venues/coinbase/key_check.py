"""Asks Coinbase about an account's key, in a way that changes nothing.

A key sees one portfolio: wallets, orders and fills of others are invisible to it. Key permissions say what it may do and where; a
preview of an order creates nothing and shows whether one would be taken. Whether the key is bound to addresses no call tells.
Sources: docs.cdp.coinbase.com *Get API Key Permissions*, *List Portfolios*, *Preview Order*; COINBASE.md, C10 and C20.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.domain.key_report import Finding, KeyCheck, ok, refused, warning
from shared.domain.values.money import Price, plain
from shared.domain.values.symbol import Symbol
from shared.venues.answers import UNREADABLE
from shared.venues.coinbase import parse
from shared.venues.coinbase.errors import UNAUTHORIZED
from shared.venues.coinbase.preview import preview
from shared.venues.coinbase.public import CoinbasePublic
from shared.venues.coinbase.questions import Questions
from shared.venues.errors import Refusal, Rejected, VenueError, presentable

WHERE: Final = "in the CDP portal under API keys"
_PROVES_THE_RIGHT: Final = frozenset({Refusal.FUNDS, Refusal.MINIMUM, Refusal.PRECISION})
"""Refusals of an order that come after the check of the key's rights and wallets."""
_LISTS: Final = ("/orders/historical/batch", "/orders/historical/fills")
_NAMED: Final = 60


class KeyExaminer:
    """The questions about one key."""

    def __init__(self, questions: Questions, public: CoinbasePublic) -> None:
        self._questions = questions
        self._public = public

    async def findings(self, symbol: Symbol | None, *, trades: bool, probe: bool) -> list[Finding]:
        """Return what Coinbase says of the key. Raises Rejected for one that it refuses as a whole, Unavailable."""
        answer = await self._permissions(patient=not probe)
        if answer is None:
            return [
                ok(KeyCheck.SIGNATURE, "Coinbase accepts key and secret"),
                refused(KeyCheck.QUERY, f'the key lacks "View": tick it {WHERE}'),
            ]
        with parse.readable("key_permissions"):
            may = {name: _flag(answer, name) for name in ("can_view", "can_trade", "can_transfer")}
        found = [
            ok(KeyCheck.SIGNATURE, "Coinbase accepts key and secret"),
            _query(may["can_view"]),
            _trade(may["can_trade"], trades=trades),
            _transfer(may["can_transfer"]),
            await self._portfolio(answer),
            ok(KeyCheck.IP_LIST, f"Coinbase does not say whether a key has an IP allowlist: look at it {WHERE}"),
            ok(KeyCheck.EXPIRY, "keys of Coinbase have no expiry"),
        ]
        if probe and may["can_view"]:
            found += await self._listed()
        if probe and trades and may["can_trade"]:
            found.append(await self._previewed(symbol))
        return found

    async def _permissions(self, *, patient: bool) -> Mapping[str, Any] | None:
        """Return the answer to key_permissions; None for a key without the right to look at anything."""
        try:
            return await self._questions.ask("/key_permissions", patient=patient)
        except Rejected as refusal:
            if refusal.refusal is not Refusal.AUTH:
                raise
            if str(UNAUTHORIZED) in refusal.words:
                raise Rejected(
                    f"{refusal.words} (a key of the kind Ed25519? then make one of ECDSA)", Refusal.AUTH
                ) from None
            return None

    async def _portfolio(self, answer: Mapping[str, Any]) -> Finding:
        uuid, kind = str(answer.get("portfolio_uuid") or ""), str(answer.get("portfolio_type") or "of unknown type")
        name = ""
        try:
            listed = (await self._questions.ask("/portfolios")).get("portfolios") or []
            name = next((str(row.get("name")) for row in listed if row.get("uuid") == uuid), "")
        except (VenueError, *UNREADABLE):
            name = ""  # its name is a help for people, nothing more
        shown = presentable(f'"{name[:_NAMED]}" ({kind})' if name else kind)
        return ok(KeyCheck.PORTFOLIO, f"the key sees the portfolio {shown} and no other")

    async def _listed(self) -> list[Finding]:
        """Read one row of the lists by which an order's end is found."""
        for path in _LISTS:
            try:
                await self._questions.ask(path, {"limit": 1})
            except Rejected as refusal:
                text = f"orders cannot be looked up: {refusal.words}"
                if refusal.refusal is Refusal.AUTH:
                    return [refused(KeyCheck.QUERY, f'{text}: tick "View" {WHERE}')]
                return [warning(KeyCheck.QUERY, text)]
        return []

    async def _previewed(self, symbol: Symbol | None) -> Finding:
        """Have Coinbase preview a minimal order."""
        if symbol is None:
            return warning(KeyCheck.TRADE, "not tried: Coinbase lists no product in the user's currency")
        try:
            body = await self._order(symbol)
            if body is None:
                return warning(KeyCheck.TRADE, f"not tried: {symbol} has no price")
            await preview(self._questions, body)
        except Rejected as refusal:
            return _refusal(symbol, refusal.words, refusal.refusal)
        return _accepted(symbol)

    async def _order(self, symbol: Symbol) -> Mapping[str, Any] | None:
        """Return the content of the smallest order for a product at its last price; None without one."""
        instrument = (await self._public.instruments()).get(symbol)
        last = (await self._public.prices([symbol])).get(symbol)
        if instrument is None or last is None:
            return None
        limit = Price(last.amount, symbol).floored(instrument.tick)
        if limit.amount <= 0:
            return None
        fields = {"base_size": plain(instrument.least(limit).amount), "limit_price": plain(limit.amount)}
        return {
            "product_id": await self._public.product_id(symbol),
            "side": "BUY",
            "order_configuration": {"sor_limit_ioc": fields},
        }


def _flag(answer: Mapping[str, Any], name: str) -> bool:
    """Return a right; one that is missing is an answer that cannot be read, never a right that the key lacks."""
    value = answer[name]
    if not isinstance(value, bool):
        raise TypeError("not a boolean")
    return value


def _query(allowed: bool) -> Finding:
    if allowed:
        return ok(KeyCheck.QUERY, "may look up wallets, orders and fills")
    return refused(KeyCheck.QUERY, f'the key lacks "View": tick it {WHERE}')


def _trade(allowed: bool, *, trades: bool) -> Finding:
    if allowed:
        return ok(KeyCheck.TRADE, "may place orders")
    if not trades:
        return ok(KeyCheck.TRADE, "may not place orders, which it need not")
    return refused(KeyCheck.TRADE, f'the key lacks "Trade": tick it {WHERE}')


def _transfer(allowed: bool) -> Finding:
    if allowed:
        return refused(KeyCheck.WITHDRAW, f'the key has "Transfer": take it away {WHERE}; Shoal never needs it')
    return ok(KeyCheck.WITHDRAW, "may neither withdraw nor transfer")


def _accepted(symbol: Symbol) -> Finding:
    return ok(KeyCheck.TRADE, f"an order for {symbol} would be accepted (previewed, not sent)")


def _refusal(symbol: Symbol, words: str, refusal: Refusal) -> Finding:
    if refusal in _PROVES_THE_RIGHT:
        return _accepted(symbol)
    if refusal is Refusal.AUTH:
        return refused(
            KeyCheck.TRADE,
            f'{words}: tick "Trade", and check that the key\'s portfolio has a wallet in {symbol.quote} {WHERE}',
        )
    return warning(KeyCheck.TRADE, f"an order for {symbol} would be refused now: {words}")
