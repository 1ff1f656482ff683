"""What a write-ahead answers: a permit to send, or why nothing may be sent. Made by `OrderStore.begin` alone."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.order import TERMINAL, OrderState


@dataclass(frozen=True, slots=True)
class SendPermit:
    """The intent is durable; send with this nonce (0 at a venue without nonces)."""

    nonce: int
    attempt: int


@dataclass(frozen=True, slots=True)
class ReplayPermit:
    """The same request may be sent again; `deadline_at` (epoch ms) is the latest of all that were written ahead for it."""

    deadline_at: int


@dataclass(frozen=True, slots=True)
class SendRefusal:
    """Nothing may be sent: the order is already in this state."""

    state: OrderState

    @property
    def terminal(self) -> bool:
        """Return whether the order has ended; if not, the outcome of its last send is not proven and must be resolved."""
        return self.state in TERMINAL


@dataclass(frozen=True, slots=True)
class SwitchSet:
    """Nothing was begun: a kill switch is set, or cannot be read."""
