"""Run one more process next to the running demo, with the demo's addresses and keys: `make executor`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from services.demo.settings import paper_keys
from shared.config.errors import ConfigurationError
from shared.config.running_demo import adopt


def main() -> None:
    """Replace this process by the named module, connected to the demo if one runs. Never returns."""
    try:
        demo = adopt(os.environ)
        config = Path(demo.get("SHOAL_CONFIG") or os.environ.get("SHOAL_CONFIG") or "config")
        keys = paper_keys(config / "paper.env") if demo else {}
    except ConfigurationError as error:
        print(f"ops: {error}", file=sys.stderr)
        sys.exit(2)
    environment = {**os.environ, **demo, **{name: key for name, key in keys.items() if not os.environ.get(name)}}
    os.execve(sys.executable, [sys.executable, "-m", *sys.argv[1:]], environment)  # noqa: S606  # no shell, and our own program


if __name__ == "__main__":
    main()
