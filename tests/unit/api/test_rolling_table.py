"""A table of users, of whom a bounded number is read at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.api.reading.rolling_table import RollingTable

USERS = [f"u{number}" for number in range(10)]


class Reader:
    """Counts how often it has read each user, and notes each reading."""

    def __init__(self) -> None:
        self.readings: list[list[str]] = []
        self.absent: set[str] = set()

    async def read(self, users: Sequence[str]) -> Mapping[str, int]:
        self.readings.append(list(users))
        return {user: len(self.readings) for user in users if user not in self.absent}


async def test_the_first_step_reads_everybody_in_bounded_readings() -> None:
    reader = Reader()
    table = RollingTable(reader.read, most=4)
    await table.step(USERS)
    assert [len(each) for each in reader.readings] == [4, 4, 2]
    assert set(table.rows) == set(USERS)


async def test_each_later_step_reads_the_oldest_and_comes_round() -> None:
    reader = Reader()
    table = RollingTable(reader.read, most=4)
    await table.step(USERS)
    del reader.readings[:]
    for _ in range(5):
        await table.step(USERS)
    assert [len(each) for each in reader.readings] == [4] * 5
    assert [user for reading in reader.readings for user in reading] == USERS + USERS


async def test_a_named_user_is_read_before_the_oldest_and_once() -> None:
    reader = Reader()
    table = RollingTable(reader.read, most=4)
    await table.step(USERS)
    table.name(["u9", "nobody"])
    await table.step(USERS)
    assert reader.readings[-1] == ["u9", "u0", "u1", "u2"]
    await table.step(USERS)
    assert "u9" not in reader.readings[-1]


async def test_more_named_users_than_one_reading_covers_are_read_by_the_next() -> None:
    reader = Reader()
    table = RollingTable(reader.read, most=4)
    await table.step(USERS)
    table.name(USERS[4:])
    await table.step(USERS)
    await table.step(USERS)
    assert reader.readings[-2:] == [USERS[4:8], ["u8", "u9", "u0", "u1"]]


async def test_users_come_and_go() -> None:
    reader = Reader()
    table = RollingTable(reader.read, most=4)
    await table.step(USERS)
    await table.step([*USERS[:2], "new"])
    assert set(table.rows) == {"u0", "u1", "new"}


async def test_few_users_are_all_read_at_each_step() -> None:
    reader = Reader()
    table = RollingTable(reader.read, most=20)
    await table.step(USERS)
    await table.step(USERS)
    assert [sorted(each) for each in reader.readings] == [USERS, USERS]


async def test_a_user_without_a_row_is_read_again() -> None:
    reader = Reader()
    reader.absent = {"u3"}
    table = RollingTable(reader.read, most=20)
    await table.step(USERS)
    assert "u3" not in table.rows
    reader.absent = set()
    await table.step(USERS)
    assert "u3" in table.rows


async def test_with_a_bound_on_new_users_a_step_reads_some_and_knows_how_many_are_left() -> None:
    reader = Reader()
    table = RollingTable(reader.read, most=4, most_new=4)
    left = []
    for _ in range(3):
        await table.step(USERS)
        left.append((len(table.rows), table.unread))
    assert left == [(4, 6), (8, 2), (10, 0)]
    assert all(len(each) <= 4 for each in reader.readings)
