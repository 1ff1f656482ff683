"""How passwords are kept, and which are refused."""

from __future__ import annotations

import pytest

from shared.sign_in.passwords import hash_password, new_password, objection, verify_password
from shared.sign_in.secret_tokens import digest, is_token, new_token


def test_a_hash_is_argon2id_at_owasps_parameters_with_a_salt_of_its_own() -> None:
    one, other = hash_password("the same password"), hash_password("the same password")
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != other
    assert verify_password("the same password", one)
    assert not verify_password("The same password", one)
    assert not verify_password("", one)


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$", "$2b$12$abc"])
def test_a_hash_that_cannot_be_read_opens_nothing(stored: str) -> None:
    assert not verify_password("", stored)
    assert not verify_password("password", stored)


def test_a_password_is_the_same_however_a_keyboard_composes_it() -> None:
    assert verify_password("cafe\u0301 au lait", hash_password("caf\u00e9 au lait"))
    assert not verify_password("\ud83d", hash_password("?"))


@pytest.mark.parametrize("password", ["", "elevenchars", "x" * 257, "aaaaaaaaaaaaaaaaaaaa", "ababababababab"])
def test_short_and_monotonous_ones_are_refused(password: str) -> None:
    assert objection(password)


def test_made_passwords_are_accepted_and_never_the_same() -> None:
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert not [each for each in made if objection(each)]


def test_tokens_have_256_bits_and_a_shape() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) == 43
    assert is_token(new_token())
    assert is_token(new_token("shoal_"))
    assert not any(map(is_token, ("", "short", "x" * 31, "x" * 97, "x" * 40 + "\n", "é" * 40, "../" + "x" * 40)))
    assert len(digest("x")) == 64
