"""Builds the venues of a process: the one place that knows which classes implement the port.

Callers hold `Venue` and `PublicVenue`. All venues of a process share one HTTP session and, per venue, one public side, so that a
hundred users do not fetch the same list of pairs a hundred times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from shared.config.keys.coinbase_key import find_name_fault, parse_secret
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.contracts.keys import fingerprint
from shared.domain.fault import Faults
from shared.domain.values.venue import VenueName
from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.coinbase.paper import PaperCoinbaseApi
from shared.venues.coinbase.public import CoinbasePublic
from shared.venues.coinbase.questions import Questions
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.coinbase.streaming.products import OrderProducts
from shared.venues.coinbase.streaming.stream import CoinbaseStream
from shared.venues.coinbase.streaming.ticker import CoinbaseTicker
from shared.venues.coinbase.submission import Submission
from shared.venues.coinbase.transport import CoinbaseApi, SigningKey
from shared.venues.errors import Refusal, Rejected
from shared.venues.http.session import HttpSession, new_http_session
from shared.venues.kraken.adapter import KrakenVenue
from shared.venues.kraken.lane import Lane
from shared.venues.kraken.paper import PaperKrakenApi
from shared.venues.kraken.public import KrakenPublic
from shared.venues.kraken.rate_budget import RateBudget, Tier
from shared.venues.kraken.streaming.stream import KrakenStream
from shared.venues.kraken.streaming.ticker import KrakenTicker
from shared.venues.kraken.transport import KrakenApi
from shared.venues.port import NonceSource, PublicSide, Venue
from shared.venues.price_stream import PriceStream
from shared.venues.row_log import RowLog
from shared.venues.streaming.attempts import Attempts
from shared.venues.streaming.connection import StreamAddress
from shared.venues.streaming.ticker import TickerStream
from shared.venues.venue_clock import venue_time

__all__ = [
    "Budget",
    "HttpSession",
    "RateBudget",
    "Tier",
    "new_http_session",
    "open_account",
    "open_budget",
    "open_coinbase",
    "open_kraken",
    "open_price_stream",
    "open_public",
    "open_public_coinbase",
    "open_public_kraken",
    "tier_named",
]

Budget = RateBudget | CoinbaseBudget
"""The count of one key's calls, at whichever venue."""
NO_TIER: Final = "none"
"""What a venue's tier is called where Shoal counts no calls."""
_UNSUPPORTED: Final = "{} is not supported yet"


def open_public_kraken(
    *, url: str, http: HttpSession, timeout: float, clock: Callable[[], int], faults: Faults | None = None
) -> KrakenPublic:
    """Open Kraken's public side at a base URL without path. `timeout` in seconds per call.

    `clock` is the `VenueClock` of this URL, which learns from every answer; any other clock (epoch ms) is assumed to be exact.
    Rows of answers that cannot be read are counted in `faults`.
    """
    known = venue_time(clock)
    api = KrakenApi(url=url, http=http, timeout=timeout, clock=known)
    return KrakenPublic(api, timeout=timeout, clock=known, rows=RowLog(faults))


def open_public(
    venue: str,
    *,
    url: str,
    http: HttpSession,
    timeout: float,
    clock: Callable[[], int],
    faults: Faults | None = None,
) -> PublicSide:
    """Open the public side of a venue; see `open_public_kraken`. Raises Rejected for a venue without an adapter."""
    if venue == VenueName.KRAKEN:
        return open_public_kraken(url=url, http=http, timeout=timeout, clock=clock, faults=faults)
    if venue == VenueName.COINBASE:
        return open_public_coinbase(url=url, http=http, timeout=timeout, clock=clock, faults=faults)
    raise Rejected(_UNSUPPORTED.format(venue))


def open_price_stream(*, url: str, http: HttpSession, public: PublicSide, clock: Callable[[], int]) -> PriceStream:
    """Open the stream of a venue's last prices, at the `ws://` or `wss://` address that belongs to its public side.

    Connects to nothing yet. Raises Rejected for a venue without one.
    """
    address = StreamAddress(http, url)
    if isinstance(public, KrakenPublic):
        return TickerStream(address, KrakenTicker(public), venue_time(clock))
    if isinstance(public, CoinbasePublic):
        return TickerStream(address, CoinbaseTicker(public), venue_time(clock))
    raise Rejected(_UNSUPPORTED.format(public.name))


def open_account(
    venue: str,
    *,
    url: str,
    api_key: str,
    api_secret: str,
    nonces: NonceSource | None,
    http: HttpSession,
    timeout: float,
    clock: Callable[[], int],
    budget: Budget,
    public: PublicSide,
    paper: bool = False,
    stream_url: str = "",
) -> Venue:
    """Open the account of a key at a venue; see `open_kraken` and `open_coinbase`. `nonces` is None at a venue without them.

    Raises Rejected(AUTH) for a malformed key or secret, and for a venue without an adapter.
    """
    if isinstance(public, KrakenPublic) and isinstance(budget, RateBudget) and nonces is not None:
        return open_kraken(
            url=url,
            api_key=api_key,
            api_secret=api_secret,
            nonces=nonces,
            http=http,
            timeout=timeout,
            clock=clock,
            budget=budget,
            public=public,
            paper=paper,
            stream_url=stream_url,
        )
    if isinstance(public, CoinbasePublic) and isinstance(budget, CoinbaseBudget):
        return open_coinbase(
            url=url,
            api_key=api_key,
            api_secret=api_secret,
            http=http,
            timeout=timeout,
            clock=clock,
            budget=budget,
            public=public,
            paper=paper,
            stream_url=stream_url,
        )
    raise Rejected(_UNSUPPORTED.format(venue), Refusal.AUTH)


