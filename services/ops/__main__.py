"""Runs one command: `python -m services.ops <command>`; `--help` lists them.

`health` goes its own way, because health checks run it every few seconds and most of the command line would be imported in vain.
"""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["health"]:
        from services.ops.health import main
    else:
        from services.ops.app import main
    main()
