"""`python -m tests.unit.support.echo EXIT_CODE ...` tells what it was given and ends as told; `wait` waits for a signal."""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    atexit.register(sys.stdout.write, "the end\n")
    env = dict(os.environ)
    told = {"args": sys.argv[1:], "env": env, "name": __name__, "input": sys.stdin.read(), "at": str(Path.cwd())}
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()
    if sys.argv[1] == "wait":
        signal.pause()
    sys.stderr.write("told\n")
    sys.exit(int(sys.argv[1]))
