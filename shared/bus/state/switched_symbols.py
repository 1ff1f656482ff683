"""Which symbols may have a kill switch, without a scan of the keyspace: for showing the switches that are set.

Commands and pages note each symbol whose switch they set. One that was set by hand, or by an older version, is of a symbol that a
venue trades, so those are looked for too. It decides nothing: before every send the switch itself is read.
"""

from __future__ import annotations

from contextlib import suppress

from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden, BusRefused
from shared.bus.state.records import existing
from shared.contracts import keys
from shared.domain.values.instrument import seed_instruments
from shared.domain.values.venue import VENUES


async def note_switched_symbol(bus: Bus, symbol: object, at: int) -> None:
    """Note that the switch of a symbol is set at `at` (epoch ms). Raises BusUnavailable; a refusal changes nothing else."""
    with suppress(BusForbidden, BusRefused):
        await bus.do("HSET", keys.SWITCHED_SYMBOLS, str(symbol), at)


async def find_switched_symbols(bus: Bus) -> frozenset[str]:
    """Find the symbols that ever had a kill switch, among those noted and all that are traded. Raises BusUnavailable."""
    traded = {str(symbol) for venue in VENUES for symbol in seed_instruments(venue)}
    commands = [("HKEYS", key(venue)) for key in (keys.instruments, keys.prices) for venue in VENUES]
    noted, *published = await bus.do_all([("HKEYS", keys.SWITCHED_SYMBOLS), *commands])
    for answer in published:
        traded.update(map(str, answer if isinstance(answer, list) else ()))
    known = set(map(str, noted if isinstance(noted, list) else ()))
    named = {keys.control_of_symbol(symbol): symbol for symbol in sorted(traded - known)}
    return frozenset(known | {named[name] for name in await existing(bus, list(named))})
