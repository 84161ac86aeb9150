"""Both networks, against a server of plain sockets that misbehaves as told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kist.errors import KistError, StoreRefused, StoreUnavailable
from kist.stores.s3 import transport_async, transport_blocking
from kist.stores.s3.transport import PIECE, Request, Transport
from kist.stores.s3.transport_async import AsyncTransport
from kist.stores.s3.transport_blocking import BlockingTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: e\r\n\r\nhello"
Script = Callable[[socket.socket, int], None]


class Server:
    """Runs one script per connection; ``connections`` counts them, ``heard`` keeps what came."""

    def __init__(self, script: Script) -> None:
        self.connections = 0
        self.heard = b""
        self._script = script
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/bucket/a%20b"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def hear(self, connection: socket.socket, until: bytes = b"\r\n\r\n") -> bytes:
        heard = b""
        while until not in heard:
            block = connection.recv(65536)
            if not block:
                break
            heard += block
        self.heard += heard
        return heard

    def close(self) -> None:
        # Closing alone does not wake a thread that waits in accept.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connection, self.connections)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            connection.settimeout(60)
            try:
                self._script(connection, number)
            except OSError:
                return


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Server]]:
    servers: list[Server] = []

    def begin(script: Script) -> Server:
        servers.append(Server(script))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


class Both:
    """A transport of either colour, called from the test without caring which."""

    def __init__(self, make: Callable[..., Transport]) -> None:
        self._make = make

    def talk(self, *requests: Request, read_timeout: float = 30.0) -> list[tuple[int, Any, bytes]]:
        """The answers, read to their ends, one after the other over one transport."""

        async def talk() -> list[tuple[int, Any, bytes]]:
            transport = self._make(connect_timeout=30.0, read_timeout=read_timeout)
            try:
                return [await self._one(transport, request) for request in requests]
            finally:
                await transport.close()

        return asyncio.run(talk())

    async def _one(self, transport: Transport, request: Request) -> tuple[int, Any, bytes]:
        response = await transport.send(request)
        body = b""
        try:
            while block := await response.block():
                body += block
        finally:
            await response.close()
            await response.close()
        return response.status, response.headers, body

    def fails(self, request: Request, **how: Any) -> KistError:
        with pytest.raises(KistError) as caught:
            self.talk(request, **how)
        return caught.value


@pytest.fixture(params=[AsyncTransport, BlockingTransport])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.param)


def get(server: Server) -> Request:
    return Request("GET", server.url, {"x-amz-date": "now"})


def test_an_answer(both: Both, serve: Any) -> None:
    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection)
        connection.sendall(OK)

    server = serve(script)
    status, headers, body = both.talk(get(server))[0]
    assert (status, headers.get("etag"), headers.get("content-length"), body) == (200, "e", "5", b"hello")
    head = server.heard.lower()
    assert head.startswith(b"get /bucket/a%20b http/1.1\r\n")
    assert b"host: 127.0.0.1:" in head
    assert b"x-amz-date: now" in head
    assert b"accept-encoding: gzip" not in head


def test_connections_are_kept(both: Both, serve: Any) -> None:
    def script(connection: socket.socket, number: int) -> None:
        while server.hear(connection):
            connection.sendall(OK)

    server = serve(script)
    assert [body for _, _, body in both.talk(*[get(server)] * 4)] == [b"hello"] * 4
    assert server.connections == 1


def test_a_connection_that_was_closed_meanwhile(both: Both, serve: Any) -> None:
    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection)
        connection.sendall(OK)

    server = serve(script)
    outcomes = [both.talk(get(server))[0][2] for _ in range(2)]
    assert outcomes == [b"hello"] * 2


@pytest.mark.parametrize("size", [0, 5, PIECE, PIECE + 1, 3 * PIECE + 7])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bodies_are_sent_with_their_length(both: Both, serve: Any, size: int, kind: type) -> None:
    data = bytes(number % 251 for number in range(size))

    def script(connection: socket.socket, number: int) -> None:
        heard = server.hear(connection)
        left = size - len(heard.partition(b"\r\n\r\n")[2])
        while left > 0:
            block = connection.recv(65536)
            server.heard += block
            left -= len(block)
        connection.sendall(OK)

    server = serve(script)
    assert both.talk(Request("PUT", server.url, {}, kind(data)))[0][0] == 200
    head, _, body = server.heard.partition(b"\r\n\r\n")
    assert body == data
    assert f"content-length: {size}".encode() in head.lower()
    assert b"chunked" not in head.lower()


def test_a_body_that_does_not_say_its_length(both: Both, serve: Any) -> None:
    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection, b"0\r\n\r\n")
        connection.sendall(OK)

    server = serve(script)
    assert both.talk(Request("PUT", server.url, {"x-a": "1"}, b"hello", chunked=True))[0][0] == 200
    head, _, body = server.heard.partition(b"\r\n\r\n")
    assert body == b"5\r\nhello\r\n0\r\n\r\n"
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"content-length" not in head.lower()


def test_a_body_is_not_unpacked(both: Both, serve: Any) -> None:
    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection)
        connection.sendall(OK.replace(b"ETag: e", b"Content-Encoding: gzip"))

    server = serve(script)
    assert both.talk(get(server))[0][2] == b"hello"


def test_a_redirect_is_an_answer_like_others(both: Both, serve: Any) -> None:
    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection)
        connection.sendall(b"HTTP/1.1 307 Away\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")

    server = serve(script)
    assert both.talk(get(server))[0][0] == 307
    assert server.connections == 1


def test_nobody_listens(both: Both, dead_port: int) -> None:
    error = both.fails(Request("GET", f"http://127.0.0.1:{dead_port}/", {}))
    assert isinstance(error, StoreUnavailable)


def test_a_name_that_is_none(both: Both) -> None:
    assert isinstance(both.fails(Request("GET", "http://kist.invalid/", {})), StoreUnavailable)


def test_a_server_that_never_answers(both: Both, serve: Any) -> None:
    done = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection)
        done.wait(10)

    server = serve(script)
    assert isinstance(both.fails(get(server), read_timeout=0.2), StoreUnavailable)
    done.set()


def test_a_server_that_never_reads(both: Both, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(transport_blocking, "_STALLED", 0.5)
    monkeypatch.setattr(transport_async, "_STALLED", 2)

    def script(connection: socket.socket, number: int) -> None:
        done.wait(20)

    server = serve(script)
    body = bytes(40_000_000)  # more than what lies in buffers on the way
    assert isinstance(both.fails(Request("PUT", server.url, {}, body), read_timeout=0.2), StoreUnavailable)
    done.set()


def test_an_answer_that_may_take_longer(both: Both, serve: Any) -> None:
    late = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection)
        late.wait(0.6)
        connection.sendall(OK)

    server = serve(script)
    assert both.talk(get(server)._replace(answer_within=30.0), read_timeout=0.2)[0][0] == 200


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", OK[:-2], b"no HTTP at all\r\n\r\n"])
@pytest.mark.parametrize("reset", [True, False])
def test_a_server_that_breaks_off(both: Both, serve: Any, said: bytes, reset: bool) -> None:
    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection)
        connection.sendall(said)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = serve(script)
    assert isinstance(both.fails(get(server)), StoreUnavailable)


def test_a_server_that_stops_in_the_middle(both: Both, serve: Any) -> None:
    done = threading.Event()

    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection)
        connection.sendall(OK[:-2])
        done.wait(10)

    server = serve(script)
    assert isinstance(both.fails(get(server), read_timeout=0.2), StoreUnavailable)
    done.set()


def test_a_reader_that_leaves_in_the_middle(both: Both, serve: Any) -> None:
    def script(connection: socket.socket, number: int) -> None:
        while server.hear(connection):
            connection.sendall(OK.replace(b": 5", b": 5000000") + bytes(1_000_000) if number == 1 else OK)

    server = serve(script)

    async def leave() -> None:
        transport = both._make(connect_timeout=30.0, read_timeout=30.0)
        response = await transport.send(get(server))
        await response.block()
        await response.close()
        assert (await both._one(transport, get(server)))[2] == b"hello"
        await transport.close()

    asyncio.run(leave())
    assert server.connections == 2


def test_no_tls_where_tls_was_asked_for(both: Both, serve: Any) -> None:
    def script(connection: socket.socket, number: int) -> None:
        server.hear(connection, b"\x03")
        connection.sendall(b"HTTP/1.1 400 No\r\n\r\n")

    server = serve(script)
    error = both.fails(Request("GET", server.url.replace("http:", "https:"), {}))
    assert isinstance(error, StoreRefused | StoreUnavailable)


def test_a_certificate_that_nobody_vouches_for(both: Both, serve: Any, tmp_path: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))

    def script(connection: socket.socket, number: int) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.sendall(OK)

    server = serve(script)
    error = both.fails(Request("GET", server.url.replace("http:", "https:"), {}))
    assert isinstance(error, StoreRefused)
    assert "certificate" in error.message


def _self_signed(folder: Any) -> Any:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return path
