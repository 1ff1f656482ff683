"""Why an action is not done. None of these is a failure: each is an answer to the person who asked.

ActionRefused            it makes no sense, or may not be done
├── UnknownTarget        there is no such user, order, dead letter
├── BadConfirmation      the token is not one of ours, or not of this action and person
├── ConsequenceChanged   what it would do is no longer what was shown; carries the new consequence
└── ConfirmationPending  the same confirmation was begun, and its end is not known
"""

from __future__ import annotations

from shared.operations.consequence import Consequence


class ActionRefused(Exception):  # noqa: N818  # an answer, not a failure
    """The action is not done; the text says why in one sentence."""


class UnknownTarget(ActionRefused):
    """There is nothing of that name."""


class BadConfirmation(ActionRefused):
    """The token does not belong to this action, its parameters and this person."""


class ConfirmationPending(ActionRefused):
    """Another request with the same confirmation has begun, and has not said how it ended."""


class ConsequenceChanged(ActionRefused):
    """What the action would do has changed materially since it was shown, or too much time has passed."""

    def __init__(self, why: str, consequence: Consequence, token: str) -> None:
        super().__init__(why)
        self.consequence = consequence
        self.token = token
