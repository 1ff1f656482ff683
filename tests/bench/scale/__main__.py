"""`python -m tests.bench.scale`: fill a Redis of its own with users, and time every page and every command that reads.

Prints a table and, as the last line, the same as JSON. `--keep` leaves the server running for looking around.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from shared.bus.connection import open_bus
from tests.bench.scale.commands import measure_commands
from tests.bench.scale.measured import Measured
from tests.bench.scale.pages import measure_pages
from tests.bench.scale.redis_meter import RedisMeter
from tests.bench.scale.world import World
from tests.support.redis_server import RedisServer


def main() -> int:
    """Run from the command line."""
    asked = _parser().parse_args()
    console = Console(highlight=False, width=140)
    with tempfile.TemporaryDirectory(prefix="shoal-scale-") as temporary:
        folder = Path(temporary)
        server = RedisServer(folder / "redis", options={"appendonly": "no"})
        server.start()
        try:
            world, began = World.of(asked.users, asked.signals), time.monotonic()
            world.write_files(folder / "config")
            asyncio.run(_write(world, server.url))
            console.print(
                f"{asked.users:,} users with {asked.signals} decisions each in {time.monotonic() - began:.0f} s"
            )
            environment = {"REDIS_URL": server.url, "SHOAL_CONFIG": str(folder / "config")}
            if asked.keep:
                console.print(" ".join(f"{name}={value}" for name, value in environment.items()))
                input("Enter ends it: ")
                return 0
            with RedisMeter(server.port) as meter:
                found = list(_measured(world, environment, folder, meter, asked.only, console))
        finally:
            server.stop()
    console.print(_table(found))
    print(json.dumps([each.to_json() for each in found]))  # noqa: T201  # a command line prints
    return 0


def _measured(
    world: World, environment: dict[str, str], folder: Path, meter: RedisMeter, only: str, console: Console
) -> Iterator[Measured]:
    parts = []
    if only in {"", "pages"}:
        parts.append(measure_pages(world, environment, folder, meter))
    if only in {"", "commands"}:
        parts.append(measure_commands(world, environment, folder, meter))
    for part in parts:
        for each in part:
            console.print(f"[dim]{each.wall:8.2f} s  {each.name}[/]")
            yield each


async def _write(world: World, url: str) -> None:
    async with open_bus(url, "seed") as bus:
        await world.write_redis(bus)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scale", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--signals", type=int, default=100, help="decisions of each user")
    parser.add_argument("--only", choices=("", "pages", "commands"), default="")
    parser.add_argument("--keep", action="store_true", help="measure nothing; leave the server running until Enter")
    return parser


def _table(found: list[Measured]) -> Table:
    table = Table(title="pages and commands", title_justify="left")
    table.add_column("what")
    for name in ("wall s", "CPU s", "Redis CPU s", "Redis calls", "bytes", "code"):
        table.add_column(name, justify="right")
    for each in found:
        style = "bold" if each.wall > 1 else ""
        table.add_row(
            each.name, f"{each.wall:.2f}", f"{each.cpu:.2f}", f"{each.redis_cpu:.2f}", f"{each.calls:,}", f"{each.bytes:,}",
            str(each.code), style=style,
        )  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(main())
