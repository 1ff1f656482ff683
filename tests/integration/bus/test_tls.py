"""Redis over TLS: the server has to prove its name by the certificate that is named, or nothing is sent."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from services.ops.access.redis_tls import write_certificate
from shared.bus.connection import open_bus
from shared.bus.flow.streams import Group
from shared.bus.ownership.lease import acquire
from shared.config.errors import ConfigurationError
from shared.config.settings import load_settings
from shared.contracts import keys
from tests.support.redis_server import RedisServer
from tests.support.relay import TlsFront


@pytest.fixture
def secured(own_server: RedisServer, tmp_path: Path) -> Iterator[TlsFront]:
    """The server behind TLS, for the names 127.0.0.1, localhost and redis; the wheel's own speaks none."""
    write_certificate(tmp_path / "acl", "redis", "6379", [])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "acl/redis.crt", tmp_path / "acl/redis.key")
    with TlsFront(own_server.port, context) as front:
        yield front


def url(front: TlsFront, authority: Path | None, host: str = "127.0.0.1") -> str:
    query = f"?ssl_ca_certs={quote(str(authority), safe='')}" if authority else ""
    return f"rediss://{host}:{front.port}/0{query}"


async def test_commands_scripts_and_blocking_reads_go_over_tls(secured: TlsFront, tmp_path: Path) -> None:
    async with open_bus(url(secured, tmp_path / "acl/ca.crt"), "test") as bus:
        assert await acquire(bus, "alice", "me") is not None
        group = Group(bus, keys.EXECUTOR)
        await group.ensure([keys.orders("alice")])
        await bus.do("XADD", keys.orders("alice"), "*", "hello", "world")
        (entry,) = await group.read_new([keys.orders("alice")], 1)
        assert entry.fields == {"hello": "world"}
        assert await bus.read("XREAD", "COUNT", "1", "BLOCK", "10", "STREAMS", keys.orders("alice"), "0")


async def test_by_the_setting_too(secured: TlsFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", url(secured, None, "localhost"))
    monkeypatch.setenv("REDIS_CA_FILE", str(tmp_path / "acl/ca.crt"))
    async with open_bus(load_settings().redis_url, "test") as bus:
        assert await bus.do("PING") == "PONG"


async def test_a_server_that_another_authority_signed_is_refused(secured: TlsFront, tmp_path: Path) -> None:
    write_certificate(tmp_path / "other", "redis", "6379", [])
    for authority in (tmp_path / "other/ca.crt", None):  # None: the authorities of the system
        with pytest.raises(ConfigurationError, match="certificate verify failed"):
            async with open_bus(url(secured, authority), "test"):
                pass


async def test_a_server_of_another_name_is_refused(own_server: RedisServer, tmp_path: Path) -> None:
    """The authority is right: what it signed is for another host."""
    write_certificate(tmp_path / "acl", "redis", "6379", [])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "acl/redis.crt", tmp_path / "acl/redis.key")
    with (
        TlsFront(own_server.port, context, host="127.0.0.5") as front,
        pytest.raises(ConfigurationError, match="IP address mismatch"),
    ):
        async with open_bus(url(front, tmp_path / "acl/ca.crt", "127.0.0.5"), "test"):
            pass


async def test_without_tls_nothing_is_answered(secured: TlsFront) -> None:
    with pytest.raises(ConfigurationError):
        async with open_bus(f"redis://127.0.0.1:{secured.port}/0", "test"):
            pass
