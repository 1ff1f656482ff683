"""Describes an exception of a strategy's code in one line: what was raised, where in its file, and what usually helps."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from typing import Final

_SHOAL: Final = Path(__file__).resolve().parents[3]
_NOT_THE_AUTHORS: Final = (
    *(str(_SHOAL / part) for part in ("shared", "services")),
    *(sysconfig.get_path(part) for part in ("stdlib", "purelib", "platlib")),
)
_STRATEGIES: Final = str(_SHOAL / "shared" / "strategies")
_CHECK: Final = str(_SHOAL / "shared" / "strategies" / "frame.py")
"""Raises for what a strategy has returned: by then the strategy's code is over."""
_DECIMAL_HINT: Final = '; amounts are Decimal: write Decimal("0.5"), not 0.5'


def describe_failure(error: BaseException) -> str:
    """Return one line, as `ValueError: no idea (mine.py:20)`; the place is the last one in the author's own code."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{words}{_place(error)}{_hint(error)}"


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its text has file and line
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<")]
    own = [each for each in frames if not each.filename.startswith(_NOT_THE_AUTHORS)]
    if own:
        return f" ({Path(own[-1].filename).name}:{own[-1].lineno})"
    last = frames[-1] if frames else None
    if last is None or not last.filename.startswith(_STRATEGIES) or last.filename == _CHECK:
        return ""
    return f" ({Path(last.filename).name}:{last.lineno})"


def _hint(error: BaseException) -> str:
    text = str(error)
    mixed = isinstance(error, TypeError) and "Decimal" in text and "float" in text
    return _DECIMAL_HINT if mixed else ""
