"""One bad file, or one background task that dies, is seen and stops nothing else; exits go on whatever became of a file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.processes import ROOT, Service, wait_for
from tests.support.stack import Stack

WELL: Final = ("alice", "carol")
BOM: Final = b"\xef\xbb\xbf"


def _flat(stack: Stack, user: str) -> bool:
    return not stack.client.hgetall(keys.positions(user, "kraken"))


def _faults(stack: Stack, service: str) -> dict[str, str]:
    """Read what stands wrong in the processes of a service: the reason by kind and subject."""
    found: dict[str, str] = {}
    for name in stack.client.scan_iter(keys.heartbeat(service, "*")):
        for fault in json.loads(stack.client.hget(name, "faults") or "[]"):
            found[f"{fault['kind']} {fault['subject']}"] = fault["reason"]
    return found


def _is_over(stack: Stack, service: str, fault: str) -> bool:
    return fault not in _faults(stack, service)


def _start(tmp_path: Path, *more: str) -> Stack:
    return Stack(tmp_path, [*WELL, "bob", *more])


def _ready(stack: Stack, *users: str) -> None:
    for user in users:
        stack.open_account(user, USD=5000)
    stack.price("BTC/USD", "60000")


@pytest.mark.timeout(300)
def test_one_bad_row_record_or_file(tmp_path: Path) -> None:
    """The files (cases E2, E3): bob's cannot be used, and neither start, nor signals, nor exits, nor commands of others stop."""
    with _start(tmp_path) as stack:
        _ready(stack, *WELL, "bob")
        executor, engine = stack.executor(capacity=9), stack.engine()
        stack.wait_ready(*WELL, "bob")
        stack.signal()
        for user in (*WELL, "bob"):
            assert stack.wait_reports(user, 1)[0]["outcome"] == "filled"
        wait_for(lambda: stack.client.exists(keys.last_settings("bob")), 30, "bob's settings are kept")
        executor.stop()
        engine.stop()

        users = stack.config / "users"
        (users / "bob.toml").write_text("[exits]\nstop_los_pct = 2\n")
        (users / "._alice.toml").write_bytes(b"\x00\x05\x16\x07")
        (users / "x.toml").mkdir()
        (users / "dave.toml").symlink_to(users / "nowhere.toml")
        (users / "carol.toml").write_bytes(BOM + b"[exits]\nstop_loss_pct = 9\n")
        stack.executor(capacity=9)
        stack.engine()
        wait_for(lambda: len(_faults(stack, "copy-engine")) == 3, 30, "the engine reports three files")
        stack.wait_ready(*WELL, "bob")
        signal_id = stack.signal()
        for user in WELL:
            assert stack.wait_reports(user, 2)[1]["outcome"] == "filled"
        skipped = stack.wait_reports("bob", 2)[1]
        assert skipped["outcome"] == "skipped"
        assert "bob.toml: exits.stop_los_pct is not a known setting" in skipped["reason"]
        assert len(stack.venue_orders("bob")) == 1
        dave = stack.wait_reports("dave", 1)[0]
        assert "dave.toml: cannot be read: No such file or directory" in dave["reason"]

        for words in (
            ("status",),
            ("streams",),
            ("drift",),
            ("audit",),
            ("why", signal_id),
            ("unknown",),
            ("stopouts",),
            ("reconcile", "--user", "alice"),
            ("pause", "--user", "alice", "--reason", "a test"),
            ("resume", "--user", "alice"),
        ):
            told = run_ops(stack, *words)
            assert [line for line in told.err.splitlines() if "bob.toml: " in line], (words, told)
            assert told.code in {0, 1}, (words, told)
            assert told.out, words
        status = run_ops(stack, "status", "--json").json
        (bob,) = [user for user in status["users"] if user["user"] == "bob"]
        assert (bob["state"], "stop_los_pct is not a known setting" in bob["reason"]) == ("parked", True)
        flattened = run_ops(stack, "flatten", "--user", "alice", "--reason", "a test", "--yes", "--json")
        assert flattened.code == 0
        assert _flat(stack, "alice")

        stack.price("BTC/USD", "56000")  # bob's stop of 5 % stands, by his last settings; carol's of 9 % is not due
        wait_for(partial(_flat, stack, "bob"), 60, "bob's stop loss runs")
        assert stack.reports("bob")[-1]["reason"].startswith("stop_loss: ")
        assert not _flat(stack, "carol")
        stack.signal(kind="exit", fraction="1", price="56000")
        wait_for(partial(_flat, stack, "carol"), 60, "the master's exit is copied")
        (users / "bob.toml").write_text('[guards]\nmax_signal_age = "5m"\n')  # his turn begins again: that takes time
        for service in ("copy-engine", "executor"):
            wait_for(partial(_is_over, stack, service, "user_file bob"), 60, f"{service} reads bob's file again")
        stack.signal(price="56000")
        wait_for(lambda: len(stack.venue_orders("bob")) == 3, 60, "bob is copied again")


