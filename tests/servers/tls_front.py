"""TLS in front of a server on loopback, as a reverse proxy does it, with certificates of a CA made for the purpose."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0


@dataclass(frozen=True)
class Front:
    """Where the front listens, and the CA that its certificate is judged by."""

    port: int
    ca: Path


def _openssl(folder: Path, *args: str) -> None:
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True, timeout=PATIENCE)


def certify(folder: Path, names: Sequence[str]) -> ssl.SSLContext:
    """A context whose certificate is good for ``names``, of a CA in ``folder`` that nobody else knows."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl(
        folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=throw-away"
    )
    _openssl(folder, "req", "-new", *key, "-keyout", "front.key", "-out", "front.csr", "-subj", "/CN=front")
    alternatives = ",".join(f"DNS:{name}" for name in names)
    (folder / "front.ext").write_text(f"subjectAltName={alternatives}\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "front.ext")
    _openssl(folder, "x509", "-req", "-in", "front.csr", *signing, "-out", "front.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "front.pem", folder / "front.key")
    return context


@contextlib.contextmanager
def tls_front(folder: Path, names: Sequence[str], target: int) -> Iterator[Front]:
    """Pass on to port ``target``, byte by byte, what comes by TLS under one of ``names``."""
    context = certify(folder, names)
    loop = asyncio.new_event_loop()
    ready: list[int] = []
    started, ended = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
        ready.append(server.sockets[0].getsockname()[1])
        started.set()
        async with server:
            await ended.wait()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target)
        with contextlib.suppress(OSError):
            await asyncio.gather(_copy(reader, back), _copy(there, writer))

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert started.wait(PATIENCE)
        yield Front(ready[0], folder / "ca.pem")
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(PATIENCE)
        loop.run_until_complete(_let_go())
        loop.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while block := await source.read(65536):
            target.write(block)
            await target.drain()
    finally:
        target.close()


async def _let_go() -> None:
    """End what is still passed on."""
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0.05)  # transports close in the next rounds of the loop
