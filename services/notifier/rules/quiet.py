"""Local time: quiet hours, the hour of the daily summary, and instants as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo

from shared.config.notifications import QuietHours


def is_quiet(hours: QuietHours | None, zone: tzinfo, now: int) -> bool:
    """Return whether `now` (epoch ms) is within quiet hours."""
    return hours is not None and hours.includes(_local(now, zone).time())


def last_due(at: time, zone: tzinfo, now: int) -> int:
    """Return the latest instant (epoch ms) not after `now` at which it was `at` o'clock.

    Where the clock is put forward over that time of day, it counts as the same instant of the time before.
    """
    local = _local(now, zone)
    for back in (0, 1, 2):
        day = local.date() - timedelta(days=back)
        due = datetime.combine(day, at, zone).astimezone(UTC)
        instant = int(due.timestamp()) * 1000
        if instant <= now:
            return instant
    raise AssertionError("one of three days has passed this time of day")


def moment(at: int, zone: tzinfo) -> str:
    """Format an instant (epoch ms) for people: `2026-11-27 08:00 CET`."""
    return _local(at, zone).strftime("%Y-%m-%d %H:%M %Z")


def _local(at: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
