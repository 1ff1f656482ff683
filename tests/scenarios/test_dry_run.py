"""Users on paper money beside users on real money: live mode, real processes, real venues that keep every request they see."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.contracts import keys
from shared.domain.order import leg_id
from tests.support.ops_command import run_ops
from tests.support.processes import wait_for
from tests.support.real_venue import RealVenue
from tests.support.stack import Stack

PAPER: Final = "paper = true\n"


class LiveStack(Stack):
    """A stack in live mode: `real` is every real venue, with a market and accounts of its own; keys stand in files."""

    real: RealVenue
    market: Stack

    def environment(self) -> dict[str, str]:
        """Live mode, as a person would set it; no variable holds a key."""
        found = {name: value for name, value in super().environment().items() if "_API_" not in name}
        found |= {"SHOAL_MODE": "live", "SSL_CERT_FILE": str(self.real.certificate)}
        for venue, owners in self.keys_at.items():
            found[f"{venue.upper()}_URL"] = self.real.url
            for user in owners:
                for part in ("KEY", "SECRET"):
                    found[f"{self.stem(user)}_{part}_FILE"] = str(self.folder / f"{user}.{part}")
        return found

    def stem(self, user: str) -> str:
        """Return how the variables of a user's key begin, at the user's one venue."""
        (venue,) = self.venues_of(user)
        return f"{venue.upper()}_USER_{user.upper()}_API"

    def use(self, user: str, key: str, secret: str) -> str:
        """Have a user trade with a key from the next turn on."""
        (venue,) = self.venues_of(user)
        self.keys_at[venue][user] = (key, secret)
        for part, text in (("KEY", key), ("SECRET", secret)):
            path = self.folder / f"{user}.{part}"
            path.touch(mode=0o600)  # live mode takes no key that others can read
            path.write_text(text)
        return key

    def on_paper(self, user: str) -> str:
        """Return a user an account at the paper exchange, and its key; the real venue would take that key too."""
        self.open_account(user, USD=5000)
        (venue,) = self.venues_of(user)
        key, secret = self.keys_at[venue][user]
        self._account_at_the_real_venue(user, key, secret)
        return self.use(user, key, secret)

    def on_real_money(self, user: str, *permissions: str) -> str:
        """Return a user an account at the real venue, and its key: with these rights, or with all that trading needs."""
        (venue,) = self.venues_of(user)
        key, secret = REAL_KEYS[venue]()
        self._account_at_the_real_venue(user, key, secret, *permissions)
        return self.use(user, key, secret)

    def _account_at_the_real_venue(self, user: str, key: str, secret: str, *permissions: str) -> None:
        (venue,) = self.venues_of(user)
        body: dict[str, Any] = {"user": user, "venue": venue, "api_key": key, "api_secret": secret}
        if permissions:
            body["permissions"] = permissions
        self.market.post("/paper/accounts", {**body, "balances": {"USD": "5000"}})

    def followed(self, symbol: str, price: str) -> None:
        """Put the real market somewhere, and wait until the paper exchange is there too."""
        self.market.price(symbol, price)
        pair = {"BTC/USD": "XBTUSD", "ETH/USD": "ETHUSD"}[symbol]

        def last() -> Decimal:
            (row,) = self.get(f"/0/public/Ticker?pair={pair}")["result"].values()
            return Decimal(row["c"][0])

        wait_for(lambda: last() == Decimal(price), 20, f"the paper exchange follows {symbol} to {price}")

    def status(self, user: str) -> dict[str, Any]:
        """Read what `ops status` says of a user."""
        told = run_ops(self, "status", "--json")
        return next(row for row in told.json["users"] if row["user"] == user)


def _kraken_key() -> tuple[str, str]:
    return f"Real{secrets.token_hex(12)}", base64.b64encode(secrets.token_bytes(64)).decode()


def _coinbase_key() -> tuple[str, str]:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return f"organizations/{uuid4()}/apiKeys/{uuid4()}", pem.decode()


REAL_KEYS: Final = {"kraken": _kraken_key, "coinbase": _coinbase_key}
EACH_VENUE: Final = pytest.mark.parametrize("venue", list(REAL_KEYS))


@contextmanager
def live(
    folder: Path, *, venue: str = "kraken", at: Mapping[str, Sequence[str]] | None = None, **users: str
) -> Iterator[LiveStack]:
    """Run the real venues, and a stack in live mode beside them, with users of these settings.

    They trade at `venue`, or where `at` says.
    """
    stack = LiveStack(folder / "shoal", list(users), venue=venue, venues=at)
    (folder / "venue").mkdir()
    with (
        Stack(folder / "venue" / "behind") as market,
        RealVenue(folder / "venue", market.paper_port) as real,
    ):
        stack.real, stack.market = real, market
        market.price("BTC/USD", "60000")
        market.price("ETH/USD", "3000")
        with stack:
            for user, settings in users.items():
                stack.write_user(user, settings)
            yield stack


def _parked(stack: Stack, user: str) -> str:
    account = stack.account(user)
    return account.get("reason", "") if account.get("state") == "parked" else ""


@EACH_VENUE
@pytest.mark.timeout(180)
def test_dry_run_never_reaches_an_adapter(tmp_path: Path, venue: str) -> None:
    with live(tmp_path, venue=venue, penny=PAPER, rita="", liar=PAPER, mixed="") as stack:
        penny, rita = stack.on_paper("penny"), stack.on_real_money("rita")
        liar, mixed = stack.on_real_money("liar"), stack.on_paper("mixed")
        stack.followed("BTC/USD", "60000")
        stack.executor(["penny", "rita", "liar", "mixed"])
        stack.engine()
        stack.wait_ready("penny", "rita")

        # In and out by the master's signals, at prices that only the real market has; not 5 % away: no own exit yet.
        stack.followed("BTC/USD", "61210.5")
        stack.signal(price="61210.5")
        stack.signal("ETH/USD", size="0.2", price="3000")
        for user in ("penny", "rita"):
            assert [row["outcome"] for row in stack.wait_reports(user, 2)] == ["filled", "filled"]
            assert set(stack.held(user)) == {"BTC/USD", "ETH/USD"}
        stack.signal(kind="exit", fraction="0.5", price="61210.5")
        stack.signal(kind="exit", fraction="1", price="61210.5")
        # And out by their own stop loss: the real market falls.
        stack.market.price("ETH/USD", "2800")
        for user in ("penny", "rita"):
            rows = stack.wait_reports(user, 5)
            assert [row["outcome"] for row in rows] == ["filled"] * 5
            assert [row["symbol"] for row in rows if not row["signal_id"]] == ["ETH/USD"]
            assert stack.held(user) == {}

        # The real venue was asked for nothing that is signed but by rita, and for none of penny's orders.
        assert {request.api_key for request in stack.real.private} == {rita}
        hers = {request.client_order_id for request in stack.real.private if request.client_order_id}
        decided = {row["order_id"] for row in (*stack.orders("penny"), *stack.reports("penny")) if "order_id" in row}
        decided |= {row["id"] for row in stack.orders("penny")}
        assert len(hers) == 5
        assert not hers & {leg_id(order, number) for order in decided for number in (1, 2, 3)}
        assert stack.market.venue_orders("penny") == []

        # All of penny's are at the paper exchange, which has seen no key but hers.
        there = stack.venue_orders("penny")
        assert {row["client_order_id"] for row in there} == {row["order_id"] for row in stack.reports("penny")}
        assert stack.venue_orders("rita") == []
        assert {row["api_key"] for row in stack.get("/paper/requests")} == {penny}
        assert sum(Decimal(row["average_price"]) > 61_000 for row in there if row["symbol"] == "BTC/USD") == 3

        # Keys of the wrong money were sent nowhere, and the reasons say so.
        assert f"{stack.stem('liar')}_KEY is not a paper key" in _parked(stack, "liar")
        assert f"{stack.stem('mixed')}_KEY is a paper key, but SHOAL_MODE is live" in _parked(stack, "mixed")
        for service in stack.services:
            assert not [key for key in (liar, mixed, penny, rita) if key in service.log()]

        assert [stack.status(user)["accounts"][0]["funds"] for user in ("penny", "rita")] == ["paper", "live"]
        audit = run_ops(stack, "audit", "--json", "--grace", "0")
        assert audit.code == 0, audit.out
        assert audit.json["venue_checked"]
        assert (audit.json["venue_users"], audit.json["venue_orders"]) == (1, len(there))


@EACH_VENUE
@pytest.mark.timeout(180)
def test_a_user_goes_over_to_paper_money_and_back_and_nothing_is_sold_with_the_other(
    tmp_path: Path, venue: str
) -> None:
    with live(tmp_path, venue=venue, rita='[exits]\nstop_loss_pct = "off"\n') as stack:
        off = '[exits]\nstop_loss_pct = "off"\n'
        real = stack.on_real_money("rita")
        stack.followed("BTC/USD", "60000")
        stack.executor(["rita"])
        stack.engine()
        stack.wait_ready("rita")
        stack.signal()
        assert stack.wait_reports("rita", 1)[0]["outcome"] == "filled"
        held = stack.held("rita")

        # She holds real coins: on paper money her account is parked, and the master's exit waits.
        former = stack.keys["rita"]
        paper = stack.on_paper("rita")
        stack.write_user("rita", PAPER + off)
        wait_for(lambda: "these books are of real money, with " in _parked(stack, "rita"), 20, "rita is parked")
        stack.signal(kind="exit", fraction="1")
        wait_for(lambda: len(stack.orders("rita")) == 2, 20, "the exit is decided")
        assert stack.held("rita") == held
        assert stack.get(f"/paper/requests?api_key={paper}") == []

        # As the reason tells: back, and out; the exit was not lost.
        latest = stack.keys["rita"]
        stack.use("rita", *former)
        stack.write_user("rita", off)
        assert stack.wait_reports("rita", 2)[1]["outcome"] == "filled"
        assert stack.held("rita") == {}

        # With nothing open she goes over, with books of her own.
        stack.use("rita", *latest)
        stack.write_user("rita", PAPER + off)
        wait_for(lambda: stack.client.hget(keys.books("rita", venue), "funds") == "paper", 20, "books begun anew")
        stack.wait_ready("rita")
        asked = len(stack.real.private)
        stack.signal()
        assert stack.wait_reports("rita", 3)[2]["outcome"] == "filled"
        assert len(stack.venue_orders("rita")) == 1
        assert len(stack.real.private) == asked
        assert {request.api_key for request in stack.real.private} == {real}
        audit = run_ops(stack, "audit", "--json", "--grace", "0")
        assert audit.code == 0, (
            audit.out
        )  # of her orders with real money the paper exchange knows nothing, and need not
