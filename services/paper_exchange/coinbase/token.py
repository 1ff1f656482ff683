"""The check of the token that comes with each request: a JWT, signed with the key that it names, for one verb and path.

Two dialects are in use. coinbase-advanced-py: `iss` "cdp", no `aud`, `uri`. ccxt: with ES256 `iss` "coinbase-cloud", `aud`
["retail_rest_api_proxy"], `iat`; with EdDSA `iss` "cdp", `aud` ["cdp_service"] and a list `uris` instead of `uri`; a `uri` keeps
`http://` when its address was changed. Nothing else is accepted. No rule against using a token twice is documented: there is
none.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from services.paper_exchange.coinbase.keys import PublicKey

LONGEST_LIFE: Final = 120  # seconds from nbf to exp
LEEWAY: Final = 5  # seconds that nbf may be ahead of the venue's clock
LARGEST: Final = 4096
HOST: Final = "api.coinbase.com"
ISSUERS: Final = ("cdp", "coinbase-cloud")
AUDIENCES: Final = ("cdp_service", "retail_rest_api_proxy")
_SCHEME: Final = re.compile(r"^https?://")

FindKey = Callable[[str], PublicKey | None]
"""Returns the public half of a key by its name."""


class BadToken(Exception):  # noqa: N818  # a verdict on a request, not a failure of ours
    """The token is refused; the text says why, for the journal: the client only sees 401."""


@dataclass(frozen=True, slots=True)
class Token:
    """An accepted token: the name of its key and the instant (seconds) from which it is refused."""

    key_name: str
    expires: int


@dataclass(frozen=True, slots=True)
class Target:
    """What the request asks for: verb, path as sent, without the query, and the `Host` header."""

    verb: str
    path: str
    host: str

    def names(self, uri: object) -> bool:
        """Return whether a token's `uri` names this request."""
        if not isinstance(uri, str):
            return False
        verb, _, address = uri.partition(" ")
        address = _SCHEME.sub("", address)
        return verb == self.verb and address in {f"{HOST}{self.path}", f"{self.host}{self.path}"}


def claimed_key(authorization: str) -> str:
    """Return the key name that a token claims, unproven, for the journal; empty if it claims none."""
    try:
        name = _part(authorization.removeprefix("Bearer ").split(".")[0]).get("kid", "")
    except BadToken:
        return ""
    return name[:128] if isinstance(name, str) else ""


def check(authorization: str, target: Target, now: float, find_key: FindKey) -> Token:
    """Return the token of an `Authorization` header. Raises BadToken."""
    if not authorization.startswith("Bearer "):
        raise BadToken("no bearer token")
    token, claims = _prove(authorization.removeprefix("Bearer "), now, find_key)
    _check_target(claims, target)
    return token


def check_stream(text: str, now: float, find_key: FindKey) -> Token:
    """Return the token in `jwt` of a WebSocket message, which names no request (docs.cdp.coinbase.com). Raises BadToken."""
    token, claims = _prove(text, now, find_key)
    if "uri" in claims or "uris" in claims:
        raise BadToken("made for a request")
    return token


def _prove(text: str, now: float, find_key: FindKey) -> tuple[Token, dict[str, Any]]:
    """Return a token and its claims, which are proven but for what they are about."""
    if len(text) > LARGEST:
        raise BadToken("too long")
    parts = text.split(".")
    if len(parts) != 3:
        raise BadToken("not a JWT")
    header, claims = _part(parts[0]), _part(parts[1])
    name = header.get("kid")
    key = find_key(name) if isinstance(name, str) else None
    if key is None:
        raise BadToken("unknown key")
    _check_header(header, key)
    _check_signature(key, text[: text.rindex(".")].encode(), _raw(parts[2]))
    if claims.get("sub") != name:
        raise BadToken("sub is not the key")
    expires = _check_times(claims, now)
    _check_origin(claims)
    return Token(str(name), expires), claims


def _check_header(header: dict[str, Any], key: PublicKey) -> None:
    if header.get("alg") != ("ES256" if isinstance(key, ec.EllipticCurvePublicKey) else "EdDSA"):
        raise BadToken("alg is not that of the key")
    if header.get("typ", "JWT") != "JWT" or "crit" in header:
        raise BadToken("typ")
    if not isinstance(header.get("nonce"), str) or not header["nonce"]:
        raise BadToken("no nonce")


def _check_signature(key: PublicKey, signed: bytes, signature: bytes) -> None:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if len(signature) != 64:
                raise BadToken("signature")
            both = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            key.verify(both, signed, ec.ECDSA(SHA256()))
        else:
            key.verify(signature, signed)
    except InvalidSignature:
        raise BadToken("signature") from None


def _check_times(claims: dict[str, Any], now: float) -> int:
    begins, ends = _instant(claims.get("nbf")), _instant(claims.get("exp"))
    issued = _instant(claims.get("iat", begins))
    if not 0 < ends - begins <= LONGEST_LIFE:
        raise BadToken(f"exp is not within {LONGEST_LIFE} s of nbf")
    if max(begins, issued) > now + LEEWAY:
        raise BadToken("not valid yet")
    if now >= ends:
        raise BadToken("expired")
    return ends


def _instant(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadToken("nbf and exp must be whole seconds")
    return value


def _check_origin(claims: dict[str, Any]) -> None:
    if claims.get("iss") not in ISSUERS:
        raise BadToken("iss")
    audience = claims.get("aud", [])
    if isinstance(audience, str):
        audience = [audience]
    if not isinstance(audience, list) or any(name not in AUDIENCES for name in audience):
        raise BadToken("aud")


def _check_target(claims: dict[str, Any], target: Target) -> None:
    if ("uri" in claims) == ("uris" in claims):
        raise BadToken("needs uri or uris")
    uris = [claims["uri"]] if "uri" in claims else claims["uris"]
    if not isinstance(uris, list) or not any(target.names(uri) for uri in uris):
        raise BadToken("uri is not this request")


def _part(text: str) -> dict[str, Any]:
    try:
        found = json.loads(_raw(text))
    except (ValueError, RecursionError):
        raise BadToken("not a JWT") from None
    if not isinstance(found, dict):
        raise BadToken("not a JWT")
    return found


def _raw(text: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text, re.ASCII):
        raise BadToken("not a JWT")
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise BadToken("not a JWT") from None
