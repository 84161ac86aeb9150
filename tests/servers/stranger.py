"""An S3 server on loopback that says what a test wants it to say, and keeps what it was asked."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LISTING = "<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{inner}</ListBucketResult>"


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Said:
    """An answer. ``blocks`` come one after another, for as long as somebody reads."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    blocks: Callable[[], Iterator[bytes]] | None = None


Answers = Callable[[Asked], Said]


@dataclass
class Stranger:
    """``url`` is where it listens; ``asked`` what came, in order."""

    url: str
    asked: list[Asked] = field(default_factory=list)


def listing(*keys: str, size: str = "1", token: str = "", **more: str) -> bytes:
    """A page of objects; with a ``token`` there are more."""
    inner = "".join(
        f"<Contents><Key>{key}</Key><Size>{size}</Size><ETag>&quot;0&quot;</ETag>"
        "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        for key in keys
    )
    if token:
        inner += f"<NextContinuationToken>{token}</NextContinuationToken>"
    return LISTING.format(truncated="true" if token else "false", inner=inner).encode()


def refusing(asked: Asked) -> Said:
    """Every request is refused."""
    return Said(403, b"<Error><Code>AccessDenied</Code></Error>")


@contextmanager
def stranger(
    answers: Answers = refusing, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Stranger]:
    """Answer with ``answers`` for the length of the block. Every connection serves one request."""
    known = Stranger("")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """The tests read what is asked."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, unquote(parts.path), parts.query, headers, body)
            known.asked.append(asked)
            self._say(answers(asked))

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

        def _say(self, said: Said) -> None:
            self.send_response(said.status)
            self.send_header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            if said.blocks is None:
                self.send_header("content-length", str(len(said.body)))
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                for block in said.blocks() if said.blocks is not None else (said.body,):
                    self.wfile.write(block)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up is part of the tests."""

    server = Server((host, port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    known.url = f"http{'s' if tls else ''}://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
