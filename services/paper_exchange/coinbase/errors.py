"""What Coinbase answers with another status than 200.

401 is the text `Unauthorized`; 400, 403 and 404 are JSON with `error`, `error_details`, `message`; 429 is JSON with a list
`errors`. What a refused order looks like (HTTP 200, `success: false`) belongs to the order handlers.
"""

from __future__ import annotations

from typing import Final

INVALID_ARGUMENT: Final = "INVALID_ARGUMENT"
PERMISSION_DENIED: Final = "PERMISSION_DENIED"
NOT_FOUND: Final = "NOT_FOUND"
MISSING_SCOPES: Final = "Missing required scopes"


class CoinbaseRefusal(Exception):  # noqa: N818  # an answer of the venue, not a failure of ours
    """The venue refuses a request with a status of 400 or more. `body` is JSON (a dict) or a plain text.

    `verdict` is what the journal shows: the status and the word that names the reason. `why` is for the journal alone.
    """

    def __init__(self, status: int, body: dict[str, object] | str, verdict: str) -> None:
        super().__init__(verdict)
        self.status = status
        self.body = body
        self.verdict = f"{status} {verdict}"
        self.headers: list[tuple[bytes, bytes]] = []
        self.why = ""


def refusal(status: int, error: str, details: str, message: str = "") -> CoinbaseRefusal:
    """Return a refusal in the shape with `error`, `error_details` and `message` (default: the details)."""
    body: dict[str, object] = {"error": error, "error_details": details, "message": message or details}
    return CoinbaseRefusal(status, body, error)


def invalid_argument(details: str) -> CoinbaseRefusal:
    """Return the 400 for a request whose form is wrong."""
    return refusal(400, INVALID_ARGUMENT, details)


def not_found(details: str) -> CoinbaseRefusal:
    """Return the 404 for a path, product, account or order that is not there."""
    return refusal(404, NOT_FOUND, details)


def unauthorized(why: str = "") -> CoinbaseRefusal:
    """Return the 401: a plain text, whatever was wrong with the token. Only the journal shows why."""
    refused = CoinbaseRefusal(401, "Unauthorized\n", "Unauthorized")
    refused.why = why
    return refused


def missing_scopes() -> CoinbaseRefusal:
    """Return the 403 of a key without the right."""
    return refusal(403, PERMISSION_DENIED, MISSING_SCOPES)


def rate_limited() -> CoinbaseRefusal:
    """Return the 429."""
    errors = [{"id": "rate_limit_exceeded", "message": "Too many requests"}]
    return CoinbaseRefusal(429, {"errors": errors}, "rate_limit_exceeded")
