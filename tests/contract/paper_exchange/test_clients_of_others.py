"""Clients that others wrote for the real venues, unmodified except for their URLs: three on one Kraken account, ccxt on Coinbase.

Each runs in its own venv under `var/`, made on the first run: python-kraken-sdk's pins would change the project's own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.contract.paper_exchange.conftest import Start
from tests.support.processes import ROOT

CLIENTS = Path(__file__).parent / "clients"
CCXT = ("ccxt==4.5.90", "krakenex==2.2.2")
SDK = ("python-kraken-sdk==3.5.1",)


def python_with(*requirements: str) -> Path:
    """Return the interpreter of a venv with these packages, made when it is not there yet."""
    folder = ROOT / "var" / "client-venvs" / sha256(repr((sys.version, requirements)).encode()).hexdigest()[:12]
    python = folder / "bin" / "python"
    ready = folder / "ready"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        flock(lock, LOCK_EX)  # until it is closed: tests in several processes want the same venv
        if not ready.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, capture_output=True)
            done = subprocess.run(
                [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements],
                check=False, capture_output=True, text=True,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            ready.touch()
    return python


def drive(python: Path, script: str, *arguments: str) -> dict[str, Any]:
    """Run a driver and read what it prints."""
    done = subprocess.run(
        [python, CLIENTS / script, *arguments], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.timeout(900)
def test_ccxt_krakenex_and_python_kraken_sdk_trade_and_agree(start: Start) -> None:
    clients, sdk = python_with(*CCXT), python_with(*SDK)
    paper = start("[market]\nspeed = 0\n")
    paper.price("60000")
    keys = [paper.account("shared", tier="unlimited") for _ in range(3)]
    (ccxt_key, krakenex_key, sdk_key) = [(key["api_key"], key["api_secret"]) for key in keys]
    query = ["query-funds", "query-open-orders", "query-closed-orders", "query-ledger"]
    reader = paper.account("reader", permissions=query)

    ccxt = drive(clients, "run_ccxt.py", paper.url, *ccxt_key)
    krakenex = drive(clients, "run_krakenex.py", paper.url, *krakenex_key)
    kraken_sdk = drive(sdk, "run_kraken_sdk.py", paper.url, *sdk_key, reader["api_key"], reader["api_secret"])

    assert {"BTC/USD", "ETH/USD", "DOGE/USD", "SOL/USD"} <= set(ccxt["markets"])
    assert ccxt["refused"] == {
        "funds": "InsufficientFunds", "minimum": "InvalidOrder", "post_only": "ExchangeError",
        "cancel": "OrderNotFound", "symbol": "ExchangeError",
    }  # fmt: skip
    assert ccxt["amended"] == [0.2, 49000]
    cancelled = {ccxt["waiting"][name] for name in ("post_only", "client_id", "gtd")}
    assert set(ccxt["open"]) == (set(ccxt["waiting"].values()) - cancelled) | set(ccxt["batch"])
    assert cancelled <= set(krakenex["cancelled"])

    filled = {txid: row[:2] for txid, row in ccxt["closed"].items() if row[2] == "closed"}
    assert set(filled) == set(ccxt["done"].values())
    assert filled == krakenex["filled"] == kraken_sdk["filled"]
    assert ccxt["open"] == krakenex["open"] == kraken_sdk["open"]
    assert ccxt["trades"] == krakenex["trades"] == kraken_sdk["trades"]
    assert ccxt["balance"] == krakenex["balance"] == kraken_sdk["balance"]
    assert krakenex["tradevolume"] == kraken_sdk["tradevolume"]
    assert kraken_sdk["cancelled_in_the_end"] == len(ccxt["open"])

    account = paper.get("accounts/shared/kraken")
    assert account["holds"] == {}
    assert {order["order_id"] for order in account["orders"] if order["status"] == "closed"} == set(filled)
    verdicts = {
        row["verdict"] for key in (ccxt_key, krakenex_key, sdk_key) for row in paper.get("requests", api_key=key[0])
    }
    assert "EAPI:Invalid nonce" not in verdicts
    assert "EGeneral:Unknown method" not in verdicts


@pytest.mark.timeout(900)
@pytest.mark.parametrize("key_type", ["ecdsa", "ed25519"])
def test_ccxt_reads_the_paper_coinbase(start: Start, key_type: str) -> None:
    paper = start("[market]\nspeed = 0\n")
    paper.price("60000")
    key = paper.account("ccxt", venue="coinbase", key_type=key_type, tier="unlimited")
    seen = drive(python_with(*CCXT), "run_ccxt_coinbase.py", paper.url, key["api_key"], key["api_secret"])

    assert {"BTC/USD", "BTC/USDC", "ETH/USD"} <= set(seen["markets"])
    assert {"BTC", "USD", "USDC"} <= set(seen["currencies"])
    assert (seen["precision"]["price"], seen["precision"]["amount"], seen["limits"]) == (0.01, 1e-8, [1e-8, 1])
    assert (seen["fees"], seen["fee_of_a_pair"]) == ([0.012, 0.006], 0.012)
    assert seen["candles"][0] in {299, 300}
    assert seen["candles"][1] in {19, 20}
    assert seen["candles_rise"]
    assert (seen["book"], seen["best"]) == ([10, 10], [59994, 60006])
    assert seen["tickers"] == ["BTC/USD", "ETH/USD"]
    assert seen["balance"] == {"USD": [100000, 0], "BTC": [2, 0]}
    assert seen["accounts"] == ["BTC", "USD"]
    assert seen["converted"] == ["USD", "USDC", 25]
    assert abs(seen["time"] - seen["time_v3"]) < 10_000
    assert seen["portfolios"] == [key["portfolio_uuid"]]
    assert seen["permissions"] is True
    assert seen["refused"]["window"] == "BadRequest"
    verdicts = {row["verdict"] for row in paper.get("requests", api_key=key["api_key"])}
    assert verdicts <= {"ok", "400 INVALID_ARGUMENT", "404 NOT_FOUND", "401 Unauthorized"}


@pytest.mark.timeout(900)
def test_ccxt_trades_on_the_paper_coinbase(start: Start) -> None:
    paper = start("[market]\nspeed = 0\n")
    paper.price("60000")
    key = paper.account(
        "trader", venue="coinbase", tier="unlimited", balances={"USD": "100000", "BTC": "2", "USDC": "1000"}
    )
    seen = drive(python_with(*CCXT), "run_ccxt_coinbase_orders.py", paper.url, key["api_key"], key["api_secret"])

    fee, held = 0.012, {"USD": 0.02 * 58500 * 1.012, "BTC": 0.02}
    taken = 600 / 1.012 / 60006
    traded = {
        "by_cost": ("BTC/USD", "market", "buy", "closed", taken, 60006),
        "market_buy": ("BTC/USD", "market", "buy", "closed", taken, 60006),
        "market_sell": ("BTC/USD", "market", "sell", "closed", 0.01, 59994),
        "alias": ("BTC/USDC", "market", "buy", "closed", taken / 6, 60006),
        "ioc": ("BTC/USD", "limit", "buy", "closed", 0.01, 60006),
        "fok": ("BTC/USD", "limit", "sell", "closed", 0.01, 59994),
    }
    for name, (symbol, kind, side, status, size, price) in traded.items():
        shape = seen["shapes"][name]
        assert shape[:4] == [symbol, kind, side, status]
        assert shape[4:7] == [pytest.approx(size, abs=1e-8), pytest.approx(size, abs=1e-8), price]
        assert float(shape[7]) == pytest.approx(size * price * fee, rel=1e-5)
    waiting = {
        "gtc": "buy",
        "post_only": "sell",
        "gtd": "buy",
        "stop": "sell",
        "stop_loss": "sell",
        "take_profit": "sell",
    }
    for name, side in waiting.items():
        assert seen["shapes"][name] == ["BTC/USD", "limit", side, "open", 0.01, 0, None, "0"]
    assert seen["shapes"]["ioc_nothing"][3:6] == ["canceled", 0.01, 0]
    assert (seen["edited"], seen["preview"]) == ([0.02, 58500, "open"], [[], "0.01"])
    assert seen["open_before"] == sorted(waiting)
    assert seen["open"] == ["gtc", "post_only", "take_profit"]
    assert seen["canceled"] == ["gtd", "ioc_nothing", "stop", "stop_loss"]
    assert seen["cancelled"] == [True, True]
    assert seen["held"] == {asset: pytest.approx(amount) for asset, amount in held.items()}
    assert (seen["orders"], seen["closed"], seen["page"]) == (14, 7, [False, False, True])
    assert seen["refused"] == {
        "funds": "InsufficientFunds", "post_only": "ExchangeError", "minimum": "ExchangeError", "stop": "InvalidOrder",
        "cancel": "BadRequest", "order": "ExchangeError",
    }  # fmt: skip

    first, second = seen["twice"]
    orders = {row["order_id"]: row for row in paper.get("orders", user="trader")}
    assert first == second
    assert orders.keys() == seen["names"].keys() | {first}
    assert orders[first]["client_order_id"] == "sent-twice"
    bought = {seen["names"].get(order_id, "twice"): row for order_id, row in seen["trades"].items()}
    assert bought.keys() == (traded.keys() - {"alias"}) | {"twice"}
    for name, (size, price, role, _) in bought.items():
        row = orders[next((each for each, known in seen["names"].items() if known == name), first)]
        assert float(row["filled_size"]) == pytest.approx(size)
        assert (price, role) == (float(row["average_price"]), "taker")


@pytest.mark.timeout(900)
def test_ccxt_pro_watches_the_paper_coinbase(start: Start) -> None:
    paper = start("[market]\nspeed = 0\n")
    paper.price("60000")
    key = paper.account("watcher", venue="coinbase", tier="unlimited")
    seen = drive(python_with(*CCXT), "run_ccxt_pro_coinbase.py", paper.url, key["api_key"], key["api_secret"])

    assert seen["ticker"] == ["BTC/USD", 60000, 59994, 60006]
    assert (seen["alias"], seen["tickers"], seen["before"]) == (60000, ["BTC/USD"], 0)
    assert seen["filled"] == seen["shown"] == {
        "symbol": "BTC/USD", "side": "buy", "status": "closed", "filled": 0.01, "average": 60006, "cost": 600.06, "price": 60010,
    }  # fmt: skip
    assert (seen["open"], seen["cancelled"]) == ([59000, 0], ["canceled", 0])
