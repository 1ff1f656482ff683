"""What every service stands on; nothing here knows a service."""

from typing import Final

__version__: Final = "0.1.0"
"""The version of Shoal, as pyproject.toml has it (a test compares them): nothing is installed that could be asked."""
