"""One reading of a URL, for who judges it and who connects: paper can never reach a real venue (case S8)."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from shared.config.errors import ConfigurationError
from shared.config.settings import Settings, load_settings
from shared.config.venue.origins import Origin, read_origin
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.venues.http.session import HttpSession

REAL_DOMAINS = [facts.real_domain for facts in VENUE_FACTS.values()]
_REAL = [
    "https://api.kraken.com",
    "https://API.KRAKEN.COM",
    "https://api.kraken.com.",
    "https://api.kraken.com:8443",
    "https://api。kraken。com",
    "https://api．kraken．com",
    "https://api｡kraken｡com",
    "https://api.kra\u00adken.com",
    "https://ａｐｉ.kraken.com",
    "https://api.\u212araken.com",  # the Kelvin sign
    "https://api.k\u200braken.com",
    "https://api%2Ekraken%2Ecom",
    "https://%61pi.kraken.com",
    "https://api.kraken.com%00.example.org",
    "https://127.0.0.1:8100@api.kraken.com",
    "https://api.kraken.com\\@127.0.0.1:8100",
    "https://127.0.0.1:8100\\@api.kraken.com",
    "https://api.kraken.com#@127.0.0.1:8100",
    "https://api.kraken.com?@127.0.0.1:8100",
    "https://127.0.0.1 .kraken.com",
    "https://api\t.kraken.com",
    "https://api\n.kraken.com",
    "https:/\\api.kraken.com",
    "https:api.kraken.com",
    "https://api..kraken.com",
    "https://-.kraken.com",
]


@pytest.mark.parametrize("url", _REAL)
@pytest.mark.parametrize("name", ["PAPER_URL", "KRAKEN_URL", "COINBASE_URL", "PAPER_PRICES_URL"])
def test_paper_mode_refuses_a_real_venue_however_it_is_spelt(env: pytest.MonkeyPatch, name: str, url: str) -> None:
    env.setenv(name, url)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert str(refused.value).startswith(name)
    if name == "KRAKEN_URL":  # and a second spelling of it as the own exchange changes nothing
        env.setenv("PAPER_URL", url)
        with pytest.raises(ConfigurationError):
            load_settings()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://LOCALHOST:8100", Origin("http", "localhost", 8100)),
        ("http://localhost.:8100/", Origin("http", "localhost", 8100)),
        ("HTTP://127.0.0.1", Origin("http", "127.0.0.1", 80)),
        ("http://[::1]:9000", Origin("http", "::1", 9000)),
        ("http://[0:0:0:0:0:0:0:1]", Origin("http", "::1", 80)),
        ("http://[::ffff:127.0.0.1]:9000", Origin("http", "127.0.0.1", 9000)),
        ("https://xn--bcher-kva.example", Origin("https", "xn--bcher-kva.example", 443)),
        ("http://paper-exchange:8100", Origin("http", "paper-exchange", 8100)),
        ("http://paper_exchange", Origin("http", "paper_exchange", 80)),
    ],
)
def test_what_has_one_reading_is_brought_to_one_form(url: str, origin: Origin) -> None:
    assert read_origin(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1",
        "http://2130706433",
        "http://0x7f.0.0.1",
        "http://0177.0.0.1",
        "http://127.0.0.1.:80",
        "http://127.0.0.01",
        "http://[::1%25lo]",
        "http://[::1",
        "http://::1",
        "http://localhost:",
        "http://localhost:+80",
        "http://localhost:٨٠",
        "http://localhost:65536",
        "http://localhost:0",
        "http://",
        "//localhost",
        "localhost",
        "ftp://localhost",
        "http://a..b",
        "http://.a",
        "http://a-.b",
        "http://" + "a" * 300,
    ],
)
def test_what_readers_could_read_differently_is_refused(url: str) -> None:
    if url == "http://127.0.0.1.:80":  # a final dot is part of no name: this has one reading
        assert read_origin(url).host == "127.0.0.1"
        return
    with pytest.raises(ValueError, match=r"^must "):
        read_origin(url)


_HOSTS = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda parts, dots: "".join(a + b for a, b in zip(parts, dots, strict=False)),
        st.lists(
            st.sampled_from(["api", "kraken", "com", "KRAKEN", "ｋraken", "kra\u00adken", "coinbase", "%6b"]),
            min_size=1,
        ),
        st.lists(st.sampled_from([".", "。", "．", "%2e", "@", ":", "/", "\\", "#", "", "\t"]), min_size=1),
    ),
)


@given(_HOSTS, st.sampled_from(["http", "https", "HTTPS"]))
@example("api。kraken。com", "https")
def test_where_paper_mode_connects_is_never_a_real_venue(host: str, scheme: str) -> None:
    """Whatever is accepted leads, by its own bytes and by Python's IDNA, to no host of a real venue."""
    url = f"{scheme}://{host}"
    try:
        settings = Settings(paper_url=url, kraken_url="", coinbase_url="", paper_prices_url="", shoal_mode="paper")
    except ValueError:
        return
    try:
        connected = HttpSession().origin(url).host  # the URL as it was written, spaces and all
    except ValueError:
        connected = HttpSession().origin(settings.paper_url).host
    assert connected == read_origin(settings.paper_url).host
    assert connected.isascii()
    resolved = (
        connected.encode("idna").decode().rstrip(".").lower()
        if "." in connected and ":" not in connected
        else connected
    )
    assert not any(resolved == domain or resolved.endswith("." + domain) for domain in REAL_DOMAINS)


async def test_who_connects_reads_as_who_judges() -> None:
    async with HttpSession() as http:
        for url in _REAL:
            try:
                judged = read_origin(url)
            except ValueError:
                with pytest.raises(ValueError, match=r"^must "):
                    http.origin(url)
            else:
                assert http.origin(url).host == judged.host
                assert any(judged.is_within(domain) for domain in REAL_DOMAINS)
