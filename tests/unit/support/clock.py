"""`python -m tests.unit.support.clock` writes its wall clock's time, a line for each look, until it is killed."""

from __future__ import annotations

import sys
import time

if __name__ == "__main__":
    while True:
        sys.stdout.write(f"{time.time()}\n")
        sys.stdout.flush()
        time.sleep(0.05)
