"""The executor as it ships, but for one thing: how often a key may call is left to the venue to judge.

The shipped one keeps within Kraken's budget of a verified account (one call in two seconds for longer), which at two signals a
second would make a run of 500 signals take half an hour and test the budget instead. The exchange's own counters are off too.
"""

from __future__ import annotations

from services.executor.app import main
from shared.config.process import run_service
from shared.venues.factory import open_kraken

if __name__ == "__main__":
    (open_kraken.__kwdefaults__ or {})["tier"] = None
    run_service("executor", main)
