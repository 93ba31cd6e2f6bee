"""A proxy behind which one https address is a registry of ours: for clients whose registry's address is built in."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class FrontDoor:
    """A running proxy; ``certificate`` is the one to trust."""

    url: str
    certificate: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes Python programs go through it."""
        trusted = str(self.certificate)
        return {
            "HTTPS_PROXY": self.url,
            "https_proxy": self.url,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": trusted,
            "SSL_CERT_FILE": trusted,
        }


@contextmanager
def front_door(host: str, port: int, folder: Path) -> Iterator[FrontDoor]:
    """A proxy that takes connections to ``host``, port 443, to ``port`` of this machine, and refuses all others."""
    certificate = _certificate(host, folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        taking = threading.Thread(target=_take, args=(listening, context, f"{host}:443", port), daemon=True)
        taking.start()
        yield FrontDoor(address, certificate)
        listening.shutdown(socket.SHUT_RDWR)
    taking.join(30)


def _take(listening: socket.socket, context: ssl.SSLContext, wanted: str, port: int) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, context, wanted, port), daemon=True).start()


def _serve(client: socket.socket, context: ssl.SSLContext, wanted: str, port: int) -> None:
    with client, suppress(OSError):
        asked = b""
        while b"\r\n\r\n" not in asked:
            part = client.recv(4096)
            if not part:
                return
            asked += part
        method, target, _ = asked.split(b"\r\n")[0].decode("latin-1").split(" ")
        if (method, target) != ("CONNECT", wanted):
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with (
            context.wrap_socket(client, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", port)) as registry,
        ):
            back = threading.Thread(target=_pass_on, args=(registry, inside), daemon=True)
            back.start()
            _pass_on(inside, registry)
            back.join(30)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _certificate(host: str, folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    target = folder / f"{host}.pem"
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    target.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return target
