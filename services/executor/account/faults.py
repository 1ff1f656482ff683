"""What is wrong with one account, in the process's register: each fault is named by user and venue, and all end with the turn.

A user who goes to another executor takes their faults along: that one reports what it finds. Nothing here may outlive the turn.
"""

from __future__ import annotations

from shared.domain.fault import FaultKind, Faults


class AccountFaults:
    """The faults of one account during one turn."""

    def __init__(self, register: Faults, user: str, venue: str) -> None:
        self._register = register
        self._account = f"{user} ({venue})"
        self._reported: set[tuple[FaultKind, str]] = set()

    @property
    def any(self) -> bool:
        """Whether anything stands wrong."""
        return bool(self._reported)

    def report(self, kind: FaultKind, reason: str, what: str = "") -> bool:
        """Note that something is wrong now; `what` tells several of a kind apart. Return True if that is new."""
        subject = f"{self._account} {what}".rstrip()
        self._reported.add((kind, subject))
        return self._register.report(kind, subject, reason)

    def clear(self, kind: FaultKind, what: str = "") -> bool:
        """Note that it is over; return True if it stood."""
        if not self._reported:  # as nearly always, and asked several times on every order's way
            return False
        subject = f"{self._account} {what}".rstrip()
        self._reported.discard((kind, subject))
        return self._register.clear(kind, subject)

    def clear_all(self) -> None:
        """Forget everything: the turn has ended."""
        for kind, subject in self._reported:
            self._register.clear(kind, subject)
        self._reported.clear()
