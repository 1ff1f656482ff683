"""Who may come in: the token of each request, claim by claim, in the dialects of coinbase-advanced-py and ccxt."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from coinbase import jwt_generator

from services.paper_exchange.coinbase.gate import Request
from tests.unit.paper_exchange.coinbase.bench import HOST, PREFIX, Answer, Bench, Client, answer_of

ACCOUNTS = PREFIX + "accounts"
URI = f"GET {HOST}{ACCOUNTS}"


def send(client: Client, token: str, *, scheme: str = "Bearer ", host: str = HOST, path: str = ACCOUNTS) -> Answer:
    return answer_of(client.bench.front.answer(Request("GET", path, b"", scheme + token, b"{}", host)))


def with_claims(client: Client, header: dict[str, Any] | None = None, **changes: Any) -> Answer:
    """Send a request whose token has other claims; None leaves a claim out."""
    claims = {**client.claims("GET", ACCOUNTS), **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return send(client, client.sign(kept, **(header or {})))


@pytest.fixture(params=["ecdsa", "ed25519"])
def key(request: pytest.FixtureRequest, bench: Bench) -> Client:
    return bench.client("either", key_type=request.param)


def test_what_coinbase_advanced_py_signs_is_let_in(bench: Bench, key: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt_generator.time, "time", bench.clock.now)
    token = jwt_generator.build_rest_jwt(URI, key.name, key.secret)
    assert send(key, token).status == 200


def test_what_ccxt_signs_with_a_p256_key_is_let_in(bench: Bench) -> None:
    key = bench.client("ccxt")
    now = int(bench.clock.now())
    dialect: dict[str, Any] = {"iss": "coinbase-cloud", "aud": ["retail_rest_api_proxy"], "iat": now}
    assert with_claims(key, **dialect, uri=f"GET http://127.0.0.1:8100{ACCOUNTS}").status == 401, "not our host"
    token = key.sign({**key.claims("GET", ACCOUNTS), **dialect, "uri": f"GET http://127.0.0.1:8100{ACCOUNTS}"})
    assert send(key, token, host="127.0.0.1:8100").status == 200


def test_what_ccxt_signs_with_an_ed25519_key_is_let_in(bench: Bench) -> None:
    key = bench.client("ccxt", key_type="ed25519")
    assert with_claims(key, aud=["cdp_service"], uri=None, uris=[URI]).status == 200


def test_a_refusal_is_the_plain_text_unauthorized(alice: Client) -> None:
    answer = send(alice, "no.such.token")
    assert (answer.status, answer.body.strip()) == (401, b"Unauthorized")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None}, {"iss": "coinbase"}, {"aud": [[]]},
        {"sub": None}, {"sub": "somebody"}, {"uri": None}, {"uri": 5}, {"uri": ""},
        {"uri": f"POST {HOST}{ACCOUNTS}"}, {"uri": f"GET {HOST}{ACCOUNTS}/"}, {"uri": f"{URI}?limit=5"},
        {"uri": f"GET {ACCOUNTS}"},
        {"uri": f"GET api-sandbox.coinbase.com{ACCOUNTS}"}, {"uris": [URI]}, {"uri": None, "uris": []},
        {"uri": None, "uris": URI}, {"uri": None, "uris": [f"POST {HOST}{ACCOUNTS}"]},
        {"aud": ["elsewhere"]}, {"aud": "elsewhere"}, {"aud": ["cdp_service", "elsewhere"]}, {"aud": 5},
        {"nbf": None}, {"exp": None}, {"exp": "1700000060"}, {"nbf": True}, {"exp": 1700000060.5}, {"iat": 1700000006},
    ],
)  # fmt: skip
def test_each_claim_is_checked(key: Client, changes: dict[str, Any]) -> None:
    assert with_claims(key).status == 200
    assert with_claims(key, **changes).status == 401


@pytest.mark.parametrize("header", [{"nonce": None}, {"nonce": ""}, {"nonce": 5}, {"typ": "JOSE"}, {"crit": []}])
def test_the_header_is_checked(key: Client, header: dict[str, Any]) -> None:
    assert with_claims(key, header).status == 401


@pytest.mark.parametrize(
    ("begins", "ends", "status"),
    [
        (0, 120, 200), (5, 125, 200), (6, 126, 401), (0, 121, 401), (-119, 1, 200), (-120, 0, 401), (-200, -80, 401),
        (0, 1, 200), (0, 12, 200), (3, 3, 401), (5, 2, 401),
    ],
)  # fmt: skip
def test_a_token_lives_at_most_two_minutes(alice: Client, begins: int, ends: int, status: int) -> None:
    now = int(alice.bench.clock.now())
    assert with_claims(alice, nbf=now + begins, exp=now + ends).status == status


def test_a_token_is_refused_from_the_instant_of_exp(bench: Bench, alice: Client) -> None:
    token = alice.sign(alice.claims("GET", ACCOUNTS))
    bench.clock.advance(119.9)
    assert send(alice, token).status == 200, "a token may be used again"
    bench.clock.advance(0.1)
    assert send(alice, token).status == 401


def test_the_key_that_is_named_must_have_signed(bench: Bench, alice: Client) -> None:
    bob = bench.client("bob")
    forged = Client(bench, alice.name, bob.secret)
    assert with_claims(forged).status == 401
    assert with_claims(alice, {"kid": bob.name}).status == 401
    assert with_claims(alice, {"kid": None}).status == 401
    assert with_claims(alice, {"kid": bob.name}, sub=bob.name).status == 401


def test_no_algorithm_but_the_keys_own_is_taken(key: Client) -> None:
    claims = key.claims("GET", ACCOUNTS)
    good = key.sign(claims).split(".")
    for algorithm in ("none", "HS256", "ES384", "ES256" if not key.secret.startswith("-") else "EdDSA"):
        header = {"alg": algorithm, "kid": key.name, "nonce": "1", "typ": "JWT"}
        first = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
        assert send(key, f"{first}.{good[1]}.{good[2]}").status == 401
        assert send(key, f"{first}.{good[1]}.").status == 401


def test_a_token_changed_after_signing_is_refused(key: Client) -> None:
    header, claims, signature = key.sign(key.claims("GET", ACCOUNTS)).split(".")
    other = base64.urlsafe_b64encode(json.dumps({**key.claims("GET", ACCOUNTS), "x": 1}).encode()).decode().rstrip("=")
    swapped = "A" if signature[10] != "A" else "B"
    for forged in (
        f"{header}.{other}.{signature}", f"{header}.{claims}.{signature[:10]}{swapped}{signature[11:]}",
        f"{header}.{claims}", f"{header}.{claims}.{signature}.", f"{header}.{claims}.{signature[:-4]}", "", "...",
        f"{header}.{claims}.%%%", f"{'x' * 5000}.{claims}.{signature}",
    ):  # fmt: skip
        assert send(key, forged).status == 401
    assert send(key, f"{header}.{claims}.{signature}").status == 200


@pytest.mark.parametrize("scheme", ["", "bearer ", "Basic ", "Bearer  "])
def test_the_token_comes_as_a_bearer(alice: Client, scheme: str) -> None:
    assert send(alice, alice.sign(alice.claims("GET", ACCOUNTS)), scheme=scheme).status == 401


def test_a_token_is_for_one_path(alice: Client) -> None:
    token = alice.sign(alice.claims("GET", ACCOUNTS))
    assert send(alice, token, path=PREFIX + "portfolios").status == 401


def test_a_key_of_kraken_is_not_one_of_coinbase(bench: Bench, alice: Client) -> None:
    del bench.front.venue.public_keys[alice.name]
    assert with_claims(alice).status == 401
