"""Keys in use while their files change: whole pairs alone are signed with, however a person writes the two files."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, strategies as st

from shared.config.errors import ConfigurationError
from shared.config.keys.key_ring import KeyedAccount, KeyRing, Stamps
from shared.config.keys.secrets import ApiKey

DAVE = KeyedAccount("kraken", "dave")
OLD, NEW = ApiKey("key-1", "secret-1"), ApiKey("key-2", "secret-2")


@dataclass
class Files:
    """Two files, a clock, and a process that looks at them."""

    now: float = 1_000_000.0
    texts: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    fault: str = ""
    ring: KeyRing = field(init=False)

    def __post_init__(self) -> None:
        self.ring = KeyRing(self.stamps, wall=lambda: self.now, steady=lambda: self.now)

    def stamps(self, venue: str, owner: str) -> Stamps:
        """Return the stamps of both files."""
        assert (venue, owner) == ("kraken", "dave")
        return tuple(
            (int(self.times[part] * 1e9), 0, len(self.texts[part]), 0) if part in self.texts else None
            for part in ("key", "secret")
        )

    def read(self) -> ApiKey:
        """Read both files."""
        if self.fault or len(self.texts) < 2:
            raise ConfigurationError(self.fault or "one file does not exist")
        return ApiKey(self.texts["key"], self.texts["secret"])

    def write(self, key: ApiKey, *parts: str) -> None:
        """Write one of the files, or both."""
        for part in parts or ("key", "secret"):
            self.texts[part] = getattr(key, part)
            self.times[part] = self.now

    def take(self) -> ApiKey:
        """Begin a turn."""
        return self.ring.take(DAVE, self.read)

    def outdated(self, *, works: bool = True, after: float = 0.0) -> bool:
        """Look, some seconds later."""
        self.now += after
        return self.ring.is_outdated(DAVE, self.read, works=works)


@pytest.fixture
def files() -> Files:
    """Both files of a key that is in use and works."""
    made = Files()
    made.write(OLD)
    made.now += 60
    assert made.take() == OLD
    assert not made.outdated()
    return made


def test_a_replaced_pair_is_used_once_it_rests(files: Files) -> None:
    files.write(NEW)
    assert not files.outdated(after=1)
    assert files.take() == OLD
    assert files.outdated(after=2)
    assert files.outdated(after=1)
    assert files.take() == NEW
    assert not files.outdated(after=1)


@pytest.mark.parametrize(("first", "then"), [("key", "secret"), ("secret", "key")])
def test_a_half_written_pair_is_waited_for_while_the_former_one_works(files: Files, first: str, then: str) -> None:
    files.write(NEW, first)
    for _ in range(3):
        assert not files.outdated(after=600)
        assert files.take() == OLD
    assert f"its {first} has changed and its {then} has not" in files.ring.why_waiting(DAVE)
    files.write(NEW, then)
    assert files.outdated(after=3)
    assert files.take() == NEW
    assert files.ring.why_waiting(DAVE) == ""


@pytest.mark.parametrize("removed", [("key",), ("secret",), ("key", "secret")])
def test_files_that_are_gone_or_broken_leave_the_former_pair_in_use(files: Files, removed: tuple[str, ...]) -> None:
    for part in removed:
        del files.texts[part]
    assert not files.outdated(after=60)
    assert files.take() == OLD
    assert files.ring.why_waiting(DAVE) == "one file does not exist"
    files.write(NEW)
    assert files.outdated(after=3)
    assert files.take() == NEW


def test_a_key_that_never_worked_may_be_corrected_by_one_file(files: Files) -> None:
    files = Files()
    files.write(ApiKey("key-2", "secret-1"))
    files.now += 60
    files.take()
    files.write(NEW, "secret")
    assert not files.outdated(works=False, after=3)
    assert files.outdated(works=False, after=8)
    assert files.take() == NEW


def test_a_new_account_waits_for_both_files(files: Files) -> None:
    files = Files()
    files.write(NEW, "key")
    with pytest.raises(ConfigurationError, match="one file does not exist"):
        files.take()
    assert not files.outdated(works=False, after=10)
    files.write(NEW, "secret")
    assert not files.outdated(works=False, after=1)
    assert files.outdated(works=False, after=2)
    assert files.take() == NEW


def test_a_process_that_starts_amid_a_change_uses_no_half(files: Files) -> None:
    files.write(NEW, "key")
    starting = Files(now=files.now + 3, texts=files.texts, times=files.times)
    with pytest.raises(ConfigurationError, match="only one of its two files is new"):
        starting.take()
    starting.write(NEW, "secret")
    with pytest.raises(ConfigurationError, match="being written"):
        starting.take()
    assert starting.outdated(works=False, after=3)
    assert starting.take() == NEW


def test_a_refusal_that_lies_elsewhere_is_tried_again(files: Files) -> None:
    files.fault = "dave and erin hold the same key"
    with pytest.raises(ConfigurationError, match="the same key"):
        files.take()
    assert not files.outdated(works=False, after=5)
    files.fault = ""
    assert files.outdated(works=False, after=5)
    assert files.take() == OLD


def test_a_key_for_real_money_is_never_returned_for_paper_money(files: Files) -> None:
    files.fault = "it is not a paper key"
    files.times["key"] += 1
    with pytest.raises(ConfigurationError, match="not a paper key"):
        files.ring.take(DAVE._replace(paper=True), files.read)


def test_files_from_the_future_rest_too(files: Files) -> None:
    files.write(NEW)
    files.times = dict.fromkeys(files.times, files.now + 3600)
    assert files.outdated(after=1)


_ROTATION = st.tuples(st.permutations(["key", "secret"]), st.floats(0, 100), st.floats(0, 4))


@given(st.lists(_ROTATION, min_size=1, max_size=5))
def test_no_key_is_ever_returned_with_the_secret_of_another(
    rotations: list[tuple[list[str], float, float]],
) -> None:
    files = Files()
    files.write(OLD)
    files.now += 60
    files.take()
    for number, (order, between, pause) in enumerate(rotations, 2):
        new = ApiKey(f"key-{number}", f"secret-{number}")
        for part, seconds in zip(order, (between, pause), strict=True):
            files.write(new, part)
            for share in (0.3, 0.7):
                files.outdated(after=seconds * share)
                taken = files.take()  # as a turn that begins for another reason
                assert taken.key.removeprefix("key-") == taken.secret.removeprefix("secret-")
        assert files.outdated(after=3) or files.take() == new
        assert files.take() == new
        files.outdated()
