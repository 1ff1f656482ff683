"""Certificates of a Redis that is set up here: made once, for one host, and nothing that could make another."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509

from services.ops.access.redis_users import RedisPlace, write_users
from tests.support.python_module import ROOT

WITH = RedisPlace("redis.example:6380/2", tls=True)


def made(folder: Path, place: RedisPlace = WITH) -> dict[str, bytes]:
    write_users(folder, place)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_service_gets_what_it_knows_the_server_by_and_redis_alone_the_key(tmp_path: Path) -> None:
    files = made(tmp_path)
    authority = files["acl/ca.crt"]
    for service in ("executor", "master-strategy", "copy-engine", "api", "notifier", "ops"):
        assert files[f"{service}/ca.crt"] == authority
        url = files[f"{service}/url"].decode().strip()
        assert url.startswith("rediss://")
        assert url.endswith("@redis.example:6380/2?ssl_ca_certs=%2Frun%2Fredis%2Fca.crt")
    assert [name for name, content in files.items() if b"PRIVATE KEY" in content] == ["acl/redis.key"]
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "acl/redis.crt", tmp_path / "acl/redis.key")
    names = x509.load_pem_x509_certificate(files["acl/redis.crt"]).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["redis.example", "localhost"]


def test_redis_is_told_to_speak_tls_alone(tmp_path: Path) -> None:
    assert made(tmp_path)["acl/redis.conf"].decode().splitlines() == [
        "port 0",
        "tls-port 6380",
        "tls-auth-clients no",
        "tls-cert-file /run/redis-users/redis.crt",
        "tls-key-file /run/redis-users/redis.key",
        "tls-ca-cert-file /run/redis-users/ca.crt",
    ]


def test_a_second_run_keeps_everything(tmp_path: Path) -> None:
    assert made(tmp_path) == made(tmp_path)


def test_another_host_takes_another_certificate_and_keeps_the_passwords(tmp_path: Path) -> None:
    first, second = made(tmp_path), made(tmp_path, RedisPlace("other:6380/2", tls=True))
    assert first["acl/redis.crt"] != second["acl/redis.crt"]
    assert second["acl/ca.crt"] == second["api/ca.crt"] != first["acl/ca.crt"]
    assert second["api/url"] == first["api/url"].replace(b"redis.example", b"other")


def test_without_tls_nothing_of_it_is_left(tmp_path: Path) -> None:
    plain = made(tmp_path / "plain", RedisPlace("redis.example:6380/2"))
    made(tmp_path / "was")
    after = made(tmp_path / "was", RedisPlace("redis.example:6380/2"))
    assert after.keys() == plain.keys()
    assert after["acl/redis.conf"] == plain["acl/redis.conf"] == b"# Redis speaks without TLS: REDIS_TLS is not set.\n"


def test_redis_cli_in_the_container_goes_by_the_same_certificate() -> None:
    script = (ROOT / "config/redis/redis-cli").read_text()
    assert "[ -r /run/redis-users/ca.crt ]" in script
    assert "set -- --tls --cacert /run/redis-users/ca.crt" in script
