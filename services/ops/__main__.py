"""Runs one command: `python -m services.ops <command>`; `--help` lists them.

A command that is not told where Redis is speaks to the demo, if one runs here. `health` goes its own way, because health checks
run it every few seconds and most of the command line would be imported in vain.
"""

import os
import sys

from shared.config.errors import ConfigurationError
from shared.config.running_demo import adopt

if __name__ == "__main__":
    try:
        demo = adopt(os.environ)
    except ConfigurationError as error:
        print(f"ops: {error}", file=sys.stderr)
        sys.exit(2)
    if demo:
        os.environ.update(demo)
        print(f"ops: the demo at {demo['REDIS_URL']}", file=sys.stderr)
    if sys.argv[1:2] == ["health"]:
        from services.ops.health import main
    else:
        from services.ops.app import main
    main()
