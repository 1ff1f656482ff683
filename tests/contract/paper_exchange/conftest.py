"""The paper exchange as a process of its own, and accounts on it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import krakenex
import pytest
import requests

from tests.support.ports import free_port
from tests.support.processes import Service

FROZEN = "[market]\nspeed = 0\n"
BUY: dict[str, Any] = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0.1"}
numbers = itertools.count(1)


class Paper:
    """A running exchange and its control plane."""

    def __init__(self, service: Service, port: int) -> None:
        self.service = service
        self.url = f"http://127.0.0.1:{port}"
        self.session = requests.Session()
        self.session.trust_env = False

    def post(self, path: str, **body: Any) -> requests.Response:
        return self.session.post(f"{self.url}/paper/{path}", json=body, timeout=10)

    def get(self, path: str, **query: str) -> Any:
        answer = self.session.get(f"{self.url}/paper/{path}", params=query, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def account(self, user: str, **fields: Any) -> dict[str, str]:
        answer = self.post(
            "accounts", **{"user": user, "venue": "kraken", "balances": {"USD": "100000", "BTC": "2"}, **fields}
        )
        answer.raise_for_status()
        made: dict[str, str] = answer.json()
        return made

    def price(self, price: str) -> None:
        self.post("price", symbol="BTC/USD", price=price).raise_for_status()

    def arm(self, fault: str, **options: Any) -> None:
        self.post("faults", fault=fault, **options).raise_for_status()


class Trader:
    """An account with krakenex, whose nonces count up."""

    def __init__(self, paper: Paper) -> None:
        self.user = f"user{next(numbers)}"
        self.account = paper.account(self.user)
        self.paper = paper
        self.api = krakenex.API(self.account["api_key"], self.account["api_secret"])
        self.api.uri = paper.url
        self.api.session.trust_env = False
        nonces = itertools.count(time.time_ns() // 1000)
        self.api._nonce = lambda: next(nonces)

    def call(self, method: str, timeout: float = 10, **data: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.api.query_private(method, data, timeout=timeout)
        return answer

    def orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.paper.get("orders", user=self.user)
        return found


Start = Callable[..., Paper]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start exchanges with a market file of the test's own; end them all afterwards."""
    running: list[Paper] = []

    def run(market_file: str = FROZEN, *, port: int = 0, ready: bool = True, **environment: str) -> Paper:
        folder: Path = tmp_path_factory.mktemp("paper")
        (folder / "paper.toml").write_text(market_file)
        port = port or free_port()
        environment = {"PAPER_PORT": str(port), "SHOAL_CONFIG": str(folder), **environment}
        service = Service("paper-exchange", "services.paper_exchange", environment, folder / "log").start()
        paper = Paper(service, port)
        running.append(paper)
        deadline = time.monotonic() + 20
        while ready:
            try:
                paper.get("identity")
                break
            except requests.ConnectionError:
                if time.monotonic() > deadline or not service.running:
                    raise AssertionError(service.log()) from None
                time.sleep(0.05)
        return paper

    yield run
    for paper in running:
        paper.session.close()
        paper.service.stop()


@pytest.fixture(scope="module")
def shared_paper(start: Start) -> Paper:
    """One exchange for a module; its market is frozen."""
    return start()


@pytest.fixture
def paper(shared_paper: Paper) -> Paper:
    """The module's exchange without faults and with BTC at 60000."""
    shared_paper.session.delete(f"{shared_paper.url}/paper/faults", timeout=10)
    shared_paper.price("60000")
    return shared_paper


@pytest.fixture
def trader(paper: Paper) -> Iterator[Trader]:
    made = Trader(paper)
    yield made
    made.api.close()
