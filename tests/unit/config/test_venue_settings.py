"""Every venue has a row, and every variable that a row names is a setting."""

from __future__ import annotations

import pytest

from shared.config.errors import ConfigurationError
from shared.config.settings import Settings, load_settings
from shared.config.venue.venue_settings import KEY_VARIABLE, VENUE_FACTS, VenueSettings
from shared.domain.values.venue import VENUES, VenueName

each_venue = pytest.mark.parametrize("venue", VENUES)


def test_every_venue_has_a_row() -> None:
    assert tuple(VENUE_FACTS) == VENUES


@each_venue
def test_its_url_is_a_setting_and_is_judged_as_one(env: pytest.MonkeyPatch, venue: VenueName) -> None:
    facts = VENUE_FACTS[venue]
    assert facts.url_field in Settings.model_fields
    env.setenv(facts.url_variable, facts.real_url)
    with pytest.raises(ConfigurationError, match=f"{facts.url_variable} is {facts.real_url}, but SHOAL_MODE is paper"):
        load_settings()
    env.setenv("SHOAL_MODE", "live")
    env.setenv(facts.url_variable, "http://venue.example.org")
    with pytest.raises(ConfigurationError, match=f"{facts.url_variable} must be https:// when SHOAL_MODE is live"):
        load_settings()
    env.setenv("PAPER_URL", facts.real_url)
    env.setenv(facts.url_variable, "")
    with pytest.raises(ConfigurationError, match="PAPER_URL"):
        load_settings()


@each_venue
def test_the_names_of_its_keys_are_known(env: pytest.MonkeyPatch, venue: VenueName) -> None:
    for stem in (VENUE_FACTS[venue].key_stem("master"), VENUE_FACTS[venue].key_stem("ann-lee")):
        for name in (f"{stem}_KEY", f"{stem}_SECRET", f"{stem}_KEY_FILE", f"{stem}_SECRET_FILE"):
            assert KEY_VARIABLE.fullmatch(name)
            env.setenv(name, "x")
    load_settings()
    env.setenv(f"{VENUE_FACTS[venue].prefix}MASTER_API_KYE", "x")
    with pytest.raises(ConfigurationError, match="did you mean"):
        load_settings()


def test_what_is_set_for_a_venue_comes_in_one_value(env: pytest.MonkeyPatch) -> None:
    env.setenv("KRAKEN_TIER", "pro")
    env.setenv("KRAKEN_URL", "http://127.0.0.1:9000/")
    paper = load_settings()
    assert paper.venue("kraken") == VenueSettings(
        VenueName.KRAKEN, "http://127.0.0.1:9000", True, "pro", "ws://127.0.0.1:9000/v2", False
    )
    assert paper.venue("coinbase") == VenueSettings(
        VenueName.COINBASE, paper.paper_url, False, None, "ws://127.0.0.1:8100/", False
    )


@each_venue
def test_real_streams_belong_to_the_real_venue_only(venue: VenueName) -> None:
    facts = VENUE_FACTS[venue]
    for url in (
        facts.real_url,
        facts.real_url + "/",
        facts.real_url.upper().replace("HTTPS", "https"),
        facts.real_url + ":443",
    ):
        assert facts.stream_url(url) == facts.real_stream_url
        assert facts.stream_url(url, public=True) == facts.real_public_stream_url
    for url in ("https://venue.example.org/base/", "http://127.0.0.1:8100", facts.real_url + ":444"):
        scheme, place = url.rstrip("/").split("://")
        for public in (False, True):
            assert facts.stream_url(url, public=public) == (
                f"{'wss' if scheme == 'https' else 'ws'}://{place}{facts.stream_path}"
            )


@each_venue
def test_its_streams_have_a_setting_that_is_judged_as_its_url_is(env: pytest.MonkeyPatch, venue: VenueName) -> None:
    facts = VENUE_FACTS[venue]
    name = facts.stream_url_variable
    env.setenv(name, "ws://127.0.0.1:9000/x")
    assert load_settings().venue(venue).stream_url == "ws://127.0.0.1:9000/x"
    env.setenv(name, facts.real_stream_url)
    with pytest.raises(ConfigurationError, match=f"{name} is .*, but SHOAL_MODE is paper"):
        load_settings()
    env.setenv(name, "https://127.0.0.1:9000")
    with pytest.raises(ConfigurationError, match=f"{name}.*must be a ws:// or wss:// URL of a host"):
        load_settings()
    env.setenv("SHOAL_MODE", "live")
    env.setenv(name, "ws://streams.example.org")
    with pytest.raises(ConfigurationError, match=f"{name} must be wss:// when SHOAL_MODE is live"):
        load_settings()
    env.setenv(name, "wss://streams.example.org")
    known = load_settings().venue(venue)
    assert (known.url, known.stream_url, known.stream_url_is_given) == (
        facts.real_url,
        "wss://streams.example.org",
        True,
    )
    env.delenv(name)
    assert load_settings().venue(venue).stream_url == facts.real_stream_url


def test_a_venue_that_nobody_knows_has_no_settings() -> None:
    with pytest.raises(KeyError):
        Settings().venue_url("binance")
