"""One `docker compose` project: brought up, asked, and always taken down with everything that it made."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.support.ports import free_port
from tests.support.processes import AT_ONCE

ROOT: Final = Path(__file__).parents[2]
_POLL: Final = 1.0
_OWN_SETTINGS: Final = ("SHOAL_", "KRAKEN_", "COINBASE_", "REDIS_", "API_", "VENUE_")
COPIED: Final = {"filled", "partial"}
T = TypeVar("T")


class Stack:
    """A project of its own name, image and port, so that a real one on the same machine is left alone."""

    def __init__(self) -> None:
        self.project = f"shoaltest{os.getpid()}"
        self.api_port = free_port()
        # Nothing of the caller's own settings may change what is tested.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_SETTINGS)}
        self._environment = kept | {
            "IMAGE": "shoal-test",
            "API_PORT": str(self.api_port),
            "COMPOSE_ENV_FILES": os.devnull,
            "SHOAL_STRATEGY": "config/demo_strategy.toml",  # the default may wait for hours; copies are what is tested
            **AT_ONCE,
        }

    def set(self, variable: str, value: str) -> None:
        """Give a variable to compose, from the next command on."""
        self._environment[variable] = value

    def forget(self, variable: str) -> None:
        """Leave a variable to its default in the compose file, from the next command on."""
        self._environment.pop(variable, None)

    def keep_from_before(self, key: str, value: str) -> None:
        """Create the volume of Redis with a key in it, written by a Redis that knows no users, as in earlier versions."""
        volume = f"{self.project}_redis-data"
        labels = {"com.docker.compose.project": self.project, "com.docker.compose.volume": "redis-data"}
        self.docker("volume", "create", *(f"--label={name}={text}" for name, text in labels.items()), volume)
        image = json.loads(self.compose("config", "--format", "json"))["services"]["redis"]["image"]
        script = f"redis-server --appendonly yes --appendfsync always & until redis-cli set {key} {value}; do sleep 0.1; done"
        self.docker("run", "--rm", "--volume", f"{volume}:/data", image, "sh", "-c", f"{script}; redis-cli shutdown")

    def up(self, *options: str) -> None:
        """Build the image and start everything; returns once the start conditions of all containers held and the api answers."""
        self.compose("build", timeout=900)
        self.compose("up", "--detach", *options, timeout=300)
        wait_for("the api", self._answers, 120)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}/healthz", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:  # not yet
            return False

    def down(self) -> None:
        """Take it down with its volume, and keep what it said in var/compose-test.log."""
        log = ROOT / "var" / "compose-test.log"
        log.parent.mkdir(exist_ok=True)
        try:
            log.write_text(self.compose("logs", "--no-color", "--timestamps"), encoding="utf-8")
        finally:
            self.compose("down", "--volumes", "--remove-orphans", "--timeout", "10")

    def compose(self, *command: str, timeout: float = 120) -> str:
        """Run a `docker compose` command on this project and give what it prints. Raises AssertionError with its errors."""
        return self.docker("compose", "--project-name", self.project, *command, timeout=timeout)

    def docker(self, *command: str, timeout: float = 120) -> str:
        """Run a `docker` command. Raises AssertionError with its errors."""
        done = subprocess.run(
            ["docker", *command],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"docker {' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def redis_cli(self, *command: str) -> str:
        """Run `redis-cli` inside the redis container, as a person would."""
        return self.compose("exec", "-T", "redis", "redis-cli", *command)

    def python(self, container: str, code: str) -> str:
        """Run Python in a container, with what its service has, and give what it prints."""
        return self.docker("exec", container, "python", "-c", code).strip()

    def entries(self, stream: str, after: str = "") -> list[tuple[str, Mapping[str, str]]]:
        """Read a stream with `redis-cli`: id and fields of each entry, those after the id `after`."""
        rows = json.loads(self.redis_cli("--json", "XRANGE", stream, f"({after}" if after else "-", "+"))
        return [(entry, dict(zip(flat[::2], flat[1::2], strict=True))) for entry, flat in rows]

    def ops(self, *command: str) -> str:
        """Run an ops command in the api's container."""
        return self.compose("exec", "-T", "api", "python", "-m", "services.ops", *command)

    def audit(self) -> dict[str, Any]:
        """Run the audit and give its figures. Raises AssertionError if it finds anything."""
        last = self.ops("audit", "--json").strip().splitlines()[-1]
        figures: dict[str, Any] = json.loads(last)
        return figures

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's containers."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what the engine knows of a container."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", container))
        return found[0]


def wait_for(what: str, look: Callable[[], T | None], patience: float) -> T:
    """Look again and again until there is something to give; fails after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"waited {patience:.0f} s for {what}"
        time.sleep(_POLL)  # containers do not tell when they are done


def copied_trade(stack: Stack, user: str, after: str = "") -> Mapping[str, str] | None:
    """Return the first report of a copied trade of a user, after an entry; None if there is none yet."""
    reports = stack.entries(f"shoal:reports:{{{user}}}", after)
    return next((fields for _, fields in reports if fields["outcome"] in COPIED), None)


def newest(stack: Stack, stream: str) -> str:
    """Return the id of the newest entry of a stream; an empty text if there is none."""
    return next((entry for entry, _ in reversed(stack.entries(stream))), "")


def variables(inspected: Mapping[str, Any]) -> Sequence[str]:
    """Return the names of the variables in a container's environment."""
    return [str(pair).partition("=")[0] for pair in inspected["Config"]["Env"]]
