"""A client that writes down what it asks and what it is told, for the checker to judge by."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

TIMEOUT = 40.0
BLOCK = 64 * 1024


class Ledger:
    """The log of all clients of one experiment; see ``kist.testing.checker`` for its form."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._count = 0

    def ask(self, verb: str, **about: str) -> int:
        with self._lock:
            self._count += 1
            self._write({"asked": self._count, "verb": verb, **about})
            return self._count

    def done(self, number: int, file_id: str) -> None:
        with self._lock:
            self._write({"done": number, "file": file_id})

    def refused(self, number: int) -> None:
        with self._lock:
            self._write({"refused": number})

    def begin_after(self, number: int) -> None:
        """Number the next request higher than those that a copied log holds."""
        self._count = number

    def _write(self, event: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


@dataclass(frozen=True)
class Answer:
    """What came back. ``whole``: the body did not break off."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class NoAnswer(Exception):
    """The connection was refused or broke off before there was an answer."""


class Client:
    """Asks one server with one key. Each request has a connection of its own. ``pause``: seconds between two blocks of
    what it sends, always in chunks then."""

    def __init__(self, url: str, key: str, ledger: Ledger, *, timeout: float = TIMEOUT, pause: float = 0) -> None:
        self._pause = pause
        self._address = urlsplit(url).netloc
        self._key = key
        self._ledger = ledger
        self._timeout = timeout
        self._connections: set[http.client.HTTPConnection] = set()

    def put(self, name: str, data: bytes, *, chunked: bool = False, repeat: str | None = None) -> Answer | None:
        """Upload a new file; None when there was no answer."""
        number = self._ledger.ask("put", name=name, sha256=sha256(data))
        headers = {} if repeat is None else {"Idempotency-Key": repeat}
        return self._judged(number, None, "POST", f"/v1/files?name={quote(name)}", self._body(data, chunked), headers)

    def replace(self, file_id: str, data: bytes, *, chunked: bool = False) -> Answer | None:
        number = self._ledger.ask("replace", file=file_id, sha256=sha256(data))
        return self._judged(number, file_id, "PUT", f"/v1/files/{file_id}/content", self._body(data, chunked))

    def rename(self, file_id: str, name: str) -> Answer | None:
        number = self._ledger.ask("rename", file=file_id, name=name)
        asked = json.dumps({"name": name}).encode()
        return self._judged(
            number, file_id, "PATCH", f"/v1/files/{file_id}", asked, {"Content-Type": "application/json"}
        )

    def remove(self, file_id: str) -> Answer | None:
        number = self._ledger.ask("remove", file=file_id)
        return self._judged(number, file_id, "DELETE", f"/v1/files/{file_id}")

    def content(self, file_id: str, **headers: str) -> Answer:
        return self.call("GET", f"/v1/files/{file_id}/content", headers=headers)

    def call(
        self, method: str, path: str, sent: bytes | Iterable[bytes] | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request. ``NoAnswer``."""
        connection = http.client.HTTPConnection(self._address, timeout=self._timeout)
        self._connections.add(connection)
        try:
            headers = {"Authorization": f"Bearer {self._key}", **(headers or {})}
            connection.request(method, path, sent, headers, encode_chunked=not isinstance(sent, bytes | None))
            reply = connection.getresponse()
            try:
                data, whole = reply.read(), True
            except http.client.IncompleteRead as broken:
                data, whole = broken.partial, False
            return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, data, whole)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(str(error)) from error
        finally:
            self._connections.discard(connection)
            connection.close()

    def leave(self) -> None:
        """Hang up on what is under way: called from another thread."""
        for connection in tuple(self._connections):
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _body(self, data: bytes, chunked: bool) -> bytes | Iterator[bytes]:
        return body(data, chunked) if not self._pause else paused(data, self._pause)

    def _judged(
        self,
        number: int,
        file_id: str | None,
        method: str,
        path: str,
        sent: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer | None:
        """Ask, and note what the answer promises: a 5xx promises nothing."""
        if not isinstance(sent, bytes | None):
            headers = {**(headers or {}), "Transfer-Encoding": "chunked"}
        try:
            answer = self.call(method, path, sent, headers)
        except NoAnswer:
            return None
        if answer.status < 300 and answer.whole:
            self._ledger.done(number, answer.json["id"] if file_id is None else file_id)
        elif 400 <= answer.status < 500:
            self._ledger.refused(number)
        return answer


def body(data: bytes, chunked: bool) -> bytes | Iterator[bytes]:
    return (data[start : start + BLOCK] for start in range(0, len(data), BLOCK)) if chunked else data


def paused(data: bytes, pause: float) -> Iterator[bytes]:
    for start in range(0, len(data), BLOCK):
        time.sleep(pause)
        yield data[start : start + BLOCK]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
