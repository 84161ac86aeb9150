"""Where the questions are asked: objects of the probe's own, requests as anybody may send them, and a look afterwards.

What a server answers is not believed. A question is passed when the wrong request was refused *and* the main key
sees that nothing has changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from kist.errors import KistError, ObjectMissing, StoreUnavailable
from kist.model.content import PutRules
from kist.model.place import OBJECTS, PARTS, STAGING, Place
from kist.model.profile import HELD
from kist.stores.s3.copying import CopyLimits, copy_object
from kist.stores.s3.multipart import start_parts
from kist.stores.s3.objects import clear_place, erase_objects
from kist.stores.s3.presigning import Presigner
from kist.stores.s3.putting import put_object
from kist.stores.s3.reading import open_object
from kist.stores.s3.refusals import code_in
from kist.stores.s3.sender import Sender, content_md5, read_whole
from kist.stores.s3.transport import Request, Transport

BODY = b"right"
OTHER = b"wrong"
"""As long as ``BODY``."""
TYPE = "text/plain"
PRIVATE = "private"
OWNERS = "bucket-owner-full-control"

_LIFE = timedelta(minutes=5)
_LONG_AGO = timedelta(hours=1)
_TRIES = 3
_PAUSE = 0.3
_ANSWER_WITHIN = 5.0
_DO_NOT_TELL = (408, 429)
_NOT_DONE = 501

Pairs = Sequence[tuple[str, str]]


class Reply(NamedTuple):
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def tells(self) -> bool:
        """Whether it says what the server holds to, as overload and errors of its own do not."""
        return self.status not in _DO_NOT_TELL and (self.status < 500 or self.status == _NOT_DONE)

    @property
    def refused(self) -> bool:
        return self.status >= 400 and self.tells

    @property
    def words(self) -> str:
        return f"{self.status} {code_in(self.body)}".strip()


class Scene:
    """One probe of one bucket. ``victim`` is an object that no ticket may reach; ``secret`` are its bytes."""

    def __init__(self, bucket: str, tag: str, sender: Sender, presigner: Presigner, transport: Transport) -> None:
        self.bucket = bucket
        self.sender = sender
        self.presigner = presigner
        self.acl = PRIVATE
        self.secret = f"the bytes of another object, {tag}".encode()
        self._tag = tag
        self._transport = transport
        self._places: list[Place] = []
        self._uploads: list[Place] = []
        self.victim = self.place("", OBJECTS)

    @property
    def now(self) -> datetime:
        return self.sender.clock.now()

    @property
    def long_ago(self) -> datetime:
        """A moment as of which everything that is signed has expired by now."""
        return self.now - _LONG_AGO

    def place(self, name: str, under: str = STAGING) -> Place:
        """A place for one question; whatever comes to be there is removed in the end."""
        place = Place(self.bucket, f"{under}probe-{self._tag}{name and '/'}{name}")
        self._places.append(place)
        return place

    def ticket(self, place: Place, body: bytes = BODY, more: Pairs = (), since: datetime | None = None) -> Request:
        """A put as the holder of a ticket sends it."""
        headers = (
            ("content-length", str(len(body))),
            ("content-type", TYPE),
            ("content-md5", content_md5(body)[1]),
            ("x-amz-acl", self.acl),
        )
        return self.signed("PUT", place, (*headers, *more), body, since=since)

    def part_ticket(self, place: Place, parts_id: str, body: bytes = BODY) -> Request:
        """Part 1 as the holder of a ticket sends it."""
        query = (("partNumber", "1"), ("uploadId", parts_id))
        return self.signed("PUT", place, (("content-length", str(len(body))),), body, query=query)

    def signed(
        self,
        method: str,
        place: Place,
        headers: Pairs = (),
        body: bytes | None = None,
        *,
        query: Pairs = (),
        since: datetime | None = None,
    ) -> Request:
        """A presigned request with exactly the headers that were signed."""
        made = self.presigner.request(method, place, _LIFE, headers=headers, query=query, since=since)
        return Request(method, made.url, dict(headers), body, _ANSWER_WITHIN)

    def plain(self, method: str, place: Place | None = None, headers: Pairs = ()) -> Request:
        """A request without any signature, for the bucket when no place is named."""
        key = place.key if place is not None else ""
        return Request(method, self.presigner.addresses.of(self.bucket, key).url(), dict(headers), None, _ANSWER_WITHIN)

    async def send(self, request: Request) -> Reply:
        """Send as it is. What does not tell (a broken connection, an overload) is asked again, then given back."""
        for _ in range(_TRIES - 1):
            try:
                reply = await self._send(request)
            except StoreUnavailable:
                pass
            else:
                if reply.tells:
                    return reply
            await self.sender.clock.pause(_PAUSE)
        return await self._send(request)

    async def refuses(self, place: Place, *attempts: tuple[str, Request]) -> str:
        """``HELD`` when each request is refused and nothing is at ``place`` afterwards."""
        for name, request in attempts:
            reply = await self.send(request)
            if not reply.refused:
                return f"{name}: {unclear(reply)}"
        return HELD if await self.look(place) is None else "refused, but kept all the same"

    async def look(self, place: Place) -> bytes | None:
        """The bytes that the main key reads at ``place``, None when there is nothing."""
        try:
            opened = await open_object(self.sender, place, None, None)
        except ObjectMissing:
            return None
        try:
            return b"".join([block async for block in opened.body])
        finally:
            await opened.close()

    async def write(self, place: Place, body: bytes) -> None:
        """Put by the main key."""
        await put_object(self.sender, place, _once(body), PutRules(type=TYPE, size=len(body)))

    async def copy(self, source: Place, target: Place) -> None:
        """Copy by the main key, as sealing does."""
        await copy_object(self.sender, source, target, PutRules(type=TYPE), CopyLimits())

    async def erase(self, *places: Place) -> None:
        """Erase by the main key."""
        await erase_objects(self.sender, places)

    async def start_parts(self, name: str) -> tuple[Place, str]:
        """A multipart upload of the main key's; it is dropped in the end."""
        place = self.place(name, PARTS)
        self._uploads.append(place)
        return place, await start_parts(self.sender, place, PutRules(type=TYPE))

    async def clean(self) -> str:
        """Remove all that may be there; "", or what could not be removed and why."""
        trouble = ""
        try:
            await self.erase(*self._places)
        except KistError as error:
            trouble = f"objects cannot be removed again: {error.message}"
        for place in self._uploads:
            try:
                await clear_place(self.sender, place)
            except KistError as error:
                trouble = f"parts cannot be removed again: {error.message}"
        return trouble

    async def _send(self, request: Request) -> Reply:
        response = await self._transport.send(request)
        try:
            answer = await read_whole(response)
        finally:
            await response.close()
        return Reply(response.status, answer.headers, answer.body)


def unclear(reply: Reply) -> str:
    """What to say of an answer that ought to have been a refusal."""
    return f"not enforced: {reply.words}" if reply.taken else f"no clear answer: {reply.words}"


def altered(request: Request, body: bytes | None = None, headers: Mapping[str, str | None] = {}) -> Request:
    """The same with another body, and with other headers, more of them, or (None) less."""
    changed = {**request.headers, **headers}
    kept = {name: value for name, value in changed.items() if value is not None}
    return request._replace(headers=kept, body=request.body if body is None else body)


def forged(signature: str) -> str:
    """The same text with another last hexadecimal digit."""
    return signature[:-1] + ("1" if signature.endswith("0") else "0")


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
