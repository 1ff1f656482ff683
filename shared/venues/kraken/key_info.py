"""What Kraken says of the API key that asks: rights, nonce, list of addresses, expiry; and what that means for Shoal.

The key itself and the account's number (`iban`) are in the answer; they are not read, so no text can show them. A right that is
not in the table below and whose name speaks of withdrawing or transferring counts as one of these.
Source: docs.kraken.com, *Get API Key Info*; KRAKEN.md, K28.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shared.domain.key_report import Finding, KeyCheck, ok, refused, warning
from shared.venues.errors import presentable

QUERY_FUNDS: Final = "query-funds"
QUERY_OPEN: Final = "query-open-trades"
QUERY_CLOSED: Final = "query-closed-trades"
MODIFY: Final = "modify-trades"
STREAMS: Final = "create-ws-token"
TITLES: Final[Mapping[str, str]] = {
    QUERY_FUNDS: "Funds: Query",
    QUERY_OPEN: "Orders and trades: Query open orders & trades",
    QUERY_CLOSED: "Orders and trades: Query closed orders & trades",
    MODIFY: "Orders and trades: Create & modify orders",
    STREAMS: "WebSocket interface",
    "withdraw-funds": "Funds: Withdraw",
    "earn-funds": "Funds: Earn",
    "add-withdraw-address": "Add withdrawal addresses",
    "update-withdraw-address": "Update withdrawal addresses",
}
"""The rights as the page of a key calls them, by their words in the answer."""
QUERY_RIGHTS: Final = (QUERY_FUNDS, QUERY_OPEN, QUERY_CLOSED)
_MOVES_MONEY: Final = re.compile(r"withdraw|transfer")
_EARN: Final = "earn-funds"
_DAY_MS: Final = 24 * 3600 * 1000
_SOON_MS: Final = 14 * _DAY_MS
_HISTORY_MS: Final = 90 * _DAY_MS
"""How far back Shoal reads orders after a loss of Redis."""
WHERE: Final = "at Kraken under Settings, API"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """The answer to GetApiKeyInfo, instants in epoch ms; 0 for one that is not set."""

    rights: frozenset[str]
    nonce: int
    nonce_window: int
    addresses: tuple[str, ...]
    valid_until: int
    query_from: int
    query_to: int

    @classmethod
    def read(cls, result: Mapping[str, Any]) -> KeyInfo:
        """Parse the answer. Raises TypeError, ValueError or LookupError for another shape."""
        rights, addresses = result["permissions"], result.get("ipAllowlist") or []
        if not isinstance(rights, list) or not isinstance(addresses, list):
            raise TypeError("not a list")
        return cls(
            rights=frozenset(presentable(str(each)) for each in rights),
            nonce=int(str(result.get("nonce") or 0)),
            nonce_window=int(str(result.get("nonceWindow") or 0)),
            addresses=tuple(map(str, addresses)),
            valid_until=_instant(result, "validUntil"),
            query_from=_instant(result, "queryFrom"),
            query_to=_instant(result, "queryTo"),
        )

    def findings(self, now: int, sent: int, *, trades: bool) -> list[Finding]:
        """Judge it at `now` (epoch ms); `sent` is the highest nonce that this process has sent."""
        return [
            ok(KeyCheck.SIGNATURE, "Kraken accepts key and secret"),
            self._query(now),
            *self._trade(trades),
            stream_finding(allowed=STREAMS in self.rights),
            *self._money(),
            self._nonce(sent),
            self._addresses(),
            self._expiry(now),
        ]

    def _query(self, now: int) -> Finding:
        if missing := [TITLES[right] for right in QUERY_RIGHTS if right not in self.rights]:
            return refused(KeyCheck.QUERY, f"the key lacks {_listed(missing)}: tick it {WHERE}")
        if self.query_to and self.query_to < now:
            return refused(
                KeyCheck.QUERY,
                f"the key sees no order after {_day(self.query_to)}: make a key without a query end date {WHERE}",
            )
        if self.query_from > now - _HISTORY_MS:
            return warning(
                KeyCheck.QUERY,
                f"the key sees no order before {_day(self.query_from)}: make one without a query start date",
            )
        return ok(KeyCheck.QUERY, "may look up funds, open and closed orders")

    def _trade(self, trades: bool) -> list[Finding]:
        if MODIFY in self.rights:
            return [ok(KeyCheck.TRADE, "may place orders")]
        if not trades:
            return [ok(KeyCheck.TRADE, "may not place orders, which it need not")]
        return [refused(KeyCheck.TRADE, f"the key lacks {TITLES[MODIFY]}: tick it {WHERE}")]

    def _money(self) -> list[Finding]:
        found = []
        if bad := sorted(right for right in self.rights if _MOVES_MONEY.search(right)):
            titles = _listed([TITLES.get(right, right) for right in bad])
            found.append(
                refused(KeyCheck.WITHDRAW, f"the key has {titles}: take it away {WHERE}; Shoal never needs it")
            )
        else:
            found.append(ok(KeyCheck.WITHDRAW, "may neither withdraw nor transfer"))
        if _EARN in self.rights:
            found.append(
                warning(
                    KeyCheck.WITHDRAW, f"the key has {TITLES[_EARN]} and could lend coins out: take it away {WHERE}"
                )
            )
        return found

    def _nonce(self, sent: int) -> Finding:
        if self.nonce > sent:
            return warning(
                KeyCheck.NONCE,
                f"Kraken knows a nonce of this key ({self.nonce}) above Shoal's last ({sent}): another program uses it; make "
                f"a key for Shoal alone",
            )
        if self.nonce_window:
            return warning(
                KeyCheck.NONCE,
                f"the key's nonce window is {self.nonce_window}, with which an outdated request is taken: set it to 0 {WHERE}",
            )
        return ok(KeyCheck.NONCE, f"last nonce {self.nonce}, none above Shoal's; no nonce window")

    def _addresses(self) -> Finding:
        if self.addresses:
            return ok(KeyCheck.IP_LIST, f"bound to {len(self.addresses)} addresses or ranges")
        return warning(KeyCheck.IP_LIST, f"the key works from every address: enter this host's in its IP list {WHERE}")

    def _expiry(self, now: int) -> Finding:
        if not self.valid_until:
            return ok(KeyCheck.EXPIRY, "does not expire")
        day = _day(self.valid_until)
        if self.valid_until <= now:
            return refused(KeyCheck.EXPIRY, f"the key expired on {day}: make a new one {WHERE}")
        if self.valid_until - now < _SOON_MS:
            return warning(KeyCheck.EXPIRY, f"the key expires on {day}: make a new one before that {WHERE}")
        return ok(KeyCheck.EXPIRY, f"expires on {day}")


def stream_finding(*, allowed: bool) -> Finding:
    """Return the finding about private streams: without them everything works, but slower."""
    if allowed:
        return ok(KeyCheck.STREAM, "may open private streams")
    return warning(
        KeyCheck.STREAM,
        f'the key lacks "{TITLES[STREAMS]}": tick it {WHERE}; until then Kraken is asked what became of each order, of which its '
        f"limits allow one every few seconds",
    )


def _instant(result: Mapping[str, Any], name: str) -> int:
    """Return epoch ms of a field with epoch seconds as text; 0 if it is not set."""
    return int(str(result.get(name) or 0)) * 1000


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")


def _listed(titles: list[str]) -> str:
    return " and ".join(f'"{title}"' for title in titles)