def open_public_coinbase(
    *, url: str, http: HttpSession, timeout: float, clock: Callable[[], int], faults: Faults | None = None
) -> CoinbasePublic:
    """Open Coinbase's public side at a base URL without path; see `open_public_kraken`."""
    known = venue_time(clock)
    api = CoinbaseApi(url=url, http=http, timeout=timeout, clock=known)
    return CoinbasePublic(api, timeout=timeout, clock=known, rows=RowLog(faults))


def open_coinbase(
    *,
    url: str,
    api_key: str,
    api_secret: str,
    http: HttpSession,
    timeout: float,
    clock: Callable[[], int],
    budget: CoinbaseBudget,
    public: CoinbasePublic | None = None,
    paper: bool = False,
    stream_url: str = "",
) -> CoinbaseVenue:
    """Open the account of a key. Sends nothing yet.

    `budget` must be the only count of the key's calls in this process, `clock` the only `VenueClock` of the URL in it. With
    `paper` nothing is signed before the other side has identified itself as the paper exchange. Raises Rejected(AUTH) for a
    malformed key or secret: the account is then parked before anything is signed with it.

    `stream_url` is the address of the private streams, if it is not the one that belongs to `url`.
    """
    if fault := find_name_fault(api_key):
        raise Rejected(fault, Refusal.AUTH)
    try:
        key = SigningKey(api_key, parse_secret(api_secret))
    except ValueError as error:
        raise Rejected(str(error), Refusal.AUTH) from None
    known = venue_time(clock)
    kind = PaperCoinbaseApi if paper else CoinbaseApi
    api = kind(url=url, http=http, timeout=timeout, clock=known, key=key)
    shared = public or open_public_coinbase(url=url, http=http, timeout=timeout, clock=known)
    questions = Questions(api, budget, timeout=timeout)
    products = OrderProducts()
    address = StreamAddress(http, stream_url or VENUE_FACTS[VenueName.COINBASE].stream_url(url))
    subject = f"{VenueName.COINBASE} {fingerprint(api_key)}"

    def stream() -> CoinbaseStream:
        attempts = Attempts(subject, shared.rows.faults)
        return CoinbaseStream(address, api, shared, products, attempts, clock=known)

    submission = Submission(api, budget, clock=known)
    return CoinbaseVenue(shared, questions, submission, clock=known, products=products, stream=stream)


def tier_named(name: str | None) -> Tier | None:
    """Return the tier of a name as KRAKEN_TIER has it; None for `none` and for no tier at all: the venue alone limits calls."""
    return None if name is None or name == NO_TIER else Tier[name.upper()]


def open_budget(venue: str, tier: str | None) -> Budget:
    """Return a new count of the calls of one key at a venue, within the tier that `Settings.venue_tier` names.

    Without one an account at Kraken begins with the middle tier and learns its own from its private stream.
    One budget per key and process: the venue goes on counting when a turn or a session ends.
    """
    if venue == VenueName.COINBASE:
        return CoinbaseBudget(limited=tier != NO_TIER)
    return RateBudget(Tier.INTERMEDIATE, learns=True) if tier is None else RateBudget(tier_named(tier))


def open_kraken(
    *,
    url: str,
    api_key: str,
    api_secret: str,
    nonces: NonceSource,
    http: HttpSession,
    timeout: float,
    clock: Callable[[], int],
    budget: RateBudget,
    public: KrakenPublic | None = None,
    paper: bool = False,
    stream_url: str = "",
) -> KrakenVenue:
    """Open the account of a key. Sends nothing yet.

    `nonces` must be the only source of this key's nonces in all processes, `budget` the only count of its calls in this process,
    and `clock` the only `VenueClock` of the URL in it (any other clock, in epoch ms, is assumed to be exact: of a venue in this
    process). Pass the `public` of the same URL to share its list of pairs. With `paper` nothing is signed before the other side
    has identified itself as the paper exchange. Raises Rejected(AUTH) for a malformed key or secret: the account is then parked
    before anything is signed with it.

    `stream_url` is the address of the private streams, if it is not the one that belongs to `url`.
    """
    if not api_key.strip():
        raise Rejected("the API key is empty", Refusal.AUTH)
    if not (api_key.isascii() and api_key.isprintable()):
        raise Rejected("the API key has characters that never occur in a key of Kraken", Refusal.AUTH)
    if fault := VENUE_FACTS[VenueName.KRAKEN].find_secret_fault(api_secret):
        raise Rejected(fault, Refusal.AUTH)
    kind = PaperKrakenApi if paper else KrakenApi
    known = venue_time(clock)
    api = kind(url=url, http=http, timeout=timeout, api_key=api_key, api_secret=api_secret, clock=known)
    lane = Lane(api, nonces, budget, timeout=timeout, clock=known)
    shared = public or open_public_kraken(url=url, http=http, timeout=timeout, clock=known)
    address = StreamAddress(http, stream_url or VENUE_FACTS[VenueName.KRAKEN].stream_url(url))
    subject = f"{VenueName.KRAKEN} {fingerprint(api_key)}"

    def stream() -> KrakenStream:
        return KrakenStream(address, lane, shared, budget, Attempts(subject, shared.rows.faults))

    return KrakenVenue(shared, lane, budget, clock=known, stream=stream)
