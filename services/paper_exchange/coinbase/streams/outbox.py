"""Numbers and sends the messages of one connection; armed stream faults strike here.

`sequence_num` counts per connection over all channels, as recorded. A message that a fault loses has used its number up: so a
client sees a gap, as it does at the venue.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Final

from services.paper_exchange.coinbase.call import Shape
from services.paper_exchange.coinbase.streams.schedule import Schedule
from services.paper_exchange.coinbase.texts import rfc3339
from services.paper_exchange.coinbase.venue import NAME, CoinbaseVenue
from services.paper_exchange.sockets import Socket

REORDER_MOST: Final = 1.0
"""Seconds after which an update that waits for the next one to overtake it is sent anyway."""


class Outbox:
    """The way out of one connection. `user` is empty until a token was accepted."""

    def __init__(self, socket: Socket, venue: CoinbaseVenue, schedule: Schedule) -> None:
        self._socket = socket
        self._venue = venue
        self._schedule = schedule
        self._sequence = 0
        self._overtaken: tuple[str, Shape] | None = None
        self._delayed: deque[tuple[float, str]] = deque()
        self._silent_until = 0.0
        self.user = ""
        self.sent_at = venue.exchange.clock.now()
        """When something was last sent that is not an error."""

    def reply(self, channel: str, event: Shape) -> None:
        """Send an acknowledgement or a part of a snapshot: no fault strikes it."""
        self._write(channel, event)

    def update(self, channel: str, event: Shape) -> None:
        """Send an update of a channel."""
        if not self._venue.exchange.faults.armed and self._overtaken is None:
            self._write(channel, event)
        elif not self._breaks(channel):
            self._update_with_faults(channel, event)

    def beat(self, event: Shape, channel: str) -> None:
        """Send a heartbeat. Only faults that break the connection strike it, as one of `channel`."""
        if not self._venue.exchange.faults.armed or not self._breaks(channel):
            self._write("heartbeats", event)

    def strikes(self, fault: str, channel: str) -> bool:
        """Return whether a fault fires for this connection."""
        return self._venue.exchange.faults.effect(fault, self.user, channel, venue=NAME) is not None

    def _update_with_faults(self, channel: str, event: Shape) -> None:
        if self.strikes("stream_gap", channel):
            self._sequence += 1
            return
        self._delay(channel)
        if self._overtaken is not None and self._overtaken[0] == channel:
            overtaken, self._overtaken = self._overtaken[1], None
            self._write(channel, event)
            self._write(channel, overtaken)
            return
        if self._overtaken is None and self.strikes("stream_reorder", channel):
            self._overtaken = channel, event
            self._schedule.after(REORDER_MOST, self._release)
            return
        self._write(channel, event)
        if self.strikes("stream_repeat", channel):
            self._write(channel, event)

    def _breaks(self, channel: str) -> bool:
        """Cut, close or silence the connection if a fault says so. Return whether the message is lost."""
        if self.strikes("stream_cut", channel):
            self._socket.cut()
            return True
        if self.strikes("stream_close", channel):
            self._socket.close()
            return True
        silence = self._venue.exchange.faults.effect("stream_silence", self.user, channel, venue=NAME)
        if silence is not None:
            self._silent_until = self._now() + silence.seconds
        return False

    def _delay(self, channel: str) -> None:
        """Delay this message and, since none overtakes another, those behind it."""
        lag = self._venue.exchange.faults.effect("stream_lag", self.user, channel, venue=NAME)
        if lag is not None:
            last = self._delayed[-1][0] if self._delayed else 0.0
            self._delayed.append((max(last, self._now() + lag.seconds), ""))

    def _release(self) -> None:
        if self._overtaken is not None:
            overtaken, self._overtaken = self._overtaken, None
            self._write(*overtaken)

    def _write(self, channel: str, event: Shape) -> None:
        now = self._now()
        message = {
            "channel": channel,
            "client_id": "",
            "timestamp": rfc3339(self._venue.now()),
            "sequence_num": self._sequence,
            "events": [event],
        }
        self._sequence += 1
        if self.strikes("stream_without_client_id", channel):
            del message["client_id"]
        if now < self._silent_until:
            return
        self.sent_at = now
        text = json.dumps(message, separators=(",", ":"))
        if self._delayed:
            at = self._delayed[-1][0]
            self._delayed.append((at, text))
            self._schedule.after(at - now, self._flush)
        else:
            self._socket.send(text)

    def _flush(self) -> None:
        now = self._now()
        while self._delayed and self._delayed[0][0] <= now:
            text = self._delayed.popleft()[1]
            if text:
                self._socket.send(text)
        if self._delayed:
            self._schedule.after(max(0.01, self._delayed[0][0] - now), self._flush)

    def _now(self) -> float:
        return self._venue.exchange.clock.now()
