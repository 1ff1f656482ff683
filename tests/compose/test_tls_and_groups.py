"""The running project after REDIS_TLS=on in `.env`, with the executor of a group from the README of `config/groups`.

The last file of the folder: the containers are made anew.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from tests.compose.redis_user import NO_RIGHT, container_of, send_from
from tests.compose.stack import ROOT, Stack, copied_trade, newest, wait_for

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

_OVERRIDE: Final = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SUBPATH: Final = (
    "{type: volume, source: redis-url-groups, target: /run/redis, read_only: true, volume: {subpath: eu-1}}"
)
_PROXY: Final = "      VENUE_PROXY: http://proxy.example:3128\n"
_AUTHORITY: Final = "?ssl_ca_certs=%2Frun%2Fredis%2Fca.crt"
READING: Final = ("executor", "copy-engine", "master-strategy", "redis-users", "executor-eu-1")
"""What reads users' files, beside the api, which has their folder once more."""


def _config_with_a_group(folder: Path) -> Path:
    config = folder / "config"
    shutil.copytree(ROOT / "config", config, ignore=shutil.ignore_patterns("__pycache__"))
    (config / "groups" / "eu-1.toml").write_text("[limits]\nmax_order_quote = 1500\n", encoding="utf-8")
    bob = config / "users" / "bob.toml"
    bob.write_text('group = "eu-1"\n' + bob.read_text(encoding="utf-8"), encoding="utf-8")
    return config


def _override_of_the_readme(stack: Stack) -> str:
    """Return the README's file for compose, for an engine of any age and without its proxy."""
    text: str
    (text,) = _OVERRIDE.findall((ROOT / "config" / "groups" / "README.md").read_text(encoding="utf-8"))
    for part in (_SUBPATH, _PROXY, "file: docker-compose.yml"):
        assert part in text, part
    text = text.replace(_PROXY, "").replace("file: docker-compose.yml", f"file: {ROOT / 'docker-compose.yml'}")
    major = int(stack.docker("version", "--format", "{{.Server.Version}}").partition(".")[0])
    if major < 26:  # it ignores subpath
        volume = stack.docker("volume", "inspect", "--format", "{{.Mountpoint}}", f"{stack.project}_redis-url-groups")
        text = text.replace(_SUBPATH, f"{volume.strip()}/eu-1:/run/redis:ro")
    return text


@pytest.fixture(scope="module")
def grouped(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The project after the change: bob is in the group eu-1, and everything speaks TLS to Redis."""
    folder = tmp_path_factory.mktemp("grouped")
    config = _config_with_a_group(folder)
    (folder / ".env").write_text("REDIS_TLS=on\nEXECUTORS=2\n", encoding="utf-8")
    (folder / "group.yml").write_text(_override_of_the_readme(stack), encoding="utf-8")
    mounted: dict[str, Any] = {name: {"volumes": [f"{config}:/app/config:ro"]} for name in READING}
    mounted["api"] = {"volumes": [f"{config}:/app/config:ro", f"{config}/users:/app/config/users:ro"]}
    (folder / "config.json").write_text(json.dumps({"services": mounted}), encoding="utf-8")
    files = (ROOT / "docker-compose.yml", folder / "group.yml", folder / "config.json")
    stack.set("COMPOSE_FILE", ":".join(map(str, files)))
    stack.set("COMPOSE_ENV_FILES", str(folder / ".env"))
    stack.set("SHOAL_STRATEGY", "config/demo_strategy.toml")

    stack.compose("run", "--rm", "redis-users")
    stack.compose("up", "--detach", "--no-build", timeout=300)
    return stack


def test_a_group_has_its_executor_and_all_users_get_copied_trades(grouped: Stack) -> None:
    last = {user: newest(grouped, f"shoal:reports:{{{user}}}") for user in ("alice", "bob", "carol")}
    for user, entry in last.items():
        wait_for(f"a copied trade of {user}", lambda u=user, e=entry: copied_trade(grouped, u, e), 90)  # type: ignore[misc]

    (of_the_group,) = grouped.containers("executor-eu-1")
    assert container_of(grouped, "bob") == of_the_group[:12]
    others = {container[:12] for container in grouped.containers("executor")}
    assert {container_of(grouped, user) for user in ("alice", "carol")} == others


def test_redis_speaks_tls_alone_and_shows_its_certificate(grouped: Stack) -> None:
    ports = [grouped.redis_cli("CONFIG", "GET", name).split()[-1] for name in ("port", "tls-port")]
    assert ports == ["0", "6379"]
    (api,) = grouped.containers("api")
    assert send_from(grouped, api, ("PING",)) == ["True"]
    (plain,) = send_from(grouped, api, ("PING",), replaced={"rediss://": "redis://", _AUTHORITY: ""})
    assert plain.startswith("refused: "), plain
    (unknown,) = send_from(grouped, api, ("PING",), replaced={_AUTHORITY: ""})
    assert "certificate verify failed" in unknown
    keys = "import pathlib; print(sorted(path.name for path in pathlib.Path('/run/redis').iterdir()))"
    assert grouped.python(api, keys) == "['ca.crt', 'url']"


def test_bobs_executor_can_not_read_alices_stream(grouped: Stack) -> None:
    bob = container_of(grouped, "bob")
    reading = [("XRANGE", f"shoal:orders:{{{user}}}", "-", "+", "COUNT", "1") for user in ("bob", "alice", "carol")]
    own, *others = send_from(grouped, bob, *reading)

    assert "signal_id" in own
    assert [said[: len(NO_RIGHT)] for said in others] == [NO_RIGHT, NO_RIGHT]
    (as_all,) = send_from(grouped, bob, reading[1], replaced={"//executor-eu-1:": "//executor:"})
    assert as_all.startswith("refused: invalid username-password pair"), as_all


def test_what_was_kept_is_kept_and_nothing_is_double(grouped: Stack) -> None:
    assert grouped.redis_cli("GET", "kept-from-before").strip() == "1"
    figures = grouped.audit()
    assert [figures[name] for name in ("missing", "duplicates", "disagreements", "invalid_nonces")] == [0, 0, 0, 0]
    assert figures["venue_checked"], json.dumps(figures)
