"""The backend on a running server: the native API over urllib3, which blocks, so each call has a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from types import NoneType
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, SSLError

from kist.cli.answers import refusal
from kist.cli.backend import BLOCK, LOOK, Content, Source
from kist.cli.outcomes import tried
from kist.cli.threads import in_thread
from kist.dialects.native.buckets import BucketList, BucketShape, NewBucket
from kist.dialects.native.links import LinkPage, LinkRow, MadeLinksShape, NewLinks
from kist.dialects.native.shapes import FilePage, FileShape, KeyList, KeyShape, MadeKey, Me, NewKey
from kist.dialects.native.shares import NewShare, ShareList, ShareShape
from kist.dialects.native.sync_steps import StepPage, StepShape
from kist.dialects.native.syncs import JobPage, JobShape, NewSync
from kist.errors import Broken, Invalid, Unavailable
from kist.model.query import MAX_PAGE

CONNECT_SECONDS = 10
ANSWER_SECONDS = 120
"""A server fsyncs large files before it answers."""
CONNECTIONS = 8

T = TypeVar("T")
Answer = urllib3.BaseHTTPResponse


class RemoteKist:
    """See ``Backend``. ``server`` is the address of a Kist, which may lie below a path."""

    def __init__(self, server: str, *, key: str | None, act_as: str | None) -> None:
        """``Invalid`` when ``server`` is no http(s) address."""
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc or parts.query:
            raise Invalid(f"{server!r} is no server: write it like https://files.example.com")
        self._server = server.rstrip("/")
        self._headers = {"accept": "application/json", "user-agent": "kist"}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key}"
        if act_as is not None:
            self._headers["kist-actor"] = act_as
        self._keyed = key is not None
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            blocksize=BLOCK,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
        )

    @property
    def where(self) -> str:
        return self._server

    @property
    def is_local(self) -> bool:
        return False

    async def me(self) -> str:
        return (await self._json("GET", "/v1/me", Me)).id

    async def file(self, file_id: str) -> FileShape:
        return await self._json("GET", _path("files", file_id), FileShape)

    async def files(
        self, *, text: str | None = None, owner: str | None = None, sort: str = "name", limit: int | None = None
    ) -> AsyncIterator[FileShape]:
        asked = {"q": text, "owner": owner, "sort": sort, "limit": str(min(limit or MAX_PAGE, MAX_PAGE))}
        query = {name: value for name, value in asked.items() if value is not None}
        given = 0
        while True:
            page = await self._json("GET", f"/v1/files?{urlencode(query)}", FilePage)
            for file in page.items:
                yield file
                given += 1
                if given == limit:
                    return
            if page.next is None:
                return
            query["cursor"] = page.next

    async def put(self, source: Source) -> FileShape:
        return await self._send(
            "POST", f"/v1/files?{urlencode({'name': source.name})}", source, {"idempotency-key": source.repeat_key}
        )

    async def replace(self, file: FileShape, source: Source) -> FileShape:
        return await self._send("PUT", _path("files", file.id, "content"), source, {"if-match": f'"{file.etag}"'})

    async def open(self, file: FileShape, start: int = 0) -> Content:
        headers = {"if-match": f'"{file.etag}"', "accept-encoding": "identity"}
        if start:
            headers["range"] = f"bytes={start}-"
        answer = await self._call("GET", _path("files", file.id, "content"), headers=headers)
        if answer.status == 206 and not answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
            answer.close()
            raise Broken("the server sent another range than was asked for")
        return Content(start if answer.status == 206 else 0, self._body(answer))

    async def rename(self, file_id: str, name: str) -> FileShape:
        return await self._json("PATCH", _path("files", file_id), FileShape, {"name": name})

    async def remove(self, file_id: str) -> None:
        await self._json("DELETE", _path("files", file_id), NoneType)

    async def keys(self) -> tuple[KeyShape, ...]:
        return (await self._json("GET", "/v1/keys", KeyList)).items

    async def make_key(self, actor: str, *, admin: bool, label: str, expires_at: datetime | None) -> MadeKey:
        wanted = NewKey(actor, "admin" if admin else "user", label, expires_at)
        return await self._json("POST", "/v1/keys", MadeKey, msgspec.to_builtins(wanted))

    async def revoke_key(self, key_id: str) -> None:
        await self._json("DELETE", _path("keys", key_id), NoneType)

    async def shares(self, file_id: str) -> tuple[ShareShape, ...]:
        return (await self._json("GET", _path("files", file_id, "shares"), ShareList)).items

    async def share(self, file_id: str, actor: str, wanted: NewShare) -> ShareShape:
        path = _path("files", file_id, "shares", actor)
        return await self._json("PUT", path, ShareShape, msgspec.to_builtins(wanted))

    async def withdraw(self, file_id: str, actor: str) -> None:
        await self._json("DELETE", _path("files", file_id, "shares", actor), NoneType)

    async def make_links(self, wanted: NewLinks) -> MadeLinksShape:
        return await self._json("POST", "/v1/links", MadeLinksShape, msgspec.to_builtins(wanted))

    async def links(self) -> tuple[LinkRow, ...]:
        return (await self._json("GET", f"/v1/links?limit={MAX_PAGE}", LinkPage)).items

    async def revoke_link(self, link_id: str) -> None:
        await self._json("DELETE", _path("links", link_id), NoneType)

    async def buckets(self) -> tuple[BucketShape, ...]:
        return (await self._json("GET", "/v1/buckets", BucketList)).items

    async def make_bucket(self, wanted: NewBucket) -> BucketShape:
        return await self._json("POST", "/v1/buckets", BucketShape, msgspec.to_builtins(wanted))

    async def drop_bucket(self, name: str) -> None:
        confirmed = urlencode({"confirm": name})
        await self._json("DELETE", f"{_path('buckets', name)}?{confirmed}", NoneType)

    async def sync(self, wanted: NewSync) -> JobShape:
        return await self._json("POST", "/v1/syncs", JobShape, msgspec.to_builtins(wanted))

    async def undo_job(self, job: str) -> JobShape:
        return await self._json("POST", _path("syncs", job, "undo"), JobShape)

    async def confirm_job(self, job: str, plan: str | None = None) -> JobShape:
        return await self._json("POST", _path("syncs", job, "confirm"), JobShape, {"plan": plan})

    async def cancel_job(self, job: str) -> JobShape:
        return await self._json("POST", _path("syncs", job, "cancel"), JobShape)

    async def resume_job(self, job: str) -> JobShape:
        return await self._json("POST", _path("syncs", job, "resume"), JobShape)

    async def job(self, job: str) -> JobShape:
        return await self._json("GET", _path("syncs", job), JobShape)

    async def jobs(self) -> AsyncIterator[JobShape]:
        query = {"limit": str(MAX_PAGE)}
        while True:
            page = await self._json("GET", f"/v1/syncs?{urlencode(query)}", JobPage)
            for job in page.items:
                yield job
            if page.next is None:
                return
            query["cursor"] = page.next

    async def steps(self, job: str) -> AsyncIterator[StepShape]:
        query = {"limit": str(MAX_PAGE)}
        while True:
            page = await self._json("GET", f"{_path('syncs', job, 'files')}?{urlencode(query)}", StepPage)
            for step in page.items:
                yield step
            if page.next is None:
                return
            query["cursor"] = page.next

    async def follow(self, job: str, told: Callable[[JobShape], None]) -> JobShape:
        while True:
            seen = await tried(lambda: self.job(job))
            if not seen.state.wants_worker:
                return seen
            told(seen)
            await asyncio.sleep(LOOK)

    async def close(self) -> None:
        self._pool.clear()

    async def _json(self, method: str, path: str, kind: type[T], body: Any = None) -> T:
        headers = {} if body is None else {"content-type": "application/json"}
        sent = None if body is None else msgspec.json.encode(body)
        answer = await self._call(method, path, headers=headers, body=sent)
        return await in_thread(lambda: self._decoded(answer, kind))

    async def _send(self, method: str, path: str, source: Source, headers: Mapping[str, str]) -> FileShape:
        length = {} if source.size is None else {"content-length": str(source.size)}
        headers = {**headers, **length, "content-type": source.type}
        answer = await self._call(method, path, headers=headers, body=source.blocks())
        return await in_thread(lambda: self._decoded(answer, FileShape))

    async def _call(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None = None
    ) -> Answer:
        """The answer with its body unread, once it is known to be a success."""
        return await in_thread(lambda: self._ask(method, path, {**self._headers, **headers}, body))

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes | Iterable[bytes] | None) -> Answer:
        """In a thread."""
        try:
            answer = self._pool.request(
                method,
                self._server + path,
                headers=headers,
                body=body,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except HTTPError as error:
            raise self._unreachable(error) from error
        if not 200 <= answer.status < 300:
            raise refusal(answer.status, answer.headers, self._read(answer), keyed=self._keyed)
        return answer

    def _read(self, answer: Answer) -> bytes:
        """In a thread."""
        try:
            return answer.read()
        except HTTPError as error:
            raise _broken_off() from error

    def _decoded(self, answer: Answer, kind: type[T]) -> T:
        """In a thread."""
        body = self._read(answer)
        try:
            return msgspec.json.decode(body or b"null", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Broken(f"what answers at {self._server} is no Kist: check --server") from error

    async def _body(self, answer: Answer) -> AsyncIterator[bytes]:
        def block() -> bytes:
            try:
                return answer.read(BLOCK)
            except HTTPError as error:
                raise _broken_off() from error

        try:
            while data := await in_thread(block):
                yield data
        finally:
            answer.close()

    def _unreachable(self, error: HTTPError) -> Exception:
        reason = error.reason if isinstance(error, MaxRetryError) else error
        if isinstance(reason, SSLError):
            return Broken(f"the certificate of {self._server} is not trusted: {reason}")
        if isinstance(reason, NewConnectionError):
            return Unavailable(f"nothing answers at {self._server}: is the server running, is the address right?")
        return Unavailable(f"{self._server} did not answer: try again later")


def _broken_off() -> Unavailable:
    return Unavailable("the connection broke off before the end: try again")


def _path(*segments: str) -> str:
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)
