"""What the venue saw: every private request in order of arrival, with its verdict, and every order ever accepted.

The requests are kept in arrays of numbers, about 30 bytes each, because a long run makes millions of them. A nonce that is not a
64-bit number is kept as text. Secrets and signatures are never stored.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from services.paper_exchange.core.order import Order

NO_VERDICT: Final = "unanswered"
OK: Final = "ok"
LARGEST: Final = 2**64 - 1


class _Names:
    """Maps strings to small numbers."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.names: list[str] = []

    def number(self, name: str) -> int:
        """Return the number of a name; a new name gets a new number."""
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self.names)
            self.names.append(name)
        return found

    def find(self, name: str) -> int:
        """Return the number of a known name, -1 for others."""
        return self._numbers.get(name, -1)


class Journal:
    """The requests and the orders."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self._names = _Names()
        self._at = array("d")
        self._key = array("l")
        self._user = array("l")
        self._address = array("l")
        self._method = array("l")
        self._nonce = array("Q")
        self._verdict = array("l")
        self._odd_nonces: dict[int, str] = {}
        self._faults: dict[int, str] = {}
        self._details: dict[int, dict[str, str | int]] = {}

    def __len__(self) -> int:
        return len(self._at)

    def arrived(self, at: float, api_key: str, user: str, method: str, nonce: str, address: str = "") -> int:
        """Record a request on arrival from an address. Return its row, for the verdict."""
        number = self._names.number
        row = len(self._at)
        self._at.append(at)
        self._key.append(number(api_key))
        self._user.append(number(user))
        self._address.append(number(address))
        self._method.append(number(method))
        plain = int(nonce) if nonce.isascii() and nonce.isdigit() and len(nonce) <= 20 else LARGEST + 1
        if plain > LARGEST:
            self._odd_nonces[row] = nonce[:64]
            plain = 0
        self._nonce.append(plain)
        self._verdict.append(number(NO_VERDICT))
        return row

    def verdict(self, row: int, verdict: str) -> None:
        """Record the answer: `ok` or the error string."""
        self._verdict[row] = self._names.number(verdict)

    def fault(self, row: int, name: str) -> None:
        """Record the fault that changed a request."""
        self._faults[row] = name

    def detail(self, row: int, name: str, value: str | int) -> None:
        """Record something else of a request, a field of its own (`client_order_id`)."""
        self._details.setdefault(row, {})[name] = value

    def requests(self, api_key: str = "") -> Iterator[dict[str, object]]:
        """Iterate over the rows in arrival order: at (ms), api_key, user, method, nonce, verdict, address if one is known, fault
        if one fired, details.
        """
        names = self._names.names
        wanted = self._names.find(api_key) if api_key else None
        for row in range(len(self._at)):
            if wanted is not None and self._key[row] != wanted:
                continue
            entry: dict[str, object] = {
                "at": int(self._at[row] * 1000),
                "api_key": names[self._key[row]],
                "user": names[self._user[row]],
                "method": names[self._method[row]],
                "nonce": self._odd_nonces.get(row, self._nonce[row]),
                "verdict": names[self._verdict[row]],
            }
            if address := names[self._address[row]]:
                entry["address"] = address
            if row in self._faults:
                entry["fault"] = self._faults[row]
            if row in self._details:
                entry.update(self._details[row])
            yield entry
