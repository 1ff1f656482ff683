"""What became of nonces: refusals that the exchange made up, those that are the fence at work, and those a user could see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.chaos.harm.ailments import REFUSED_NONCE
from tests.chaos.judging.evidence import Evidence

_REFUSED = "EAPI:Invalid nonce"


@dataclass(frozen=True, slots=True)
class NonceFigures:
    """`fenced`: the last request of a killed or frozen owner, void because the next owner's call came first: as designed.
    `repeated`: the network delivered a request twice, and the exchange refused the second."""

    visible: int
    injected: int
    repeated: int
    fenced: int
    unexplained: int
    """Refusals above every nonce that the exchange had accepted of the key: these cannot be explained."""


def count_nonces(evidence: Evidence) -> NonceFigures:
    """Count them. Visible are accounts parked and orders ended for a nonce."""
    injected = repeated = fenced = unexplained = 0
    highest: dict[str, int] = {}
    before: dict[str, int] = {}
    for row in evidence.requests:
        if row["nonce"] == "":
            continue  # of a venue without them
        key, nonce = str(row["api_key"]), int(row["nonce"])
        if row["verdict"] != _REFUSED:
            if row["verdict"] != "not processed":
                highest[key] = max(highest.get(key, 0), nonce)
        elif row.get("fault") == REFUSED_NONCE:
            injected += 1
        elif nonce == before.get(key):
            repeated += 1
        elif nonce <= highest.get(key, 0):
            fenced += 1
        else:
            unexplained += 1
        before[key] = nonce
    return NonceFigures(_visible(evidence), injected, repeated, fenced, unexplained)


def _visible(evidence: Evidence) -> int:
    told = sum(_about_nonces(fields) for user in evidence.users for _, fields in user.reports)
    return told + evidence.logged["parked for a nonce"]


def _about_nonces(report: dict[str, Any]) -> bool:
    reason = str(report.get("reason", "")).lower()
    return report["outcome"] in {"rejected", "failed"} and ("nonce" in reason or "another program" in reason)
