"""Reads a small text file that a person edits: every error is one plain sentence, and reading never blocks for long."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError

MOST_BYTES: Final = 256 * 1024
"""A settings file has a few thousand bytes; a larger file was not written by a person."""
_OTHER_ENCODINGS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class UnreadableFileError(ConfigurationError):
    """The file could not be read now: missing permissions, a broken link, a failing disk or network file system."""


class MissingFileError(UnreadableFileError):
    """There is no such file now, or a link leads to none."""


class NotAFileError(ConfigurationError):
    """The path is a folder, a pipe or a device."""


def read_text(path: Path) -> str:
    """Read a text in UTF-8, with or without a byte order mark.

    Raises UnreadableFileError if the system cannot read the file, which may be temporary, NotAFileError, and ConfigurationError
    for a content that is not such a text. No error names the file.
    """
    content = _read_bytes(path)
    if len(content) > MOST_BYTES:
        raise ConfigurationError(f"has more than {MOST_BYTES // 1024} KiB, too much for settings")
    for mark, name in _OTHER_ENCODINGS:
        if content.startswith(mark):
            raise ConfigurationError(f"is {name} text; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"is not UTF-8 text (byte 0x{content[error.start]:02X} at {error.start}); save it as UTF-8"
        ) from None


def _read_bytes(path: Path) -> bytes:
    try:
        # Not blocking: opening a named pipe would wait for a writer for ever.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise MissingFileError(f"cannot be read: {_why(error)}") from None
    except OSError as error:
        raise UnreadableFileError(f"cannot be read: {_why(error)}") from None
    try:
        mode = os.fstat(number).st_mode
        if not stat.S_ISREG(mode):
            raise NotAFileError("is a folder, not a file" if stat.S_ISDIR(mode) else "is not a regular file")
        with os.fdopen(number, "rb", closefd=False) as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableFileError(f"cannot be read: {_why(error)}") from None
    finally:
        os.close(number)


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
