"""An S3 server that hashes what it is sent and forgets it: nothing else in the process could be the bottleneck.

It answers PUT and HEAD of objects and buckets, and multipart uploads; it lists nothing. It checks no signatures.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from hashlib import md5
from typing import Any
from urllib.parse import parse_qsl

import httptools
import uvloop

from kist.asgi.serving import address_of, bind

_MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"
_LISTS = ("ListBucketResult", "ListMultipartUploadsResult")
_XML = '<?xml version="1.0" encoding="UTF-8"?>'


class Objects:
    """What is known of the objects, without their bytes: size and ETag by path."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[int, str]] = {}
        self._parts: dict[str, dict[int, tuple[int, str]]] = {}
        self._numbers = itertools.count(1)

    def answer(self, method: str, path: str, query: Mapping[str, str], size: int, digest: str) -> Answer:
        """Carry out one request whose body had ``size`` bytes with the MD5 ``digest``."""
        parts_id = query.get("uploadId")
        if method == "GET":
            return Answer(200, {}, f"{_XML}<{_LISTS['uploads' in query]}/>")
        if method == "POST" and "uploads" in query:
            return self._start()
        if method == "POST" and parts_id is not None:
            return self._finish(path, parts_id)
        if method == "DELETE":
            self._parts.pop(parts_id or "", None)
            return Answer(204)
        if method == "PUT":
            self._keep(path, query, size, digest)
            return Answer(200, {"etag": f'"{digest}"'})
        return self._show(path)

    def _start(self) -> Answer:
        parts_id = f"parts-{next(self._numbers)}"
        self._parts[parts_id] = {}
        return Answer(
            200,
            {},
            f"{_XML}<InitiateMultipartUploadResult><UploadId>{parts_id}</UploadId></InitiateMultipartUploadResult>",
        )

    def _keep(self, path: str, query: Mapping[str, str], size: int, digest: str) -> None:
        if "uploadId" in query:
            self._parts[query["uploadId"]][int(query["partNumber"])] = (size, digest)
        else:
            self._objects[path] = (size, digest)

    def _finish(self, path: str, parts_id: str) -> Answer:
        parts = [part for _, part in sorted(self._parts.pop(parts_id).items())]
        joined = md5(bytes.fromhex("".join(digest for _, digest in parts))).hexdigest()
        etag = f"{joined}-{len(parts)}"
        self._objects[path] = (sum(size for size, _ in parts), etag)
        return Answer(
            200,
            {},
            f"{_XML}<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>",
        )

    def _show(self, path: str) -> Answer:
        found = self._objects.get(path)
        if found is None:
            return Answer(404)
        return Answer(200, {"etag": f'"{found[1]}"', "last-modified": _MODIFIED, "content-length": str(found[0])})


class Answer:
    """Status, headers and text. A Content-Length among the headers stands (HEAD)."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None, text: str = "") -> None:
        self._status = status
        self._headers = {"content-length": str(len(text)), **(headers or {})}
        self._text = text

    def bytes(self) -> bytes:
        lines = [f"HTTP/1.1 {self._status} Stub", *map(": ".join, self._headers.items()), "", self._text]
        return "\r\n".join(lines).encode()


class Connection(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._target = b""
        self._digest = md5()
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target, self._digest, self._size = b"", md5(), 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"expect":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._digest.update(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        path, _, query = self._target.decode("ascii").partition("?")
        fields = dict(parse_qsl(query, keep_blank_values=True))
        method = self._parser.get_method().decode("ascii")
        answer = self._objects.answer(method, path, fields, self._size, self._digest.hexdigest())
        self._transport.write(answer.bytes())


async def main() -> None:
    listener, objects = bind("127.0.0.1", 0), Objects()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(objects), sock=listener)
    print(json.dumps({"url": address_of(listener)}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
