"""Sends commands to Redis from inside a container, with what that container has: what an attacker in it could do."""

from __future__ import annotations

import json
from typing import Final

from tests.compose.stack import Stack

_PROGRAM: Final = """
import json, pathlib, redis
url = pathlib.Path("/run/redis/url").read_text().strip() if {url!r} == "" else {url!r}
for old, new in {replaced!r}.items():
    url = url.replace(old, new)
answers = []
for command in json.loads({commands!r}):
    try:
        answers.append(repr(redis.Redis.from_url(url).execute_command(*command)))
    except redis.exceptions.RedisError as error:
        answers.append(f"refused: {{error}}")
print(json.dumps(answers))
"""
NO_RIGHT: Final = "refused: this user has no permissions"


def program(*commands: tuple[str, ...], url: str = "", replaced: dict[str, str] | None = None) -> str:
    """Return a Python program that prints the answers to commands; `url` and `replaced` change the container's REDIS_URL."""
    return _PROGRAM.format(commands=json.dumps(commands), url=url, replaced=replaced or {})


def send_from(
    stack: Stack, container: str, *commands: tuple[str, ...], url: str = "", replaced: dict[str, str] | None = None
) -> list[str]:
    """Send commands from a container by its own REDIS_URL, or a changed one; return the answers, refusals among them."""
    answers: list[str] = json.loads(stack.python(container, program(*commands, url=url, replaced=replaced)))
    return answers


def container_of(stack: Stack, user: str) -> str:
    """Return the id of the container whose executor serves a user."""
    return stack.redis_cli("GET", f"shoal:lease:{{{user}}}").partition("-")[0].strip()
