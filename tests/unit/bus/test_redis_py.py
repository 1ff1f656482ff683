"""The private parts of redis-py that the wire stands on are there in the version that is installed."""

from __future__ import annotations

import ast
from importlib.metadata import version
from pathlib import Path

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from shared.bus.client import redis_py
from shared.bus.client.redis_py import PRIVATE_PARTS, WRITTEN_FOR, missing_parts

ROOT = Path(__file__).resolve().parents[3]
KINDS = (Connection, SSLConnection, UnixDomainSocketConnection)


@pytest.mark.parametrize("kind", KINDS)
def test_the_private_parts_that_are_used_are_there(kind: type[Connection]) -> None:
    gone = missing_parts(kind())
    assert not gone, (
        f"redis-py {version('redis')} has no {kind.__name__}.{', '.join(gone)}: shared/bus/client/redis_py.py was written for "
        f"redis-py {WRITTEN_FOR}; read how it keeps a connection now, and change that file"
    )


@pytest.mark.parametrize("part", PRIVATE_PARTS)
def test_a_part_that_is_gone_is_named_with_its_use(part: str) -> None:
    connection = type("Connection", (), dict.fromkeys(PRIVATE_PARTS.keys() - {part}))()
    assert missing_parts(connection) == [f"{part} ({PRIVATE_PARTS[part]})"]


def test_the_major_version_is_the_one_that_it_was_written_for() -> None:
    assert version("redis").split(".")[0] == WRITTEN_FOR.split(".")[0]
    assert '"redis>=8.1,<9"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_no_other_file_of_the_bus_touches_a_private_part_of_anything() -> None:
    own = Path(redis_py.__file__)
    used = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.attr}"
        for path in sorted((ROOT / "shared" / "bus").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
        and path != own
    ]
    assert used == []
