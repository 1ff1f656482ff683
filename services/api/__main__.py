"""Run the API: `python -m services.api`."""

from services.api.app import main
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service("api", main)
