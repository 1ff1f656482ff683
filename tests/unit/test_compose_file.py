"""The shipped compose file and the image belong together."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.support.python_module import ROOT


def test_every_folder_in_which_redis_users_are_written_is_made_for_them_in_the_image() -> None:
    """A new volume belongs to root unless the image has the folder, and the process that writes there is not root."""
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    service = compose[compose.index("  redis-users:") : compose.index("  redis:\n")]
    mounted = set(re.findall(r":(/run/redis-users/[\w-]+)", service))
    made = set(re.findall(r"/run/redis-users/[\w-]+", (ROOT / "Dockerfile").read_text("utf-8")))
    assert len(mounted) > 5
    assert mounted == made


def test_every_service_sees_the_strategies_of_the_configuration_folder() -> None:
    """`config/` is mounted whole, where the image's working directory makes it the default of `SHOAL_CONFIG`."""
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    blocks = re.split(
        r"^  (?=[a-z-]+:(?: #.*)?$)",
        compose.partition("\nservices:\n")[2].partition("\nvolumes:")[0],
        flags=re.MULTILINE,
    )
    services = {block.partition(":")[0]: block for block in blocks if block.strip()}
    without = [
        name
        for name, block in services.items()
        if "services." in block
        and "volumes:" in block
        and not re.search(r"- \./config:/app/config(?::ro)?$", block, re.MULTILINE)
    ]
    assert {"master-strategy", "executor", "copy-engine", "ops"} <= set(services)
    assert without == ["redis-users"]
    assert "SHOAL_CONFIG:" not in compose
    assert "WORKDIR /app" in (ROOT / "Dockerfile").read_text("utf-8")


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    return services


def test_what_reads_at_its_start_whether_redis_speaks_tls_is_made_anew_with_it() -> None:
    """Else `up` after a change of REDIS_TLS leaves Redis as it was, and health checks and restarts speak the other way."""
    reading = {
        name
        for name, service in _services().items()
        if service.get("restart") != "no" and any(str(each).startswith("redis-") for each in service.get("volumes", ()))
    }
    assert reading == {"redis", "master-strategy", "executor", "copy-engine", "api", "notifier"}
    labels = {name: _services()[name].get("labels", {}).get("redis-tls") for name in reading}
    assert labels == dict.fromkeys(reading, "${REDIS_TLS:-off}")


def test_redis_starts_again_when_its_users_were_made_by_another_image() -> None:
    """It reads their rules at its start alone, and its own image stays the same."""
    assert _services()["redis"]["depends_on"]["redis-users"] == {
        "condition": "service_completed_successfully",
        "restart": True,
    }
