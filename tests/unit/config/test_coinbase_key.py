"""The secret of a Coinbase key: every form that can be read is taken, every usual mistake is named, and none is repeated."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from shared.config.keys.coinbase_key import find_name_fault, find_secret_fault, parse_secret, read_key_file

NAME = "organizations/9a1d6a2e-0d5c-4a39-8f2e-0f1c2d3e4f50/apiKeys/1b2c3d4e-5f60-4711-8222-333344445555"
P256 = ec.derive_private_key(int.from_bytes(b"p" * 32), ec.SECP256R1())  # the same in each process that collects tests
ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SEED = ED.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
PUBLIC_HALF = ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
SEC1 = P256.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
PKCS8 = P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
ED_PEM = ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
BARE = "".join(SEC1.split("\n")[1:-2])
"""What stands between the BEGIN and END lines."""
RSA = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
P384 = (
    ec.generate_private_key(ec.SECP384R1())
    .private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    .decode()
)
LOCKED = P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")).decode()
PUBLIC = P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    "given",
    [
        SEC1,
        PKCS8,
        SEC1.strip(),
        SEC1.replace("\n", "\\n"),
        SEC1.replace("\n", "\r\n"),
        SEC1.replace("\n", "\\r\\n"),
        SEC1.replace("\n", " "),
        SEC1.replace("\n", ""),
        SEC1.replace("\n", "\n    "),
        f"\n\n  {SEC1}\n",
        f"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{SEC1}",
    ],
)
def test_a_pem_survives_what_editors_and_shells_do_to_it(given: str) -> None:
    key = parse_secret(given)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.private_numbers() == P256.private_numbers()
    assert find_secret_fault(given) == ""


@pytest.mark.parametrize(
    "given", [text(SEED), text(SEED + PUBLIC_HALF), f" {text(SEED)[:20]}\n{text(SEED)[20:]} ", ED_PEM]
)
def test_an_ed25519_key_is_base64_with_or_without_its_public_half_or_a_pem(given: str) -> None:
    key = parse_secret(given)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    assert key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()) == SEED


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "empty"),
        (f'"{SEC1.strip()}"', "quotes around it"),
        (f'"{text(SEED)}"', "quotes around it"),
        (SEC1.replace("\n", "\\\\n"), "escaped twice"),
        (
            SEC1.split("\n")[0],
            "ends before its last line: give the value in a file (the variable with _FILE), or in one line with",
        ),
        (SEC1[:-40], "ends before its last line"),
        (SEC1.replace(SEC1.split("\n")[1][:8], ""), "damaged PEM"),
        (BARE, "lacks its BEGIN and END lines"),
        ("".join(PKCS8.split("\n")[1:-2]), "lacks its BEGIN and END lines"),
        (PUBLIC, "a public key"),
        (LOCKED, "an encrypted key"),
        (RSA, "an RSA key"),
        (P384, "another curve than P-256"),
        ("a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6", "of a legacy key"),
        (SEED.hex(), "in hexadecimal"),
        ((SEED + PUBLIC_HALF).hex(), "in hexadecimal"),
        ("ab-_" * 11, "base64url"),
        (text(SEED)[:-3], "cut"),
        (text(SEED)[:-8], "another length"),
        (text(SEED + PUBLIC_HALF)[:-4], "another length"),
        ("not a key at all!", "neither PEM nor base64"),
        (json.dumps({"name": NAME, "privateKey": SEC1}), "the whole JSON file"),
        (json.dumps({"id": NAME, "privateKey": text(SEED)}), "the whole JSON file"),
        (NAME, "key and secret are swapped"),
        (f"PAPER/{NAME}", "key and secret are swapped"),
        ("1b2c3d4e-5f60-4711-8222-333344445555", "key and secret are swapped"),
    ],
)
def test_every_usual_mistake_is_named_and_nothing_of_it_repeated(given: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^the secret ") as refused:
        parse_secret(given)
    words = find_secret_fault(given)
    assert says in words
    assert str(refused.value) == words
    assert refused.value.__cause__ is None
    assert "\n" not in words
    pieces = {given[at : at + 8] for at in range(max(len(given) - 8, 0)) if "-" not in given[at : at + 8]}
    assert not [
        piece for piece in pieces if piece.strip() == piece and piece in words and piece not in "BEGIN EC PRIVATE KEY"
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (NAME, ""),
        (f"PAPER/{NAME}", ""),
        ("1b2c3d4e-5f60-4711-8222-333344445555", ""),
        (" ", "empty"),
        (SEC1, "swapped"),
        (SEC1.replace("\n", "\\n"), "swapped"),
        ("organizations/ü", "characters"),
        ("organizations/a\nb", "characters"),
    ],
)
def test_what_cannot_be_the_name_of_a_key_is_told(name: str, says: str) -> None:
    words = find_name_fault(name)
    assert bool(words) is bool(says)
    assert says in words


@pytest.mark.parametrize("field", ["name", "id"])
def test_the_downloaded_file_holds_both(field: str) -> None:
    assert read_key_file(json.dumps({field: f" {NAME}", "privateKey": SEC1}, indent=4)) == (NAME, SEC1.strip())


@pytest.mark.parametrize("given", [NAME, "", "[]", SEC1, text(SEED)])
def test_any_other_text_is_no_file_of_both(given: str) -> None:
    assert read_key_file(given) is None


@pytest.mark.parametrize(
    "given",
    [
        "{",
        '{"name": "a", "privateKey": "b"',
        json.dumps({"name": NAME}),
        json.dumps({"privateKey": SEC1}),
        json.dumps({"name": 1, "privateKey": SEC1}),
        json.dumps({"name": NAME, "privateKey": " "}),
        json.dumps({"name": NAME, "principalType": "USER", "publicKey": "x"}),
        "{" * 100_000,
    ],
)
def test_json_that_should_hold_both_and_does_not_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="JSON") as refused:
        read_key_file(given)
    assert NAME not in str(refused.value)
