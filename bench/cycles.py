"""Create, put the bytes where the form says, complete: again and again, over kept connections.

The bytes are laid into the folder of the disk store by hand, so that what is measured are the two calls alone.
"""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.figures import Sample
from bench.machine import CLIENT_CORE, on_core
from bench.programs import Program

BYTES = b"a small file\n"


class Cycles:
    """``connections`` callers at once, each with one upload after another, for some ``seconds``."""

    def __init__(self, server: Program, target: str, bucket: Path, *, connections: int, seconds: float) -> None:
        self._server = server
        self._target = target
        self._bucket = bucket
        self._connections = connections
        self._seconds = seconds

    def __call__(self) -> Sample:
        """One round."""
        before = self._server.cpu()
        begun = time.perf_counter()
        with on_core(CLIENT_CORE), ThreadPoolExecutor(self._connections) as callers:
            done = sum(callers.map(self._call, [begun + self._seconds] * self._connections))
        spent = time.perf_counter() - begun
        return Sample(done / spent, (self._server.cpu() - before) / done)

    def _call(self, until: float) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port)
        done = 0
        while time.perf_counter() < until:
            made = self._post(connection, self._target, json.dumps({"filename": "a.txt"}))
            (self._bucket / made["upload_form"]["fields"]["key"]).write_bytes(BYTES)
            self._post(connection, urlsplit(made["complete_url"]).path, "")
            done += 1
        connection.close()
        return done

    def _post(self, connection: http.client.HTTPConnection, path: str, body: str) -> dict[str, Any]:
        headers = {**self._server.headers, "Content-Type": "application/json"} if body else self._server.headers
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status // 100 != 2:
            raise SystemExit(f"{self._server.url}{path} answered {answer.status}: {said!r}")
        found: dict[str, Any] = json.loads(said)
        return found
