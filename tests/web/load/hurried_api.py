"""`python -m tests.web.load.hurried_api`: the API whose looks and streams of events come and end many times as often.

So hours of an open page pass in minutes: as many events, and as many new connections. HURRY is how many times.
"""

from __future__ import annotations

import os
import runpy

from services.api.web.events import EVERY, LONGEST
from services.api.web.tape import routes as tape
from services.api.web.users import routes as users


def main() -> None:
    """Run the API."""
    hurry = float(os.environ["HURRY"])
    for module in (tape, users):
        setattr(module, "LONGEST", LONGEST / hurry)  # noqa: B010  # they are Final for everybody else
        setattr(module, "EVERY", max(EVERY / hurry, 0.1))  # noqa: B010
    runpy.run_module("services.api", run_name="__main__")


if __name__ == "__main__":
    main()
