"""The control plane answers to known names only: a page of somebody else's must not steer the exchange (case S13)."""

from __future__ import annotations

from shared.runtime.http_guard import HttpGuard, Message, Receive, Scope, Send, names_of


async def application(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"secret"})


async def status(host: str, *names: str) -> int:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    guard = HttpGuard(application, names_of("0.0.0.0", names), "PAPER_URL")
    await guard({"type": "http", "headers": [(b"host", host.encode())]}, receive, send)
    return int(sent[0]["status"])


async def test_the_control_plane_answers_to_its_own_names_only() -> None:
    assert await status("paper-exchange:8100", "paper-exchange") == 200
    assert await status("127.0.0.1:8100", "paper-exchange") == 200
    assert await status("evil.example", "paper-exchange") == 421
    assert await status("paper-exchange.evil.example", "paper-exchange") == 421
