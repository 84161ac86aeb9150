"""A little S3 server with faults: it believes every signature, and may refuse what a test wants refused."""

from __future__ import annotations

import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Refuses = Callable[[str, str, str], tuple[int, str] | None]
"""Method, path and query of a signed request to a status and an S3 error (its XML fields), None to go on."""


@dataclass
class Stub:
    refuses: Refuses = lambda method, path, query: None
    redirect: str | None = None
    certificate: Path | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    endpoint: str = ""


@contextmanager
def s3_stub(**words: object) -> Iterator[Stub]:
    stub = Stub(**words)  # type: ignore[arg-type]
    server = _QuietServer(("127.0.0.1", 0), type("Answers", (_Answers,), {"stub": stub}))
    stub.endpoint = f"http://127.0.0.1:{server.server_port}"
    if stub.certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(stub.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        stub.endpoint = stub.endpoint.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(folder: Path) -> Path:
    """A certificate for localhost that nobody has signed, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    plain = serialization.NoEncryption()
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return path


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        if self.stub.redirect:
            self._send(301, b"", location=self.stub.redirect)
        elif self.headers.get("authorization") is None:
            self._send(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif refusal := self.stub.refuses(self.command, unquote(parts.path), parts.query):
            self._send(refusal[0], f"<Error>{refusal[1]}</Error>".encode())
        else:
            self._carry_out(unquote(parts.path), parts.query, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

    def _carry_out(self, path: str, query: str, body: bytes) -> None:
        objects = self.stub.objects
        if self.command == "POST":
            for key in re.findall(rb"<Key>(.*?)</Key>", body):
                objects.pop(f"{path.rstrip('/')}/{key.decode()}", None)
            self._send(200, b"<DeleteResult></DeleteResult>")
        elif path.count("/") < 2 or path.endswith("/"):
            self._list(path, query)
        elif self.command == "PUT":
            objects[path] = body
            self._send(200, b"", etag=_etag(body))
        elif self.command == "DELETE":
            objects.pop(path, None)
            self._send(204, b"")
        elif path in objects:
            self._send(200, objects[path], etag=_etag(objects[path]))
        else:
            self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def _list(self, path: str, query: str) -> None:
        bucket = path.strip("/")
        prefix = parse_qs(query).get("prefix", [""])[0]
        keys = sorted(key.removeprefix(f"/{bucket}/") for key in self.stub.objects)
        lines = "".join(
            f"<Contents><Key>{key}</Key><Size>1</Size><ETag>&quot;0&quot;</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in keys
            if key.startswith(prefix)
        )
        self._send(
            200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{lines}</ListBucketResult>".encode()
        )  # fmt: skip

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'
