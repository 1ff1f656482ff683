"""Why a send failed, in words of our own: what apprise logs is never shown."""

from __future__ import annotations

import pytest

from services.notifier.delivery.target import SendResult, explain

_LOST = "A Connection error occurred sending JSON notification to 127.0.0.1."
_READ = "Socket Exception: HTTPConnectionPool(host='h', port=1): Read timed out. (read timeout=1.0)"
_CONNECT = (
    "Socket Exception: HTTPConnectionPool(host='h', port=1): Max retries exceeded (Caused by ConnectTimeoutError)"
)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [("WARNING", "Failed to send JSON POST notification: error=503.")],
            SendResult("it answered with the error 503"),
        ),
        (
            [("WARNING", "Failed to send Telegram notification: Unauthorized, error=401.")],
            SendResult("it refuses the credentials in the address (401)"),
        ),
        ([("WARNING", _LOST), ("DEBUG", _READ)], SendResult("it did not answer in time", uncertain=True)),
        ([("WARNING", _LOST), ("DEBUG", _CONNECT)], SendResult("it cannot be reached")),
        (
            [("DEBUG", "JSON Payload: {'message': 'timed out, error=500'}"), ("WARNING", _LOST)],
            SendResult("it cannot be reached"),
        ),
        ([], SendResult("it did not take the message")),
    ],
)
def test_a_failure_is_explained(lines: list[tuple[str, str]], expected: SendResult) -> None:
    assert explain(lines) == expected
