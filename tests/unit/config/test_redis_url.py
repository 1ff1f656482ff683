"""No part of a password stands in any text about REDIS_URL, whatever is in it (case G3)."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, strategies as st

from services.ops.access.redis_tls import write_certificate
from shared.bus.connection import open_bus
from shared.config.errors import ConfigurationError
from shared.config.redis_url import RedisKind, RedisUrlError, read_redis_url
from shared.config.settings import Settings, load_settings
from shared.runtime.logging import mask_secrets

_MARK = "qzjx9vwk"
_ODD = ["#", "/", "?", "@", "%", " ", ":", "[", "]", "\\", "&", "é", "·", "%zz", "//", "#@", "/@", "?@", "ℂ", "\t"]


def pieces(text: str) -> list[str]:
    """Return what of a password a person would recognise."""
    return [text[at : at + 4] for at in range(len(text) - 3)]


async def refusal(url: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        async with open_bus(url, "test"):
            pass
    return str(refused.value)


@pytest.mark.parametrize("odd", _ODD)
@pytest.mark.parametrize("user", ["", "alice"])
async def test_no_part_of_a_password_is_printed(env: pytest.MonkeyPatch, odd: str, user: str) -> None:
    password = f"pa{odd}ss{_MARK}{odd}wxyz"
    url = f"redis://{user}:{password}@127.0.0.1:1/0"
    env.setenv("REDIS_URL", url)
    texts = [await refusal(url)]
    try:
        settings = load_settings()
    except ConfigurationError as error:
        texts.append(str(error))
    else:
        texts.append(repr(settings))
    for text in texts:
        assert "\n" not in text
        assert not any(piece in text for piece in pieces(_MARK))
        assert "wxyz" not in text


async def test_the_hint_says_how_a_password_is_written() -> None:
    words = await refusal("redis://:pa#ss@host")
    assert "percent-encoded (# as %23" in words
    assert "ss@" not in words
    assert "host" not in words


@given(st.text(min_size=1))
@example("pa#ss@host")
@example("p@ss/word?x#y")
def test_a_percent_encoded_password_is_always_read_and_never_shown(password: str) -> None:
    url = f"redis://svc:{quote(password, safe='')}@redis.example:6379/0"
    if any("\ud800" <= letter <= "\udfff" for letter in password):
        return
    found = read_redis_url(url)
    assert found.shown == "redis://***@redis.example:6379/0"
    assert password in found.secrets
    assert repr(found) == "RedisUrl(shown='redis://***@redis.example:6379/0')"


@given(st.text())
@example("redis://[::1")
@example("redis://:pass@[::1]:port/0")
@example("redis://user:12345/6@host")
@example("redis://ho℀st")
def test_whatever_it_is_it_is_read_or_refused_in_one_line(rest: str) -> None:
    for url in (rest, f"redis://{rest}", f"redis://:{rest}@host", f"unix://{rest}", f"redis+cluster://:{rest}@a,b"):
        try:
            text = read_redis_url(url).shown
        except RedisUrlError as error:
            text = str(error)
        assert "\n" not in text


@pytest.mark.parametrize(
    ("url", "kind", "servers", "name"),
    [
        ("redis://a:1/0", RedisKind.SINGLE, (), ""),
        (
            "redis+sentinel://a,b:1,[::1]:2/my-primary",
            RedisKind.SENTINEL,
            (("a", 26379), ("b", 1), ("::1", 2)),
            "my-primary",
        ),
        ("redis+cluster://a,b:1", RedisKind.CLUSTER, (("a", 6379), ("b", 1)), ""),
        ("rediss+cluster://a/", RedisKind.CLUSTER, (("a", 6379),), ""),
    ],
)
def test_a_url_names_one_server_or_many(url: str, kind: RedisKind, servers: object, name: str) -> None:
    found = read_redis_url(url)
    assert (found.shown, found.kind, found.servers, found.name) == (url, kind, servers, name)


def test_the_servers_get_the_user_and_the_options_and_sentinels_only_their_own() -> None:
    url = "rediss+sentinel://svc:p%40ss@a,b/shoal?db=2&sentinel_password=s%20x&ssl_ca_certs=/ca"
    found = read_redis_url(url)
    assert found.of_server("::1", 7) == "rediss://svc:p%40ss@[::1]:7/?db=2&ssl_ca_certs=%2Fca"
    assert found.of_sentinel("a", 8) == "rediss://a:8/?password=s+x&ssl_ca_certs=%2Fca"
    assert {"p@ss", "s x"} <= set(found.secrets)
    assert found.shown == "rediss+sentinel://***@a,b/shoal"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis+sentinel://a,b", "name of the primary"),
        ("redis+sentinel://a/b/c", "name of the primary"),
        ("redis+cluster://a/1", "no databases"),
        ("redis+cluster://a?db=1", "no databases"),
        ("redis+cluster://a,,b", "no valid host"),
        ("redis+cluster://a:0", "its port"),
        ("redis://a,b", "no valid host"),
    ],
)
def test_what_does_not_fit_the_kind_is_refused(url: str, why: str) -> None:
    with pytest.raises(RedisUrlError, match=why):
        read_redis_url(url)


def test_a_socket_and_its_password_are_read() -> None:
    found = read_redis_url("unix:///run/redis.sock?db=0&password=hunter22")
    assert (found.shown, found.secrets) == ("unix:///run/redis.sock", ("hunter22",))


async def test_the_log_hides_the_password_in_each_spelling() -> None:
    await refusal("redis://:gr%40nd%20secret%C3%A9@127.0.0.1:1/0")
    for text in ("gr@nd secreté", "gr%40nd%20secret%C3%A9"):
        assert mask_secrets(None, "", {"event": f"at redis://:{text}@127"})["event"] == "at redis://:[secret]@127"


@pytest.mark.parametrize("name", ["KRAKEN_URL", "COINBASE_URL", "PAPER_URL", "PAPER_PRICES_URL", "VENUE_PROXY"])
def test_no_part_of_a_password_in_any_other_url_is_printed(env: pytest.MonkeyPatch, name: str) -> None:
    for odd in ["", *_ODD]:
        if odd == "\t":
            continue
        env.setenv(name, f"https://user:pa{odd}ss{_MARK}@host.example:port/x")
        with pytest.raises(ConfigurationError) as refused:
            load_settings()
        assert not any(piece in str(refused.value) for piece in pieces(_MARK))


def test_the_url_may_stand_in_a_file(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("redis://api:hunter22@redis:6379/0\n")
    env.setenv("REDIS_URL", "")
    env.setenv("REDIS_URL_FILE", str(file))
    settings = load_settings()
    assert settings.redis_url == "redis://api:hunter22@redis:6379/0"
    assert "hunter22" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file"), ("", "which is empty"), ("redis://:p#x@h", "percent")]
)
def test_a_file_that_holds_no_url_is_said_in_one_line(
    env: pytest.MonkeyPatch, tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "url"
    if text is not None:
        file.write_text(text)
    env.setenv("REDIS_URL_FILE", str(file))
    with pytest.raises(ConfigurationError, match=why):
        load_settings()


def test_two_urls_are_one_too_many(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://a")
    env.setenv("REDIS_URL", "redis://b")
    env.setenv("REDIS_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(ConfigurationError, match="REDIS_URL and REDIS_URL_FILE are both set"):
        load_settings()


def test_a_certificate_file_is_named_in_the_url_that_the_bus_takes(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_certificate(tmp_path, "redis", "6379", [])
    env.setenv("REDIS_CA_FILE", str(tmp_path / "ca.crt"))
    env.setenv("REDIS_URL", "rediss://api:hunter22@redis:6379/0?health_check_interval=5")
    path = quote(str(tmp_path / "ca.crt"), safe="")
    assert load_settings().redis_url == f"{os.environ['REDIS_URL']}&ssl_ca_certs={path}"


@pytest.mark.parametrize(
    ("url", "content", "why"),
    [
        ("redis://api:hunter22@redis", "", "REDIS_CA_FILE is set, but REDIS_URL does not begin with rediss://"),
        ("rediss://api:hunter22@redis", "no PEM", "which cannot be used: no certificates in PEM"),
        ("rediss://api:hunter22@redis", None, "which cannot be used: No such file or directory"),
        ("rediss://api:hunter22@redis?ssl_ca_certs=x", "", "REDIS_URL has ssl_ca_certs; set one of them"),
        ("rediss://api:hunter22#@redis", "", "REDIS_URL: it contains characters that are not allowed in a URL"),
    ],
)
def test_a_certificate_file_without_effect_stops_the_start(
    env: pytest.MonkeyPatch, tmp_path: Path, url: str, content: str | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "ca.crt").write_text(content)
    env.setenv("REDIS_CA_FILE", str(tmp_path / "ca.crt"))
    env.setenv("REDIS_URL", url)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert why in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_settings_do_not_show_what_can_hold_a_password() -> None:
    settings = Settings(
        redis_url="redis://:hunter22@h", venue_proxy="http://u:hunter22@h:1", https_proxy="http://hunter22@h"
    )
    assert "hunter22" not in repr(settings)
    assert "hunter22" not in str(settings)
