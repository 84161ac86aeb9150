"""A server that takes whatever comes: it looks at no signature, no policy and no header that is there to bind."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import format_datetime
from hashlib import md5
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.unit.s3.stub import LATELY, Answer, Stub, refused

from kist.stores.s3.transport import Request

_FIELD = re.compile(rb'name="([^"]+)"[^\r]*(?:\r\n[^\r]+)?\r\n\r\n(.*?)\r\n--', re.DOTALL)


class Careless(Stub):
    """Keeps ``objects`` by their path and the ``parts`` of uploads by their id; ``refuse`` may speak before it."""

    def __init__(self, refuse: Callable[[Request], Answer | Exception | None] = lambda request: None) -> None:
        super().__init__()
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.parts: dict[str, tuple[str, bytes]] = {}
        self._begun = 0
        self._refuse = refuse

    async def send(self, request: Request) -> Answer:
        self.asked.append(request)
        said = self._refuse(request)
        if isinstance(said, Exception):
            raise said
        answer = said or self._answer(request)
        answer.headers["date"] = format_datetime(self.clock.now().astimezone(UTC), usegmt=True)
        self.given.append(answer)
        return answer

    def _answer(self, request: Request) -> Answer:
        parts = urlsplit(request.url)
        path, query = unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)
        body = bytes(request.body or b"")
        if request.method == "POST":
            return self._post(path, query, body)
        if request.method == "PUT":
            return self._put(request, path, query, self._source(request, body))
        if request.method == "DELETE":
            gone = self.parts.pop(query["uploadId"][0], None) if "uploadId" in query else self.objects.pop(path, None)
            return Answer(204) if gone is not None else refused(404, "NoSuchUpload")
        if "uploadId" in query:
            return self._listed(query["uploadId"][0])
        if "uploads" in query:
            return self._uploads(path)
        return self._get(request.method, path)

    def _source(self, request: Request, body: bytes) -> bytes:
        source = request.headers.get("x-amz-copy-source") or request.headers.get("x-copy-from")
        return self.objects[unquote(source)][0] if source else body

    def _put(self, request: Request, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        if "uploadId" in query:
            self.parts[query["uploadId"][0]] = (path, body)
        else:
            self.objects[path] = (body, request.headers.get("content-type") or "")
        etag = _etag(body)
        if "x-amz-copy-source" in request.headers:
            return Answer(200, f"<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>".encode(), etag=etag)
        return Answer(200, etag=etag)

    def _post(self, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        if "delete" in query:
            for key in re.findall(rb"<Key>(.*?)</Key>", body):
                self.objects.pop(f"{path}/{key.decode()}", None)
            return Answer(200, b"<DeleteResult></DeleteResult>")
        if "uploads" in query:
            self._begun += 1
            name = f"parts-{self._begun}"
            self.parts[name] = (path, b"")
            told = f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            return Answer(200, told.encode())
        if "uploadId" in query:
            _, joined = self.parts.pop(query["uploadId"][0])
            etag = md5(md5(joined).digest()).hexdigest() + "-1"
            self.objects[path] = (joined, "text/plain")
            return Answer(
                200, f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>".encode()
            )
        fields = {name.decode(): value for name, value in _FIELD.findall(body)}
        kind = fields.get("Content-Type", b"").decode()
        self.objects[f"{path}/{fields['key'].decode()}"] = (fields["file"], kind)
        return Answer(204)

    def _get(self, method: str, path: str) -> Answer:
        if path.count("/") == 1:
            return Answer(200)
        if path not in self.objects:
            return refused(404, "NoSuchKey")
        body, kind = self.objects[path]
        joined = md5(md5(body).digest()).hexdigest() + "-1"
        etag = joined if "/.kist/parts/" in path else _etag(body)
        known: dict[str, Any] = {
            "content_length": str(len(body)),
            "etag": f'"{etag}"',
            "last_modified": LATELY,
            "content_type": kind,
        }
        return Answer(200, body if method == "GET" else b"", **known)

    def _uploads(self, bucket: str) -> Answer:
        uploads = "".join(
            f"<Upload><Key>{path.removeprefix(f'{bucket}/')}</Key><UploadId>{name}</UploadId>"
            "<Initiated>2026-01-01T12:00:00Z</Initiated></Upload>"
            for name, (path, _) in self.parts.items()
        )
        return Answer(200, f"<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>".encode())

    def _listed(self, name: str) -> Answer:
        if name not in self.parts:
            return refused(404, "NoSuchUpload")
        _, body = self.parts[name]
        part = f"<Part><PartNumber>1</PartNumber><ETag>{_etag(body)}</ETag><Size>{len(body)}</Size></Part>"
        return Answer(200, f"<ListPartsResult>{part if body else ''}</ListPartsResult>".encode())


def _etag(body: bytes) -> str:
    return md5(body).hexdigest()
