"""Keys of the paper Coinbase: how they are made, what the server keeps, what the plane's permissions mean."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError

from services.paper_exchange.control.messages import NewAccount
from services.paper_exchange.control.registry import RequestConflict, create_coinbase
from shared.config.keys.secrets import _PAPER_PREFIX
from tests.unit.paper_exchange.coinbase.bench import VIEW_ONLY, Bench, Client, private_key


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, form, NoEncryption())
    return text.decode()


def test_the_name_of_a_made_key_is_that_of_a_paper_key_and_holds_a_real_one(alice: Client) -> None:
    assert alice.name.startswith(_PAPER_PREFIX)
    assert re.fullmatch(r"PAPER/organizations/[0-9a-f-]{36}/apiKeys/[0-9a-f-]{36}", alice.name)


@pytest.mark.parametrize(("key_type", "length"), [("ecdsa", 227), ("ed25519", 88)])
def test_a_made_secret_has_the_form_that_coinbase_hands_out(bench: Bench, key_type: str, length: int) -> None:
    client = bench.client("new", key_type=key_type)
    assert len(client.secret) == length
    assert client.get("key_permissions")["can_view"] is True


def test_the_server_keeps_only_the_public_half(bench: Bench, alice: Client) -> None:
    key = bench.exchange.keys[alice.name]
    assert (key.secret, key.secret_text) == (b"", "")
    assert bench.front.venue.public_keys[alice.name] == private_key(alice.secret).public_key()


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_callers_own_key_works(bench: Bench, form: PrivateFormat) -> None:
    secret = pem(ec.generate_private_key(ec.SECP256R1()), form)
    client = bench.client("own", api_key="organizations/1/apiKeys/2", api_secret=secret)
    assert client.name == "organizations/1/apiKeys/2"
    assert client.wallet("USD") == (100000, 0)
    literal = bench.client("own", api_key="literal", api_secret=secret.replace("\n", "\\n"))
    assert bench.front.venue.public_keys["literal"] == bench.front.venue.public_keys[client.name]
    assert literal.name == "literal"


def test_the_same_key_again_changes_nothing(bench: Bench) -> None:
    first = bench.client("again")
    again = bench.client("again", api_key=first.name, api_secret=first.secret, balances={"USD": "5"})
    assert again.name == first.name
    assert again.wallet("USD") == (100000, 0)
    assert len(bench.exchange.accounts["again", "coinbase"].keys) == 1


def test_a_key_has_one_secret_one_owner_and_one_portfolio(bench: Bench) -> None:
    first, other = bench.client("owner"), bench.client("owner")
    for changes, words in (
        ({"api_secret": other.secret}, "another secret"),
        ({"user": "thief"}, "another account"),
        ({"portfolio": "Second"}, "another portfolio"),
    ):
        wish = {"user": "owner", "venue": "coinbase", "api_key": first.name, "api_secret": first.secret, **changes}
        with pytest.raises(RequestConflict, match=words):
            create_coinbase(bench.front.venue, NewAccount.model_validate(wish))


def test_a_secret_that_no_client_could_sign_with_is_refused_without_being_repeated() -> None:
    p256 = ec.generate_private_key(ec.SECP256R1())
    public = p256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    wrong = [
        pem(ec.generate_private_key(ec.SECP384R1())), pem(rsa.generate_private_key(65537, 2048)), public,
        pem(p256).splitlines()[0], "c2VjcmV0", "not base64!", "x" * 32,
    ]  # fmt: skip
    for secret in wrong:
        with pytest.raises(ValidationError) as refused:
            NewAccount.model_validate({"user": "x", "venue": "coinbase", "api_key": "PAPER1", "api_secret": secret})
        (error,) = refused.value.errors(include_input=False)
        assert error["loc"] == ("api_secret",)
        assert secret not in error["msg"]


@pytest.mark.parametrize(
    "fields",
    [
        {"venue": "coinbase", "nonce_window": 5}, {"venue": "coinbase", "margin": True}, {"venue": "kraken", "portfolio": "x"},
        {"venue": "kraken", "key_type": "ecdsa"}, {"venue": "coinbase", "key_type": "rsa"},
        {"venue": "kraken", "api_key": "PAPERx", "api_secret": "not base64!"},
    ],
)  # fmt: skip
def test_a_field_of_another_venue_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewAccount.model_validate({"user": "x", **fields})


@pytest.mark.parametrize(
    ("permissions", "rights"),
    [
        (None, (True, True, False)),
        (VIEW_ONLY, (True, False, False)),
        (["query-open-orders"], (True, False, False)),
        (["modify-orders"], (False, True, False)),
        ([*VIEW_ONLY, "modify-orders", "withdraw"], (True, True, True)),
    ],
)
def test_permissions_of_the_plane_are_scopes(
    bench: Bench, permissions: list[str] | None, rights: tuple[bool, bool, bool]
) -> None:
    client = bench.client("scoped", **({} if permissions is None else {"permissions": permissions}))
    answer = client.call("GET", "key_permissions")
    if rights[0]:
        assert tuple(answer.json[name] for name in ("can_view", "can_trade", "can_transfer")) == rights
    else:
        assert (answer.status, answer.json["error_details"]) == (403, "Missing required scopes")
    quote = {"from_account": "USD", "to_account": "USDC", "amount": "1"}
    assert client.call("POST", "convert/quote", quote).status == (200 if rights[1] else 403)


def test_a_key_sees_its_own_portfolio_only(bench: Bench) -> None:
    first = bench.client("many")
    second = bench.client("many", portfolio="Bots", balances={"USDC": "5"})
    third = bench.client("many", portfolio="Bots", balances={"USDC": "7"})
    assert first.wallet("USDC") is None
    assert second.wallet("USD") is None
    assert second.wallet("USDC") == third.wallet("USDC") == (5, 0)
    seen = [client.get("key_permissions") for client in (first, second, third)]
    assert [row["portfolio_type"] for row in seen] == ["DEFAULT", "CONSUMER", "CONSUMER"]
    assert seen[0]["portfolio_uuid"] != seen[1]["portfolio_uuid"] == seen[2]["portfolio_uuid"]
    rows = first.get("portfolios")["portfolios"]
    assert [(row["name"], row["type"], row["uuid"], row["deleted"]) for row in rows] == [
        ("Default", "DEFAULT", seen[0]["portfolio_uuid"], False),
        ("Bots", "CONSUMER", seen[1]["portfolio_uuid"], False),
    ]
    assert [row["name"] for row in second.get("portfolios", portfolio_type="CONSUMER")["portfolios"]] == ["Bots"]
    assert first.call("GET", "portfolios", portfolio_type="HEDGE").status == 400
    own, foreign = seen[0]["portfolio_uuid"], seen[1]["portfolio_uuid"]
    assert first.get("portfolios/" + own)["breakdown"]["portfolio"]["uuid"] == own
    assert first.call("GET", "portfolios/" + foreign).status == 403
    wallet = second.get("accounts")["accounts"][0]
    assert (wallet["retail_portfolio_id"], first.call("GET", "accounts/" + wallet["uuid"]).status) == (foreign, 404)
