"""Run the paper exchange: `python -m services.paper_exchange`."""

from __future__ import annotations

from services.paper_exchange.app import run
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service("paper-exchange", run)
