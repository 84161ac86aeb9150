"""Load: wrk for many small requests, one plain socket for few large bodies. Both run on the client's core."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.figures import Sample
from bench.machine import CLIENT_CORE, needed, on_core
from bench.programs import Program

MIB = 1 << 20

_SCRIPT = """
local at, requests = 0, {}
function init()
  for line in io.lines("%(targets)s") do
    requests[#requests + 1] = wrk.format("%(method)s", line, nil, %(body)s)
  end
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
function done(summary)
  local e = summary.errors
  print(string.format('{"requests": %%d, "failed": %%d, "microseconds": %%d}', summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, summary.duration))
end
"""


class Load:
    """Calls a server in turn for each of ``targets``, from ``connections`` at once."""

    def __init__(
        self,
        server: Program,
        targets: Sequence[str],
        *,
        connections: int,
        seconds: float,
        body: int | str | None = None,
    ) -> None:
        """``body``: what is posted, JSON or that many bytes; None for GET."""
        needed("wrk")
        self._server = server
        self._targets = targets
        self._connections = connections
        self._seconds = seconds
        self._body = body

    def __call__(self) -> Sample:
        """One round."""
        before = self._server.cpu()
        found = self._run()
        spent = self._server.cpu() - before
        if found["failed"] or not found["requests"]:
            raise SystemExit(f"{self._server.url} failed {found['failed']} of {found['requests']} requests")
        return Sample(found["requests"] / found["microseconds"] * 1e6, spent / found["requests"])

    def _run(self) -> dict[str, int]:
        with tempfile.TemporaryDirectory(prefix="kist-wrk-") as name, on_core(CLIENT_CORE):
            targets, script = Path(name) / "targets", Path(name) / "load.lua"
            targets.write_text("".join(f"{target}\n" for target in self._targets))
            body = {int: f'string.rep("k", {self._body})', str: f"[==[{self._body}]==]"}.get(type(self._body), "nil")
            method = "GET" if self._body is None else "POST"
            script.write_text(_SCRIPT % {"targets": targets, "method": method, "body": body})
            kind = "application/json" if isinstance(self._body, str) else "application/octet-stream"
            headers = {"Content-Type": kind, **self._server.headers}
            given = [word for header in headers.items() for word in ("-H", ": ".join(header))]
            options = ("-t1", f"-c{self._connections}", f"-d{self._seconds:g}s", "--timeout", "30s")
            done = subprocess.run(
                ["wrk", *options, "-s", str(script), *given, self._server.url],
                capture_output=True,
                text=True,
                check=True,
            )
        found: dict[str, int] = json.loads(done.stdout.strip().splitlines()[-1])
        return found


class Line:
    """One kept connection for large bodies: what it costs the client is little beside what it costs the server."""

    def __init__(self, server: Program) -> None:
        self._server = server
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(MIB))

    def close(self) -> None:
        self._socket.close()

    def timed(self, call: Callable[[], int]) -> Sample:
        """One transfer, in MiB; ``call`` returns how many bytes it moved."""
        before, begun = self._server.cpu(), time.perf_counter()
        size = call() / MIB
        spent = time.perf_counter() - begun
        return Sample(size / spent, (self._server.cpu() - before) / size)

    def upload(self, target: str, size: int) -> int:
        """Send ``size`` bytes and wait for the answer."""
        self._ask("POST", target, {"Content-Length": str(size), "Content-Type": "application/octet-stream"})
        block = memoryview(_CONTENT)
        for start in range(0, size, MIB):
            self._socket.sendall(block[: min(MIB, size - start)])
        self._answer()
        return size

    def form(self, target: str, size: int, before: Mapping[str, str], after: Mapping[str, str]) -> int:
        """Send a form: fields, a file of ``size`` bytes, and further fields. Wait for the answer."""
        head = _fields(before) + _FILE_HEAD
        tail = b"\r\n" + _fields(after) + b"--bench--\r\n"
        length, kind = len(head) + size + len(tail), "multipart/form-data; boundary=bench"
        self._ask("POST", target, {"Content-Length": str(length), "Content-Type": kind})
        self._socket.sendall(head)
        block = memoryview(_CONTENT)
        for start in range(0, size, MIB):
            self._socket.sendall(block[: min(MIB, size - start)])
        self._socket.sendall(tail)
        self._answer()
        return size

    def post(self, target: str, text: bytes) -> int:
        """Send JSON, take the answer and throw it away; how many bytes it had."""
        self._ask("POST", target, {"Content-Length": str(len(text)), "Content-Type": "application/json"})
        self._socket.sendall(text)
        return self._answer()

    def download(self, target: str) -> int:
        """Take the answer and throw it away."""
        self._ask("GET", target, {})
        return self._answer()

    def _ask(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        sent = {"Host": "127.0.0.1", **self._server.headers, **headers}
        lines = [f"{method} {target} HTTP/1.1", *map(": ".join, sent.items()), "", ""]
        self._socket.sendall("\r\n".join(lines).encode())

    def _answer(self) -> int:
        """Read one answer to its end; how many bytes its body had."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._received()
        head, _, rest = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        if not status.split(" ", 1)[1].startswith("2"):
            raise SystemExit(f"{self._server.url} answered {status}")
        fields = dict(line.lower().split(": ", 1) for line in lines)
        size = int(fields["content-length"])
        left = size - len(rest)
        while left:
            left -= len(self._received(left))
        return size

    def _received(self, most: int = MIB) -> memoryview:
        count = self._socket.recv_into(self._buffer, min(most, MIB))
        if not count:
            raise SystemExit(f"{self._server.url} hung up")
        return self._buffer[:count]


_CONTENT = os.urandom(MIB)
_FILE_HEAD = (
    b'--bench\r\ncontent-disposition: form-data; name="file"; filename="large.bin"\r\n'
    b"content-type: application/octet-stream\r\n\r\n"
)


def _fields(fields: Mapping[str, str]) -> bytes:
    """Text fields of a form."""
    part = '--bench\r\ncontent-disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    return "".join(part.format(name, value) for name, value in fields.items()).encode()
