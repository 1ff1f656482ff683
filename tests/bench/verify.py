"""Whether a run's figures may be believed: every order once, every nonce above the last, every signature right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.bench.rounds import Round
from tests.bench.venue_process import Seen

_SHOWN = 10


@dataclass(slots=True)
class Verification:
    """What was found in all rounds so far."""

    signals: int = 0
    orders: int = 0
    missing: int = 0
    duplicates: int = 0
    extra: int = 0
    invalid_nonces: int = 0
    invalid_signatures: int = 0
    unfilled: int = 0
    failures: list[str] = field(default_factory=list)
    """Parts that did not come to their end, in words."""
    examples: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        wrong = self.missing + self.duplicates + self.extra + self.invalid_nonces + self.invalid_signatures
        return not wrong and not self.unfilled and not self.failures

    def add(
        self,
        where: str,
        rounds: Iterable[Round],
        seen: Iterable[Seen],
        state: Mapping[str, int],
        outcomes: Mapping[str, int] | None = None,
    ) -> None:
        """Look at one system's rounds, at all orders that its venue accepted, at that venue's counts, and at all outcomes."""
        for each in rounds:
            self.signals += 1
            kinds = Counter(text.partition(":")[0] for text in each.wrong)
            self.missing += kinds["missing"]
            self.duplicates += kinds["duplicate"]
            self.extra += kinds["extra"]
            self._show(f"{where}: {text}" for text in each.wrong)
        falls = 0
        nonces: dict[str, int] = {}
        for order in seen:  # in the order in which they arrived
            self.orders += 1
            if order.nonce <= nonces.get(order.user, 0):
                falls += 1
                self._show([f"{where}: nonce {order.nonce} of {order.user} is not above the last"])
            nonces[order.user] = order.nonce
        self.invalid_nonces += falls + state["bad_nonces"]
        self.invalid_signatures += state["bad_signatures"]
        if outcomes is not None:
            self.unfilled += sum(count for outcome, count in outcomes.items() if outcome != "filled")

    def to_json(self) -> dict[str, int]:
        """Return the counts."""
        names = (
            "signals",
            "orders",
            "missing",
            "duplicates",
            "extra",
            "invalid_nonces",
            "invalid_signatures",
            "unfilled",
        )
        return {name: getattr(self, name) for name in names} | {"failures": len(self.failures)}

    def _show(self, texts: Iterable[str]) -> None:
        self.examples.extend(list(texts)[: max(0, _SHOWN - len(self.examples))])
