"""Runs the copy engine: `python -m services.copy_engine`."""

from services.copy_engine.app import main
from shared.runtime.process import run_service

if __name__ == "__main__":
    run_service("copy-engine", main)
