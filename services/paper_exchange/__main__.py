"""Run the paper exchange: `python -m services.paper_exchange`."""

from __future__ import annotations

import sys

from services.paper_exchange.app import main

if __name__ == "__main__":
    sys.exit(main())
