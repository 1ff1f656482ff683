"""Sealed key files: opened when needed, with the identity that fits; what does not fit is its user's fault, and shows nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pyrage
import pytest

from shared.config.errors import ConfigurationError
from shared.config.keys import sealed_prints, secret_files
from shared.config.keys.key_ring import KeyedAccount, KeyRing
from shared.config.keys.sealed_file import Identities, new_identity, read_identities, seal
from shared.config.keys.sealed_prints import SealedPrints
from shared.config.keys.secrets import (
    ApiKey,
    key_names,
    key_stamps,
    keys_without_user,
    master_venues,
    read_api_key,
)
from shared.config.settings import Mode, load_settings

KEY, SECRET = "keyOfDaveThatIsSealed", "c2VjcmV0IG9mIGRhdmUgdGhhdCBpcyBzZWFsZWQ"


@pytest.fixture
def folder(tmp_path: Path, env: pytest.MonkeyPatch) -> Path:
    """An empty folder of secrets that the environment names, and the file of an identity."""
    root = tmp_path / "secrets"
    root.mkdir(mode=0o700)
    env.setenv("SHOAL_SECRETS", str(root))
    env.setenv("SHOAL_IDENTITY_FILE", str(make_identity(tmp_path / "identity")))
    env.setattr(secret_files, "_warned", set())
    env.setattr("shared.config.keys.secrets._SEALED_PRINTS", SealedPrints())
    return root


def make_identity(path: Path) -> Path:
    """Write a file with a new identity."""
    secret, recipient = new_identity()
    path.write_text(f"# created by hand\n# {recipient}\n\n{secret}\n")
    path.chmod(0o600)
    return path


def identity_of(path: Path) -> Identities:
    """Read a file of identities."""
    return read_identities(str(path), Mode.LIVE)


def put(root: Path, key: str = KEY, secret: str = SECRET, owner: str = "dave", *, identity: Path | None = None) -> Path:
    """Write the sealed file of an account."""
    path = root / "kraken" / f"{owner}.age"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(seal(key, secret, identity_of(identity or root.parent / "identity").recipients))
    path.chmod(0o600)
    return path


def refusal(owner: str = "dave", mode: Mode = Mode.LIVE) -> str:
    """Read a key, and return the line that refuses it, in which nothing secret stands."""
    with pytest.raises(ConfigurationError) as refused:
        read_api_key("kraken", owner, mode)
    text = str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert "\n" not in text
    for secret in (KEY, SECRET, *_identity_lines()):
        assert secret not in text
    return text


def _identity_lines() -> list[str]:
    path = Path(os.environ.get("SHOAL_IDENTITY_FILE", "/nowhere"))
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return [line for line in lines if line.startswith("AGE-SECRET-KEY-1") and len(line) > 40]


def test_a_sealed_file_is_opened_when_it_is_needed(folder: Path) -> None:
    assert "is not set" in refusal()
    path = put(folder)
    assert read_api_key("kraken", "dave", Mode.LIVE) == ApiKey(KEY, SECRET)
    assert KEY.encode() not in path.read_bytes()
    assert load_settings().shoal_identity_file.endswith("identity")
    assert keys_without_user(["alice"]) == [str(path)]
    assert sorted(each.name for each in folder.rglob("*")) == ["dave.age", "kraken"], "nothing is written on the way"


def test_the_master_and_their_further_accounts_may_be_sealed_too(folder: Path) -> None:
    put(folder, owner="master")
    put(folder, KEY + "2", owner="master.second")
    assert master_venues() == ("kraken",)
    assert read_api_key("kraken", "master.second", Mode.LIVE).key == KEY + "2"


def test_a_multi_line_secret_comes_out_as_it_went_in(folder: Path) -> None:
    pem = "-----BEGIN EC PRIVATE KEY-----\nabc\ndef\n-----END EC PRIVATE KEY-----"
    put(folder, secret=pem)
    assert read_api_key("kraken", "dave", Mode.LIVE).secret == pem


def test_the_wrong_identity_is_one_users_fault(folder: Path, tmp_path: Path) -> None:
    strange = put(folder, identity=make_identity(tmp_path / "other"))
    put(folder, KEY + "2", owner="alice")
    assert refusal() == (
        f"{strange} cannot be opened with the identity in {tmp_path}/identity: it is sealed for another one, or damaged"
    )
    assert read_api_key("kraken", "alice", Mode.LIVE).key == KEY + "2"


def test_several_identities_are_tried(folder: Path, tmp_path: Path) -> None:
    other = make_identity(tmp_path / "other")
    put(folder, identity=other)
    with (tmp_path / "identity").open("a") as file:
        file.write(other.read_text())
    assert read_api_key("kraken", "dave", Mode.LIVE) == ApiKey(KEY, SECRET)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is sealed for another one, or damaged"),
        (b"age-encryption.org/v1\n-> X25519 ", "is sealed for another one, or damaged"),
        (KEY.encode(), "is sealed for another one, or damaged"),
        (os.urandom(400), "is sealed for another one, or damaged"),
        (b"x" * 20_000, "is too large for a sealed key"),
    ],
)
def test_what_is_no_sealed_file_is_said_in_one_line(folder: Path, content: bytes, words: str) -> None:
    put(folder).write_bytes(content)
    assert words in refusal()


@pytest.mark.parametrize(
    "held",
    [b"", b"null", b"[]", b"{", b'{"key": "a"}', b'{"key": "a", "secret": 5}', b'{"key": "", "secret": "b"}'],
)
def test_what_holds_no_pair_is_said_in_one_line(folder: Path, held: bytes) -> None:
    identity = identity_of(folder.parent / "identity")
    keys = [pyrage.x25519.Recipient.from_str(each) for each in identity.recipients]
    put(folder).write_bytes(pyrage.encrypt(held, keys))
    assert refusal().endswith("dave.age holds something else than a key and its secret")


def test_every_byte_of_a_damaged_file_is_refused_or_harmless(folder: Path) -> None:
    """age authenticates what it encrypts: no damage gives another key."""
    path = put(folder)
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with suppress(ConfigurationError):
            assert read_api_key("kraken", "dave", Mode.LIVE) == ApiKey(KEY, SECRET)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no identity (AGE-SECRET-KEY-1...)"),
        ("# only a comment\n", "has no identity (AGE-SECRET-KEY-1...)"),
        ("# one\nAGE-SECRET-KEY-1XXXX\n", "has no identity of age in line 2 (AGE-SECRET-KEY-1...)"),
        ("age1recipient\n", "has no identity of age in line 1"),
        ("\ud800", "cannot be read: not a text"),
        ("#" * 70_000, "is too large for identities"),
    ],
)
def test_an_unusable_identity_file_is_named(folder: Path, tmp_path: Path, text: str, words: str) -> None:
    put(folder)
    (tmp_path / "identity").write_bytes(text.encode("utf-8", "surrogatepass"))
    said = refusal()
    assert said.startswith(f"SHOAL_IDENTITY_FILE names {tmp_path}/identity, which ")
    assert words in said
    assert "XXXX" not in said


def test_a_missing_an_open_and_an_unnamed_identity(folder: Path, tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    path = put(folder)
    (tmp_path / "identity").chmod(0o644)
    assert "is open to all users of this machine (mode 0644): chmod 600" in refusal()
    (tmp_path / "identity").unlink()
    assert "which cannot be read: No such file or directory" in refusal()
    env.delenv("SHOAL_IDENTITY_FILE")
    assert refusal() == f"{path} is sealed, and SHOAL_IDENTITY_FILE names nothing to open it"


def test_a_sealed_file_that_others_can_read_or_that_is_a_link_is_refused(folder: Path) -> None:
    path = put(folder)
    path.chmod(0o644)
    assert "is open to all users of this machine" in refusal()
    path.chmod(0o600)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    assert "symbolic link, which is not followed" in refusal()


def test_a_plain_and_a_sealed_file_must_say_the_same(folder: Path) -> None:
    put(folder)
    home = folder / "kraken" / "dave"
    home.mkdir()
    for name, text in (("key", KEY), ("secret", SECRET)):
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    assert read_api_key("kraken", "dave", Mode.LIVE) == ApiKey(KEY, SECRET)
    (home / "secret").write_text("c29tZXRoaW5nIGVsc2U")
    assert "and not the same: remove one of them" in refusal()


def test_one_key_of_two_accounts_is_refused_though_both_are_sealed(folder: Path) -> None:
    put(folder)
    other = put(folder, owner="alice")
    assert refusal() == f"{folder}/kraken/dave.age and {other} hold the same key; every account needs its own"


def test_each_sealed_file_is_opened_once_until_it_changes_and_only_some_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    open_ = Identities.open

    def count(self: Identities, content: bytes, path: str) -> tuple[str, str]:
        opened.append(Path(path).stem)
        return open_(self, content, path)

    monkeypatch.setattr(Identities, "open", count)
    monkeypatch.setattr(sealed_prints, "_AT_ONCE", 3)
    for number in range(5):
        put(folder, f"{KEY}{number}", owner=f"u{number}")
    for known in (3, 5, 5):
        assert len(key_names()) == known
    assert sorted(opened) == [f"u{number}" for number in range(5)]
    put(folder, f"{KEY}new", owner="u3")
    assert len(key_names()) == 5
    assert opened[5:] == ["u3"]


def test_a_ring_takes_a_sealed_key_that_comes_later_and_one_that_replaces_it(folder: Path) -> None:
    now = [1_000.0]
    ring = KeyRing(steady=lambda: now[0], wall=lambda: now[0])
    account = KeyedAccount("kraken", "dave")

    def read() -> ApiKey:
        return read_api_key("kraken", "dave", Mode.LIVE)

    def rest(path: Path) -> None:
        os.utime(path, (now[0] - 60, now[0] - 60))

    with pytest.raises(ConfigurationError):
        ring.take(account, read)
    assert not ring.is_outdated(account, read, works=False)
    rest(put(folder))
    now[0] += 5
    assert ring.is_outdated(account, read, works=False)
    assert ring.take(account, read).key == KEY
    path = put(folder)  # the same key sealed anew, as a rotation does: no new turn
    rest(path)
    assert not ring.is_outdated(account, read, works=True)
    rest(put(folder, KEY + "2", "bmV3IHNlY3JldA"))
    assert ring.is_outdated(account, read, works=True)
    assert ring.take(account, read).key == KEY + "2"
    put(folder).write_bytes(b"damaged")
    assert not ring.is_outdated(account, read, works=True)
    assert ring.take(account, read).key == KEY + "2", "the pair in use goes on"
    assert "dave.age cannot be opened" in ring.why_waiting(account)


def test_a_changed_identity_changes_the_stamp(folder: Path, tmp_path: Path) -> None:
    put(folder)
    before = key_stamps("kraken", "dave")
    (tmp_path / "identity").write_text("# another\n")
    assert key_stamps("kraken", "dave") != before
