"""The faults of one account in the process's register: each is named by user and venue, and all are cleared with the turn.

Another executor that serves the user reports what it finds itself. Nothing here may outlive the turn.
"""

from __future__ import annotations

from shared.domain.fault import FaultKind, Faults


class AccountFaults:
    """The faults of one account during one turn."""

    def __init__(self, register: Faults, user: str, venue: str) -> None:
        self._register = register
        self.user = user
        self._account = f"{user} ({venue})"
        self._reported: set[tuple[FaultKind, str]] = set()

    @property
    def any(self) -> bool:
        """Whether anything stands wrong."""
        return bool(self._reported)

    def report(self, kind: FaultKind, reason: str, what: str = "") -> bool:
        """Report a fault; `what` distinguishes several of a kind. Return True if it is new."""
        subject = f"{self._account} {what}".rstrip()
        self._reported.add((kind, subject))
        return self._register.report(kind, subject, reason)

    def clear(self, kind: FaultKind, what: str = "") -> bool:
        """Clear a fault; return True if it stood."""
        if not self._reported:  # as nearly always, and asked several times for each order
            return False
        subject = f"{self._account} {what}".rstrip()
        self._reported.discard((kind, subject))
        return self._register.clear(kind, subject)

    def count(self, kind: FaultKind) -> None:
        """Count one event that leaves no active fault."""
        self._register.count(kind)

    def clear_all(self) -> None:
        """Clear all of them: the turn has ended."""
        for kind, subject in self._reported:
            self._register.clear(kind, subject)
        self._reported.clear()
