"""Every drill, short. `make drill` plays the long ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drills import partitions, redis_servers


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", list(redis_servers.SERVER_DRILLS))
def test_servers_that_fail_or_give_slots_away_lose_and_double_nothing(name: str, tmp_path: Path) -> None:
    result = redis_servers.play(name, tmp_path / "run", signals=20, users=4, seed=3)
    assert result.ok, result.breaches


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", partitions.WITHOUT_RIGHTS)
def test_a_partition_loses_and_doubles_nothing(name: str, tmp_path: Path) -> None:
    assert partitions.play(name, tmp_path / "run") == []
