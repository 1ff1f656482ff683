"""Run the notifier: `python -m services.notifier`."""

from services.notifier.app import main
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service("notifier", main)
