"""Users' files that somebody breaks while they edit them, and puts right a while later."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final


class Damage(StrEnum):
    """What becomes of a file. One that is taken away is none of them: its user is not followed meanwhile, as it should be."""

    TYPO = "typo"
    HALF = "half"
    WRONG_VALUE = "wrong value"
    HUGE_NUMBER = "huge number"
    NOT_TEXT = "not text"


_TEXTS: Final = {
    Damage.TYPO: b"[guards\nmax_signal_age = ",
    Damage.HALF: b"[guards]\nmax_sig",
    Damage.WRONG_VALUE: b"[guards]\nmax_slippage_bps = -3\n",
    Damage.HUGE_NUMBER: b"[guards]\nmax_signal_age = 1e306\nmax_slippage_bps = " + b"9" * 5000 + b"\n",
    Damage.NOT_TEXT: b"\xff\xfe\x00[\x00g",
}


class UserFiles:
    """The files of a run's users, and which of them are broken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._whole: dict[str, bytes] = {}
        self.count = 0

    def damage(self, user: str, damage: Damage) -> bool:
        """Damage a user's file; answers False if it is damaged already."""
        if user in self._whole:
            return False
        path = self._path(user)
        self._whole[user] = path.read_bytes()
        path.write_bytes(_TEXTS[damage])
        self.count += 1
        return True

    def mend(self, user: str) -> None:
        """Put the file back as it was."""
        text = self._whole.pop(user, None)
        if text is None:
            return
        self._path(user).write_bytes(text)

    def mend_all(self) -> None:
        """Put every file back."""
        for user in list(self._whole):
            self.mend(user)

    def _path(self, user: str) -> Path:
        return self._folder / "users" / f"{user}.toml"
