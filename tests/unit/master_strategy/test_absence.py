"""When an order of the master's may be taken for one that never arrived: by two clocks, the venue's at the least it can show."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from services.master_strategy.clock import Clock
from services.master_strategy.trading.absence import AbsenceProofs
from services.master_strategy.trading.own_order import INVISIBLE_MS, OwnOrder
from shared.domain.order import Side
from tests.unit.master_strategy.values import BTC, NOW, btc

OWN = OwnOrder("x", "kraken", BTC, Side.BUY, btc("1"), None, NOW, NOW + 5_000, "s")


@dataclass
class _Clocks:
    """The venue's clock at the least that it can show, and a steady one."""

    least: int = NOW
    steady: float = 100.0

    def clock(self) -> Clock:
        return Clock(
            now=lambda: self.least + 400, sleep=asyncio.sleep, steady=lambda: self.steady, least=lambda: self.least
        )


@pytest.fixture
def clocks() -> _Clocks:
    return _Clocks()


@pytest.fixture
def proofs(clocks: _Clocks) -> AbsenceProofs:
    made = AbsenceProofs(clocks.clock())
    made.begin(OWN)
    return made


def test_the_master_proves_an_absence_by_two_clocks(clocks: _Clocks, proofs: AbsenceProofs) -> None:
    """Case R2: neither clock alone is enough, and the venue's counts at the least that it can show."""
    clocks.least = OWN.deadline_at + INVISIBLE_MS
    assert not proofs.conclusive(OWN), "by the venue's clock alone"
    clocks.steady += 9.9
    assert not proofs.conclusive(OWN)
    clocks.steady += 0.2
    assert proofs.conclusive(OWN)
    clocks.least -= 1
    assert not proofs.conclusive(OWN), "by the steady clock alone"


def test_nothing_is_absent_before_it_was_begun(clocks: _Clocks) -> None:
    clocks.least, clocks.steady = NOW + 1_000_000, 1e9
    assert not AbsenceProofs(clocks.clock()).conclusive(OWN)


def test_an_order_of_an_earlier_run_is_proven_from_the_take_over_on(clocks: _Clocks) -> None:
    """Its deadline is over already; what waits at the venue may be invisible for a moment."""
    clocks.least = OWN.deadline_at + 60_000
    proofs = AbsenceProofs(clocks.clock())
    proofs.begin(OWN)
    assert not proofs.conclusive(OWN)
    clocks.steady += INVISIBLE_MS / 1000 + 0.1
    assert proofs.conclusive(OWN)
