"""The processes of Shoal: each is a folder, and none imports another.

structlog imports rich wherever that is installed, to colour tracebacks in a way that Shoal does not use. That is 4 MB in each
process, and with an executor per user the largest part of what such a process need not have. So structlog is imported here,
before anything else can, and finds no rich; whoever wants rich (ops) imports it as ever.
"""

import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # documented: makes an import of it fail
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
