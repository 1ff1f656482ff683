"""Does the check see? Six builds, each without one safeguard, must fail the drill that leans on it; the real build must pass.

What is cut out of the first build is every place that asks whose turn it is, not the fence of `begin_send` alone: the state of
the write-ahead record, the deadline of an order and the lease's own clock each stop a second order too, so that `begin_send`
without its fence shows in no run while the rest stands. So does the comparison of the books with how they were read: two owners
without a fence keep each other's sums by it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.processes import ROOT

_OPEN_ORDERS_ONLY: Final = """        return mine(await self._rows("OpenOrders", "open", by_client_id))
"""
_ALL_ORDERS: Final = """        found = mine(await self._rows("OpenOrders", "open", by_client_id)) or mine(
            await self._rows("ClosedOrders", "closed", by_client_id)
        )
        if found is None and since is not None:
            found = mine(await self._behind_trades(since // 1000 - _CLOCK_SLACK))
        return found
"""
_UNSEEDED: Final = """
local function next_nonce(key, floor, advance, spare)
  return string.format('%.0f', redis.call('INCRBY', key, advance + 1 + spare) - spare)
end
local function seeded_nonce(key, floor, advance, spare)"""

_VENUES_NOW: Final = """        if now < self._middle_until:  # each order asks twenty times
"""
_VENUES_LEAST: Final = """        return floor(now * 1000 + (min(low, doubt) if now < until else low))
"""

_REPLAYED: Final = """        accepted = await self._submission.send(body, begin, latest_at=latest_at)
"""
_REPLAYED_UNDER_A_NEW_ID: Final = """        from uuid import UUID, uuid5
        asked = json.loads(body)
        asked["client_order_id"] = str(uuid5(UUID(asked["client_order_id"]), "leg-2"))
        accepted = await self._submission.send(request_text(asked), begin, latest_at=latest_at)
"""
_THE_SAME_REQUEST: Final = "if conditions is None or outgoing.body != record.request:"
_ENDED: Final = """    done = ended and (filled == 0) == (cost == 0) and (status != _FILLED or filled > 0)
"""
_SUCCESS_IS_A_FILL: Final = """    ((_, asked),) = dict(row["order_configuration"]).items()
    filled = decimal(asked["base_size"])
    cost = filled * decimal(asked.get("limit_price") or "60000")
    done = True
"""

Patch = tuple[str, str, str]
MUTATIONS: Final[Mapping[str, tuple[Patch, ...]]] = {
    "fence": (
        ("shared/bus/lua/_fence.lua", "return redis.call('GET', fence_key) == token", "return true"),
        ("shared/bus/lua/renew.lua", "redis.call('GET', KEYS[1]) ~= ARGV[1] or", "false or"),
        (
            "shared/bus/lua/settle.lua",
            "local guarded, changes_risk = ARGV[10] ~= '',",
            "local guarded, changes_risk = false,",
        ),
    ),
    "resolve": (("shared/venues/kraken/adapter.py", _ALL_ORDERS, _OPEN_ORDERS_ONLY),),
    "clock": (
        ("shared/venues/venue_clock.py", _VENUES_NOW, f"        return self._wall()\n{_VENUES_NOW}"),
        ("shared/venues/venue_clock.py", _VENUES_LEAST, "        return self._wall()\n"),
    ),
    "replay": (
        ("shared/venues/coinbase/adapter.py", _REPLAYED, _REPLAYED_UNDER_A_NEW_ID),
        ("shared/execution/following/replay.py", _THE_SAME_REQUEST, "if conditions is None:"),
    ),
    "success": (("shared/venues/coinbase/order_rows.py", _ENDED, _SUCCESS_IS_A_FILL),),
    "nonce": (("shared/bus/lua/_nonce.lua", "\nlocal function next_nonce(key, floor, advance, spare)", _UNSEEDED),),
}
"""File, what is cut out, what stands there instead; by the drill that must fail."""
EXPECTED: Final = {
    "fence": ("position", "nonce", "did not come to rest"),
    "resolve": ("accepted",),
    "nonce": ("visible",),
    "clock": ("accepted",),
    "replay": ("nobody decided", "the exchange filled"),
    "success": ("the exchange filled",),
}
"""One of these words must be in what the failed drill found."""


@pytest.mark.timeout(200)
@pytest.mark.parametrize("drill", list(MUTATIONS))
def test_a_build_without_a_safeguard_fails_its_drill(drill: str, tmp_path: Path) -> None:
    mutated = _mutate(tmp_path / "build", MUTATIONS[drill])
    running = {
        "real": _start(ROOT, drill, tmp_path / "real"),
        "mutated": _start(mutated, drill, tmp_path / "mutated"),
    }
    try:
        found = {build: _end(process) for build, process in running.items()}
    finally:
        for process in running.values():
            process.terminate()
            process.wait(30)
    assert found["real"]["ok"], found["real"]
    assert not found["mutated"]["ok"], f"a build without its {drill} passed"
    seen = " ".join(found["mutated"]["breaches"])
    assert any(word in seen for word in EXPECTED[drill]), found["mutated"]


def _mutate(folder: Path, patches: tuple[Patch, ...]) -> Path:
    """Copy the tree and cut something out of it."""
    for name in ("shared", "services", "tests"):
        shutil.copytree(ROOT / name, folder / name)  # with what is compiled: a file that is changed is compiled anew
    for file, old, new in patches:
        text = (folder / file).read_text()
        assert text.count(old) == 1, f"{file} has changed: this mutation cuts out what is not there any more"
        (folder / file).write_text(text.replace(old, new))
    return folder


def _start(tree: Path, drill: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.chaos.drills", drill, str(folder)]
    return subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, problems = process.communicate(timeout=150)
    assert out.strip(), problems[-3000:]
    answer: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return answer
