"""Another's bot trades on the master's account, unmodified, while the master's process is killed: every fill is a signal once.

`SHOAL_BOT_SECONDS=600` runs it as long as a person would leave it on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import pytest

from shared.contracts import keys
from tests.contract.paper_exchange.test_clients_of_others import CCXT, CLIENTS, python_with
from tests.support.ops_command import run_ops
from tests.support.person import CoinbasePerson, further_key
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

SECONDS: Final = float(os.environ.get("SHOAL_BOT_SECONDS", "30"))
KILLS: Final = 3
USERS: Final = ("alice", "bob", "carol")
RICH: Final = 1_000_000_000
LOOSE: Final = '[guards]\nmax_signal_age = "10m"\nmax_slippage_bps = 500\n'
MASTER: Final = 'name = "none"\nsymbols = ["BTC/USD", "ETH/USD"]\nentry_freshness_seconds = 600\n'


def _master(stack: Stack) -> Service:
    return stack.start("master", "services.master_strategy", KRAKEN_TIER="none", COINBASE_TIER="none")


def _signals(stack: Stack) -> list[dict[str, str]]:
    rows = cast("list[tuple[str, dict[str, str]]]", stack.client.xrange(keys.SIGNALS))
    return [fields for _, fields in rows]


def _filled(stack: Stack) -> dict[str, Decimal]:
    """Return what each order of the master's account has filled, by the venue."""
    return {row["order_id"]: filled for row in stack.venue_orders("master") if (filled := Decimal(row["filled_size"]))}


def _signalled(stack: Stack) -> dict[str, Decimal]:
    """Return how much of each order is in signals."""
    found: dict[str, Decimal] = {}
    for each in _signals(stack):
        found[each["master_order_id"]] = found.get(each["master_order_id"], Decimal(0)) + Decimal(each["base_size"])
    return found


def _settled(stack: Stack) -> bool:
    count = len(_signals(stack))
    return all(stack.client.xlen(keys.reports(user)) >= count for user in USERS)


@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.parametrize("venue", ["kraken", "coinbase"])
def test_a_ccxt_bot_is_copied_while_the_master_is_killed(tmp_path: Path, venue: str) -> None:
    with Stack(tmp_path, USERS, user_settings=LOOSE, venue=venue) as stack:
        (stack.config / "strategy.toml").write_text(MASTER)
        stack.price("BTC/USD", "60000")
        stack.price("ETH/USD", "3000")
        for user in ("master", *USERS):
            stack.open_account(user, tier="unlimited", USD=RICH)
        key, secret = further_key(stack, "master") if venue == "kraken" else _further(stack)
        master = _master(stack)
        stack.start("executor", "services.executor", EXECUTOR_CAPACITY="3", KRAKEN_TIER="none", COINBASE_TIER="none")
        stack.engine()
        stack.wait_ready("master", *USERS)
        wait_for(lambda: "fills were compared" in master.log(), 60, "the master sees its account")
        bot: Any = [python_with(*CCXT), CLIENTS / "ccxt_bot.py", venue]
        bot += [f"http://127.0.0.1:{stack.paper_port}", key, secret, str(SECONDS), "7"]
        with subprocess.Popen(bot, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            try:
                for _ in range(KILLS):
                    time.sleep(SECONDS / (KILLS + 1))
                    master.kill()
                    master = _master(stack)
                out, errors = running.communicate(timeout=SECONDS + 120)
            finally:
                if running.poll() is None:
                    running.send_signal(signal.SIGKILL)
        assert running.returncode == 0, errors
        placed = json.loads(out.splitlines()[-1])
        wait_for(lambda: _signalled(stack) == _filled(stack), 120, "every fill is a signal, once")
        wait_for(lambda: _settled(stack), 120, "every signal is settled for everybody")
        assert min(placed["market buy"], placed["limit buy"], placed["cancelled"]) > 0, placed
        told = _signals(stack)
        assert len({each["id"] for each in told}) == len(told)
        assert {each["source"] for each in told} == {"account"}
        audit = run_ops(stack, "audit", "--json")
        assert audit.code == 0, audit.out
        assert not stack.invalid_nonces()


def _further(stack: Stack) -> tuple[str, str]:
    person = CoinbasePerson(stack, "master")
    return person.key, person.secret
