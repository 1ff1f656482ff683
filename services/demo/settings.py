"""The demo's settings from its environment, checked before anything starts, and the environment of its children.

It can never trade for real: the mode is paper, and no key and no venue address of the caller's environment reaches a child.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from dotenv import dotenv_values

from shared.config.errors import ConfigurationError
from shared.config.notifications import load_notify_settings
from shared.config.running_demo import FOLDER
from shared.config.settings import Mode
from shared.config.strategy_choice import DEFAULT, read_strategy_choice
from shared.config.users.loader import load_users
from shared.config.venue.venue_settings import KEY_VARIABLE, VENUE_PREFIXES

DEMO_STRATEGY: Final = "demo_strategy.toml"
"""What the demo trades where the default strategy, which may wait for hours, would."""
DEFAULT_PORTS: Final = {"REDIS_PORT": 6390, "API_PORT": 8000, "PAPER_PORT": 8100}
_MESSAGES: Final = "NOTIFY_"
"""Addresses of messages are secrets: only the notifier gets them."""
_OWN: Final = (
    *VENUE_PREFIXES,
    "EXECUTOR_",
    "SHOAL_MODE",
    "SHOAL_STRATEGY",
    "SHOAL_CONFIG_SOURCE",
    "SHOAL_SECRETS",
    "SHOAL_IDENTITY_FILE",
    "REDIS_URL",
    "PAPER_",
    "API_",
    _MESSAGES,
)


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Ports, users and keys of one demo."""

    redis_port: int
    api_port: int
    paper_port: int
    seconds: float | None
    """Seconds after which it ends by itself, with an audit; None for never."""
    users: tuple[str, ...]
    keys: Mapping[str, str]
    config: Path = Path("config")
    strategy: Path | None = None
    """The file of the master's strategy; None for the one of the configuration folder."""
    messages: Mapping[str, str] | None = field(default=None, repr=False)
    """What the notifier needs beside the rest; None where nothing says where messages go, and there is no notifier."""
    verbose: bool = False
    """Whether the services' lines are shown too, not only logged."""
    began: float | None = None
    """When `make demo` was called (epoch seconds), so that installing counts too; None: now."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings and check that the ports are free. Raises ConfigurationError naming the variable or file."""
        ports = {
            name: _port(name, environment.get(name, "").strip(), default) for name, default in DEFAULT_PORTS.items()
        }
        if len(set(ports.values())) < len(ports):
            raise ConfigurationError(f"{', '.join(ports)} must differ (got {', '.join(map(str, ports.values()))})")
        config = Path(environment.get("SHOAL_CONFIG", "").strip() or "config")
        users = _enabled_users(config)
        if not users:
            raise ConfigurationError(f"{config / 'users'} holds no enabled user")
        return cls(
            redis_port=ports["REDIS_PORT"],
            api_port=ports["API_PORT"],
            paper_port=ports["PAPER_PORT"],
            seconds=_seconds(environment.get("DEMO_SECONDS", "").strip()),
            users=users,
            config=config,
            strategy=_strategy(environment, config),
            keys=paper_keys(config / "paper.env"),
            messages=_messages(environment, config),
            verbose=environment.get("VERBOSE", "").strip() not in {"", "0"},
            began=_began(environment.get("DEMO_BEGAN", "").strip()),
        )

    @property
    def folder(self) -> Path:
        """Return the folder of its logs: the demo's own, or one named after a chosen port."""
        return FOLDER if self.redis_port == DEFAULT_PORTS["REDIS_PORT"] else FOLDER / f"port-{self.redis_port}"

    def find_users(self) -> tuple[str, ...]:
        """Return the enabled users of now; those of the start if the files cannot be read."""
        try:
            return _enabled_users(self.config)
        except ConfigurationError:
            return self.users

    @property
    def secrets(self) -> Path:
        """Return the folder (absolute) with the keys of users that were added to a demo; never the operator's own folder.

        All demos of a checkout share it, as they share the users' files.
        """
        return (FOLDER / "secrets").resolve()

    @property
    def redis_url(self) -> str:
        """Return the URL of the embedded Redis."""
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def environment(self, *, keys: bool = False) -> dict[str, str]:
        """Return a child's environment, with the paper keys only if it signs requests."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
        secret = {**self.keys, "SHOAL_SECRETS": str(self.secrets)} if keys else {}
        return kept | secret | {
            "SHOAL_MODE": "paper",
            "SHOAL_STRATEGY": "" if self.strategy is None else str(self.strategy),
            "REDIS_URL": self.redis_url,
            "PAPER_URL": f"http://127.0.0.1:{self.paper_port}",
            "PAPER_HOST": "127.0.0.1",
            "PAPER_PORT": str(self.paper_port),
            "API_HOST": "127.0.0.1",
            "API_PORT": str(self.api_port),
            "API_SIGN_IN": "off",  # loopback and paper money: the api itself refuses anything else
            "EXECUTOR_CAPACITY": "1",
            "LOG_FORMAT": "console",
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip


def _strategy(environment: Mapping[str, str], config: Path) -> Path | None:
    """Return the chosen file; without one the demo's own, unless the folder's file names another strategy than the default.

    Raises ConfigurationError for a chosen file that does not exist, and for one that cannot be read.
    """
    if chosen := environment.get("DEMO_STRATEGY", "").strip():
        if not Path(chosen).is_file():
            raise ConfigurationError(f"DEMO_STRATEGY: {chosen}: there is no such file")
        return Path(chosen)
    own = config / DEMO_STRATEGY
    return own if own.is_file() and read_strategy_choice(config, Mode.PAPER).name == DEFAULT else None


def _messages(environment: Mapping[str, str], config: Path) -> Mapping[str, str] | None:
    if load_notify_settings(environment, config, Mode.PAPER) is None:
        return None
    return {name: value for name, value in environment.items() if name.startswith(_MESSAGES)}


def _enabled_users(config: Path) -> tuple[str, ...]:
    return tuple(user for user, policy in load_users(config).items() if policy.enabled)


def _port(name: str, given: str, default: int) -> int:
    if not given.isdigit() and given:
        raise ConfigurationError(f"{name} must be a port number (got {given!r})")
    port = int(given or default)
    if not 1 <= port <= 65535:
        raise ConfigurationError(f"{name} must be from 1 to 65535 (got {port})")
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the servers do: a port in TIME_WAIT counts as free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"{name}: port {port} cannot be used ({error.strerror}); give another: make demo {name}={port + 1}"
            ) from None
    return port


def _seconds(given: str) -> float | None:
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(f"DEMO_SECONDS must be a number above 0 (got {given!r})")
    return seconds


def _began(given: str) -> float | None:
    return float(given) if given.isascii() and given.isdigit() else None


def paper_keys(path: Path) -> dict[str, str]:
    """Read the public keys of the paper accounts. Raises ConfigurationError if there is no such file."""
    if not path.is_file():
        raise ConfigurationError(f"{path}: there is no such file; it holds the keys of the paper accounts")
    return {name: value or "" for name, value in dotenv_values(path).items() if KEY_VARIABLE.fullmatch(name)}
