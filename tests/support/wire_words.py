"""What a command says, whether it is packed already or not."""

from __future__ import annotations

import hiredis

from shared.bus.client.wire import Command


def words_of(command: Command) -> list[str]:
    """Return the words of one command; there must be nothing behind it."""
    if not isinstance(command, bytes):
        return [str(word) for word in command]
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(command)
    words = reader.gets()
    assert isinstance(words, list)
    assert reader.gets() is False, "more than one command"
    return words
