"""Run one command: `python -m services.ops <command>`; `--help` lists them.

Without REDIS_URL a command connects to the demo, if one runs here. `health` is imported on its own: health checks run it every
few seconds and need nothing else of the command line.
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
