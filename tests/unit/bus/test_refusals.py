"""A refusal by Redis is an outage unless it is proved to be about one key or command (case S4)."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError, ResponseError

from shared.bus.client.refusals import ends_connection, meaning
from shared.bus.errors import BusForbidden, BusRefused, BusUnavailable


@pytest.mark.parametrize(
    "reply",
    [
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "READONLY You can't write against a read only replica.",
        "READONLY You can't write against a read only replica. script: 0123, on @user_script:9.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "NOREPLICAS Not enough good replicas to write.",
        "NOAUTH Authentication required.",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "CLUSTERDOWN The cluster is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        "ERR max number of clients reached",
        "SOMETHINGNEW that nobody here has heard of",
    ],
)
def test_what_says_something_of_the_server_is_an_outage(reply: str) -> None:
    assert type(meaning(ResponseError(reply))) is BusUnavailable


@pytest.mark.parametrize(
    "reply",
    [
        "NOPERM User alice has no permissions to run the 'xreadgroup' command",
        "NOPERM No permissions to access a key",
        "ERR unknown command 'XREADGROUP', with args beginning with: 'GROUP'",
        "ERR ACL failure in script: User x has no permissions to run the 'xadd' command script: 01, on @user_script:1.",
    ],
)
def test_what_is_forbidden_is_an_outage_that_may_be_of_one_key(reply: str) -> None:
    assert type(meaning(ResponseError(reply))) is BusForbidden


@pytest.mark.parametrize(
    "reply",
    [
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "WRONGTYPE Operation against a key holding the wrong kind of value script: 01, on @user_script:1.",
        "WRONGTYPE shoal:orders:{alice} is a string",
        "NOGROUP No such key 'shoal:signals' or consumer group 'copy-engine'",
        "BUSYGROUP Consumer Group name already exists",
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        "ERR no such key",
        "ERR not a terminal state: sent",
    ],
)
def test_what_is_proved_to_be_about_one_key_is_no_outage(reply: str) -> None:
    assert type(meaning(ResponseError(reply))) is BusRefused


def test_a_lost_server_is_an_outage() -> None:
    assert type(meaning(RedisConnectionError("gone"))) is BusUnavailable
    assert type(meaning(OSError("gone"))) is BusUnavailable
    assert type(meaning(TimeoutError())) is BusUnavailable


@pytest.mark.parametrize("code", ["READONLY", "MASTERDOWN", "LOADING", "NOREPLICAS"])
def test_a_server_that_is_not_the_one_to_write_to_is_left(code: str) -> None:
    """Case S7."""
    assert ends_connection(ResponseError(f"{code} whatever it says"))


@pytest.mark.parametrize(
    "code", ["BUSY", "OOM", "NOPERM", "MISCONF", "WRONGTYPE", "UNBLOCKED the stream key no longer exists"]
)
def test_a_server_that_only_takes_nothing_just_now_is_not(code: str) -> None:
    assert not ends_connection(ResponseError(f"{code} whatever it says"))
