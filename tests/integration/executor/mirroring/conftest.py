"""Looks at resting legs follow one another at once."""

from __future__ import annotations

import pytest

from services.executor.mirroring import leg_watch, mirror_reader, mirror_state, mirrored_legs, mirrored_order
from services.executor.orders import exit_progress
from shared.bus.connection import Bus
from shared.execution import resolution
from tests.integration.executor.mirroring.mirror_rig import MirrorRig
from tests.integration.executor.rig import Rig


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no test wait for a pace that is meant for a venue's budget."""
    for module, name in (
        (leg_watch, "LOOK_EVERY"),
        (leg_watch, "_AFTER_CANCEL"),
        (leg_watch, "_CANCEL_AGAIN"),
        (mirrored_order, "_LOOK"),
        (mirrored_legs, "_LOOK"),
        (mirror_state, "_FIRST_PAUSE"),
        (mirror_reader, "_EVERY"),
        (mirror_reader, "_AGAIN"),
        (resolution, "_LISTEN"),
        (exit_progress, "_WAIT_FIRST"),
    ):
        monkeypatch.setattr(module, name, 0.02)


@pytest.fixture
def mirrored(rig: Rig, bus: Bus) -> MirrorRig:
    return MirrorRig(rig, bus)
