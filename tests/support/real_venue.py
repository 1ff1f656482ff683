"""What stands in for the real venues: a paper exchange behind TLS that answers their own paths alone and keeps all it saw.

Live mode takes only https, so the front has a certificate of its own; a service trusts it by SSL_CERT_FILE, as a person's would
who keeps a proxy in his network.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_HOST: Final = "127.0.0.1"
_JSON: Final = "application/json"
_PUBLIC: Final = ("/0/public/", "/api/v3/brokerage/market/", "/api/v3/brokerage/time")
_HANDED_ON: Final = ("API-Key", "API-Sign", "Authorization", "Content-Type")


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    path: str
    api_key: str
    body: str
    stream: bool = False
    """Whether it wanted to open a WebSocket, which nothing here does: a handshake has no key, and what follows never leaves."""

    @property
    def private(self) -> bool:
        """Whether it was signed, or wanted to be."""
        return bool(self.api_key) or not (self.stream or self.path.startswith(_PUBLIC))

    @property
    def client_order_id(self) -> str:
        """Return the client's id of the order that it places; empty if it places none."""
        if self.path.endswith("/private/AddOrder"):
            order = dict(urllib.parse.parse_qsl(self.body))
            return "" if "validate" in order else order["cl_ord_id"]  # with `validate` it only asks
        return str(json.loads(self.body)["client_order_id"]) if self.path.endswith("/brokerage/orders") else ""


class RealVenue:
    """The front. `behind` is the port of the paper exchange that it hands requests on to."""

    def __init__(self, folder: Path, behind: int) -> None:
        self.seen: list[Seen] = []
        self.certificate = folder / "real-venue.pem"
        key = folder / "real-venue.key"
        _certify(self.certificate, key)
        venue = self

        class Front(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                key = self.headers.get("API-Key") or _key_of(self.headers.get("Authorization", ""))
                stream = self.headers.get("Upgrade", "").lower() == "websocket"
                venue.seen.append(Seen(self.path, key, body.decode(), stream))
                status, kind, raw = 404, _JSON, b'{"error":["EGeneral:Unknown method"]}'
                if self.path.startswith(("/0/", "/api/v3/brokerage/")):
                    status, kind, raw = _hand_on(behind, self, body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = answer  # noqa: N815  # the names that the base class calls

            def log_message(self, format: str, *args: object) -> None:  # the base class's name
                """Write nothing to the test's output."""

        self._server = ThreadingHTTPServer((_HOST, 0), Front)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://{_HOST}:{self._server.server_address[1]}"

    @property
    def private(self) -> list[Seen]:
        """Return the requests that were more than a public question."""
        return [request for request in self.seen if request.private]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _hand_on(port: int, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes]:
    headers = {name: value for name in _HANDED_ON if (value := request.headers.get(name))}
    connection = http.client.HTTPConnection(_HOST, port, timeout=10)
    try:
        connection.request(request.command, request.path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", _JSON), answer.read()
    finally:
        connection.close()


def _key_of(authorization: str) -> str:
    """Return the key that a token names; empty without a token."""
    parts = authorization.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return ""
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    return str(claims["sub"])


def _certify(certificate: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the real venue of a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(_HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
