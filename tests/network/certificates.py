"""Certificates for loopback addresses, made for a test: good ones, and each kind of bad one."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    name: str, issuer: str, key: Key, starts: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
    )


@dataclass
class Authority:
    """One that the test's browser knows, once `file` is among its authorities."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        self.certificate = (
            _builder(
                "Test authority",
                "Test authority",
                self.key,
                now - timedelta(days=400),
                now + timedelta(days=400),
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file = self.folder / "authority.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def server(
        self, host: str, *, days: float = 90.5, begun: float = 30, by_itself: bool = False
    ) -> ssl.SSLContext:
        """Return what a server needs for a certificate for `host` that ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        try:
            name: x509.GeneralName = x509.IPAddress(ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        issuer, signing = ("Test authority", self.key) if not by_itself else (host, key)
        made = (
            _builder(host, issuer, key, now - timedelta(days=begun), now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .sign(signing, hashes.SHA256())
        )
        file = self.folder / "server.pem"
        file.write_bytes(
            made.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context
