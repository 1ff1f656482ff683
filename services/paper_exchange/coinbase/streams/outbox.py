"""The messages of one connection in Coinbase's envelope, through the armed faults of streams.

`sequence_num` counts from 0 per connection over all channels (recorded). A message that a fault loses has used its number up: so
a client sees a gap, as it would at the venue.
"""

from __future__ import annotations

import json

from services.paper_exchange.coinbase.call import Shape
from services.paper_exchange.coinbase.texts import rfc3339
from services.paper_exchange.coinbase.venue import NAME, CoinbaseVenue
from services.paper_exchange.core.faults import VenueFaults
from services.paper_exchange.sockets import Socket
from services.paper_exchange.streaming.outbox import Numbered, Outbox
from services.paper_exchange.streaming.register import LiveStream


class ConnectionOutbox:
    """The way out of one connection, by channel."""

    def __init__(self, socket: Socket, live: LiveStream, venue: CoinbaseVenue) -> None:
        self._live = live
        self._venue = venue
        self._faults = VenueFaults(venue.exchange.faults, NAME)
        self._outbox = Outbox(socket, live, self._faults, venue.exchange.clock, first=0)
        self.sent_at = venue.exchange.clock.now()
        """When something was last sent that is not an error."""

    def reply(self, channel: str, event: Shape) -> None:
        """Send an acknowledgement, a heartbeat or a part of a snapshot: it meets no fault but silence and lag."""
        self._outbox.numbered(self._message(channel, event))

    def update(self, channel: str, event: Shape) -> None:
        """Send an update of a channel, unless a fault makes something else of it."""
        self._outbox.update(channel, self._message(channel, event))

    def error(self, text: str) -> None:
        """Send an error; it has no number."""
        self._outbox.reply(text)

    def second(self) -> None:
        """Note that a second has passed: faults that end or silence the connection strike an idle one too."""
        self._outbox.second(tuple(self._live.channels), "")

    def strikes(self, fault: str, channel: str) -> bool:
        """Return whether a fault fires for this connection."""
        return self._faults.armed and self._faults.effect(fault, self._live.user, channel) is not None

    def end(self) -> None:
        """Forget what has not been sent."""
        self._outbox.end()

    def _message(self, channel: str, event: Shape) -> Numbered:
        def text(sequence: int) -> str:
            self.sent_at = self._venue.exchange.clock.now()
            message: Shape = {
                "channel": channel,
                "client_id": "",
                "timestamp": rfc3339(self._venue.now()),
                "sequence_num": sequence,
                "events": [event],
            }
            if self.strikes("stream_without_client_id", channel):
                del message["client_id"]
            return json.dumps(message, separators=(",", ":"))

        return text
