"""Starts the master: `python -m services.master_strategy`."""

from services.master_strategy.app import main
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service("master-strategy", main)
