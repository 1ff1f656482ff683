"""The certificate of a Redis that is set up here, and the authority that signed it, by which clients recognise the server.

The authority signs this one certificate, and its key is never written: no other certificate can be made that clients would
accept. A new certificate is made, with another authority, for another host or in its last year; then Redis and all services have
to be started again. The server's own key is only in the folder that Redis alone mounts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA: Final = "ca.crt"
_CERTIFICATE, _KEY = "redis.crt", "redis.key"
_LASTS: Final = timedelta(days=3650)
_RENEWED: Final = timedelta(days=365)
_LOCAL: Final = ("localhost", "127.0.0.1")
"""Other names of the server: `redis-cli` in its own container."""
_NO_TLS: Final = "# Redis speaks without TLS: REDIS_TLS is not set."


def write_certificate(folder: Path, host: str, port: str, clients: Iterable[Path]) -> str:
    """Write certificate, key and authority into Redis's folder, the authority into those of its clients.

    Return the settings of Redis. What exists is kept while it is for this host and has a year left. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not _serves(folder, host):
        _make(folder, host)
    authority = (folder / CA).read_bytes()
    for client in clients:
        client.mkdir(parents=True, exist_ok=True)
        (client / CA).write_bytes(authority)
    where = "/run/redis-users"
    files = {"tls-cert-file": _CERTIFICATE, "tls-key-file": _KEY, "tls-ca-cert-file": CA}
    return "\n".join(
        [
            "port 0",
            f"tls-port {port}",
            "tls-auth-clients no",
            *(f"{name} {where}/{file}" for name, file in files.items()),
        ]
    )


def forget_certificate(folder: Path, clients: Iterable[Path]) -> str:
    """Remove what `write_certificate` wrote: `redis-cli` in Redis's container goes by it. Return the settings of Redis."""
    for path in (folder / CA, folder / _CERTIFICATE, folder / _KEY, *(client / CA for client in clients)):
        path.unlink(missing_ok=True)
    return _NO_TLS


def _serves(folder: Path, host: str) -> bool:
    """Return whether the certificate there is for this host, complete, and good for a while."""
    try:
        found = x509.load_pem_x509_certificate((folder / _CERTIFICATE).read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    complete = (folder / _KEY).exists() and (folder / CA).exists()
    return complete and _name(host) in names and found.not_valid_after_utc - datetime.now(UTC) > _RENEWED


def _make(folder: Path, host: str) -> None:
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _common("Shoal Redis authority")
    authority = (
        _begun(issuer, issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    names = [_name(each) for each in dict.fromkeys((host, *_LOCAL))]
    certificate = (
        _begun(_common("Shoal Redis"), issuer, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / _KEY).write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (folder / _CERTIFICATE).write_bytes(certificate.public_bytes(pem))
    (folder / CA).write_bytes(authority.public_bytes(pem))


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks of hosts differ
        .not_valid_after(now + _LASTS)
    )


def _common(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