@pytest.mark.timeout(300)
def test_a_renamed_file_is_seen_and_its_users_exits_go_on(tmp_path: Path) -> None:
    """Cases F2 and N15."""
    with _start(tmp_path, "remover") as stack:
        stack.write_user("alice", "[exits]\nstop_loss_pct = 3\n")
        _ready(stack, *WELL, "bob", "remover")
        executor = stack.executor(capacity=9)
        stack.engine()
        stack.wait_ready(*WELL, "bob", "remover")
        stack.signal()
        for user in (*WELL, "bob", "remover"):
            assert stack.wait_reports(user, 1)[0]["outcome"] == "filled"
        wait_for(lambda: stack.client.exists(keys.last_settings("alice")), 30, "alice's settings are kept")
        users = stack.config / "users"
        for user in ("alice", "bob", "remover"):
            (users / f"{user}.toml").rename(users / f"{user}.away")
        wait_for(lambda: "user_file alice" in _faults(stack, "copy-engine"), 60, "the engine warns of it")
        wait_for(lambda: "user_file alice" in _faults(stack, "executor"), 60, "the executor warns of it")
        stack.signal(symbol="ETH/USD", price="3000", size="0.1")
        assert stack.wait_reports("alice", 2)[1]["outcome"] == "skipped"

        executor.kill()  # who comes next finds books without a file
        stack.executor(capacity=9)
        stack.signal(symbol="ETH/USD", price="3000", size="0.1")
        assert "alice.toml: the file is gone" in stack.wait_reports("alice", 3)[2]["reason"]

        for words in (("status",), ("streams",), ("drift",), ("unknown",), ("stopouts",), ("audit",)):
            told = run_ops(stack, *words)
            assert "alice is gone, still holds: 0.005 BTC" in told.err, (words, told)
        (alice,) = [each for each in run_ops(stack, "status", "--json").json["users"] if each["user"] == "alice"]
        assert alice["state"] == "gone"
        assert alice["reason"].startswith("gone, still holds: 0.005 BTC")

        stack.price("BTC/USD", "58000")  # 3.3 % below: alice's own 3 % is due, the default of 5 % is not
        wait_for(partial(_flat, stack, "alice"), 60, "alice's stop loss runs by her last settings")
        assert stack.reports("alice")[-1]["reason"].startswith("stop_loss: ")
        assert not _flat(stack, "bob")
        stack.signal(kind="exit", fraction="1", price="58000")
        for user in ("bob", "remover"):
            wait_for(partial(_flat, stack, user), 60, f"the master's exit reaches {user}")
        for user in ("alice", "bob", "remover"):
            wait_for(lambda user=user: not stack.client.exists(keys.lease(user)), 60, f"{user} is let go of")  # type: ignore[misc]
        wait_for(lambda: "user_file alice" not in _faults(stack, "copy-engine"), 60, "nothing stands any more")
        assert sum(order["side"] == "sell" for order in stack.venue_orders("bob")) == 1


DYING: Final = """
import asyncio, importlib, sys
from services.executor.protection.guardian import Guardian
from services.executor.protection.price_feed import PriceFeed
from shared.runtime import supervision
from shared.runtime.process import run_service
from shared.config.users.watch import UsersWatch

supervision.PAUSE = 0.1
died = set()

async def raises():
    raise ValueError("injected")

async def ends_without_a_sound():
    raise asyncio.CancelledError

def dies_once(owner, how):
    whole = owner.run
    async def run(self, *rest):
        if owner not in died:
            died.add(owner)
            await how()
        await whole(self, *rest)
    owner.run = run

dies_once(PriceFeed, raises)
dies_once(UsersWatch, ends_without_a_sound)
dies_once(Guardian, ends_without_a_sound)
package, name = sys.argv[1:]
run_service(name, importlib.import_module(package + ".app").main)
"""
"""A service in which background tasks die once."""


def _dying(stack: Stack, name: str, package: str) -> Service:
    (stack.folder / "dying.py").write_text(DYING)
    environment = {**stack.environment(), "PYTHONPATH": f"{stack.folder}:{ROOT}"}
    service = Service(name, "dying", environment, stack.folder / f"{name}-dying.log", package, name).start()
    stack.services.append(service)
    return service


@pytest.mark.timeout(180)
def test_a_supervisor_that_dies_is_seen(tmp_path: Path) -> None:
    """Price feed, settings and guardian die once, two of them without a sound: each is begun again, counted and shown."""
    with Stack(tmp_path, ["alice"]) as stack:
        _ready(stack, "alice")
        executor = _dying(stack, "executor", "services.executor")
        engine = _dying(stack, "copy-engine", "services.copy_engine")
        stack.wait_ready("alice")
        expected = {"task price feed of kraken", "task settings", "task turn of alice"}
        wait_for(lambda: expected <= _faults(stack, "executor").keys(), 60, "the executor shows what died")
        wait_for(lambda: "task settings" in _faults(stack, "copy-engine"), 60, "the engine shows what died")
        shown = run_ops(stack, "status", "--json").json["faults"]
        assert expected <= {f"{each['kind']} {each['subject']}" for each in shown if each["service"] == "executor"}
        stack.signal()
        assert stack.wait_reports("alice", 1)[0]["outcome"] == "filled"
        stack.write_user("alice", "[exits]\nstop_loss_pct = 2\n")
        for service in (executor, engine):
            wait_for(lambda service=service: "setting changed" in service.log(), 60, f"{service.name} follows again")  # type: ignore[misc]
        stack.price("BTC/USD", "58500")
        wait_for(partial(_flat, stack, "alice"), 60, "the guardian guards again, by prices of the feed")
        assert executor.running
        assert engine.running
