"""How a process starts and ends, seen from outside: exit codes, and the one line a person reads."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[3]
_SERVICE: Final = """
import asyncio
from shared.config.errors import ConfigurationError
from shared.runtime.logging import hide
from shared.runtime.process import run_service

async def main(settings):
    hide("k3yOfAliceAtKraken")
    {body}

run_service("example", main)
"""


def start(body: str, **environment: str) -> subprocess.Popen[str]:
    """Start a service whose work is `body`."""
    return subprocess.Popen(
        [sys.executable, "-c", _SERVICE.format(body=body)],
        cwd=ROOT,
        env={"LOG_FORMAT": "json", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("body", "environment", "line"),
    [
        (
            "pass",
            {"SHOAL_MOOD": "x"},
            (
                "example: unknown environment variable SHOAL_MOOD (known: SHOAL_CONFIG, SHOAL_CONFIG_SOURCE, "
                "SHOAL_IDENTITY_FILE, SHOAL_MODE, SHOAL_SECRETS, SHOAL_STRATEGY)"
            ),
        ),
        ("raise ConfigurationError('the file is wrong')", {}, "example: the file is wrong"),
    ],
)
def test_what_a_person_can_put_right_is_one_line_and_exit_code_2(
    body: str, environment: dict[str, str], line: str
) -> None:
    service = start(body, **environment)
    output, errors = service.communicate(timeout=30)
    assert (service.returncode, output, errors) == (2, "", f"{line}\n")


def test_an_unexpected_failure_is_logged_without_secrets_and_gives_1() -> None:
    service = start("raise KeyError('k3yOfAliceAtKraken')")
    output, errors = service.communicate(timeout=30)
    assert service.returncode == 1
    assert errors == ""
    assert "stopped by an unexpected failure" in output
    assert "KeyError: '[secret]'" in output
    assert "k3yOfAliceAtKraken" not in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_told_to_stop_tidies_up_and_gives_0(number: signal.Signals) -> None:
    body = """
    try:
        print("up", flush=True)
        await asyncio.sleep(60)
    finally:
        print("tidied up", flush=True)
    """.strip()
    service = start(body)
    assert service.stdout is not None
    assert service.stdout.readline() == "up\n"
    service.send_signal(number)
    output, errors = service.communicate(timeout=30)
    assert (service.returncode, output, errors) == (0, "tidied up\n", "")


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"LOG_FORMAT": "console", "SHOAL_MODE": "live"}, "\x1b[1;37;41m LIVE: REAL MONEY \x1b[0m"),
        ({"LOG_FORMAT": "console", "SHOAL_MODE": "live", "NO_COLOR": "1"}, "LIVE: REAL MONEY mode=live"),
        ({"LOG_FORMAT": "json", "SHOAL_MODE": "live"}, '"event": "LIVE: REAL MONEY"'),
        ({"LOG_FORMAT": "console"}, "PAPER: no real money mode=paper"),
    ],
)
def test_the_first_line_of_a_log_says_whose_money_it_is(environment: dict[str, str], shown: str) -> None:
    """Case N2: LIVE in red for people, unmistakably PAPER otherwise."""
    body = "from shared.runtime.mode_line import log_mode; log_mode(settings)"
    output, _ = start(body, **environment).communicate(timeout=60)
    first = output.splitlines()[0]
    assert shown in first
    assert ("\x1b[" in first) == ("\x1b[" in shown)
