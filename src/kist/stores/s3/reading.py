"""Open, head: what an object is and what it holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from kist.errors import BadRange, BucketMissing, Missing, ObjectMissing, Stale, StoreRefused, StoreUnavailable
from kist.model.content import Condition, Opened, Span, Stored
from kist.model.place import Place
from kist.stores.s3.sender import Ask, Sender
from kist.stores.s3.transport import Response


async def head_object(sender: Sender, place: Place) -> Stored:
    """What is known of an object. ``ObjectMissing``, also when there is no such bucket."""
    try:
        answer = await sender.ask(Ask("HEAD", place.bucket, place.key))
    except Missing as error:
        raise _absent(place) from error
    return stored(place, answer.headers, _length(answer.headers))


async def find_object(sender: Sender, place: Place) -> Stored | None:
    """``head_object``, None when it is absent."""
    try:
        return await head_object(sender, place)
    except ObjectMissing:
        return None


async def open_object(sender: Sender, place: Place, span: Span | None, only_if: Condition | None) -> Opened:
    """Open an object or a span of it; see the port."""
    try:
        response = await sender.open(_ask(place, span, only_if.etag if only_if is not None else None))
    except BucketMissing as error:
        raise _absent(place) from error
    except BadRange as error:
        if "size" in error.about:
            raise
        raise BadRange(error.message, size=(await head_object(sender, place)).size) from error
    try:
        size = _full_size(response, span)
        found = stored(place, response.headers, size)
    except BaseException:
        await response.close()
        raise
    reading = _Reading(sender, found, span or Span(0, size) if size else None, response)
    return Opened(found, span, reading, reading.close)


def stored(place: Place, headers: Mapping[str, str], size: int) -> Stored:
    """What the headers of an answer say of an object."""
    try:
        modified = parsedate_to_datetime(headers.get("last-modified", "")).astimezone(UTC)
    except ValueError as error:
        raise StoreRefused("the object store left out when the object was modified") from error
    return Stored(
        place=place,
        size=size,
        etag=unquoted(headers.get("etag", "")),
        modified=modified,
        type=headers.get("content-type"),
    )


def unquoted(etag: str) -> str:
    """An ETag as Kist keeps it. Ceph leaves out the quotes in some answers, so nothing may hang on them."""
    return etag.removeprefix("W/").strip('"')


class _Reading:
    """The body of an object. When the connection breaks off, goes on from there, if the object is still the same."""

    _LOSSES = 3

    def __init__(self, sender: Sender, found: Stored, span: Span | None, response: Response) -> None:
        self._sender = sender
        self._found = found
        self._at = span.start if span is not None else 0
        self._stop = span.stop if span is not None else 0
        self._response = response
        self._losses = 0
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while self._at < self._stop:
            block = await self._block()
            if block:
                self._at += len(block)
                if self._at > self._stop:
                    raise StoreRefused("the object store sent more bytes than it announced")
                return block
        await self.close()
        raise StopAsyncIteration

    async def close(self) -> None:
        self._closed = True
        await self._response.close()

    async def _block(self) -> bytes:
        try:
            block = await self._response.block()
            if block:
                return block
            raise StoreUnavailable("the object store broke off in the middle of the content")
        except StoreUnavailable:
            await self._response.close()
            self._losses += 1
            if self._losses > self._LOSSES or self._closed or not self._found.etag:
                raise
        await self._resume()
        return b""

    async def _resume(self) -> None:
        rest = Span(self._at, self._stop)
        try:
            response = await self._sender.open(_ask(self._found.place, rest, self._found.etag))
        except (Stale, Missing, BadRange) as error:
            raise StoreUnavailable("the object was replaced or removed while it was read") from error
        self._response = response
        headers = response.headers
        if response.status != 206 or unquoted(headers.get("etag", "")) != self._found.etag:
            await response.close()
            raise StoreUnavailable("the object store could not go on where it broke off")
        _full_size(response, rest)


def _ask(place: Place, span: Span | None, etag: str | None) -> Ask:
    headers: tuple[tuple[str, str], ...] = ()
    if span is not None:
        headers += (("range", f"bytes={span.start}-{span.stop - 1}"),)
    if etag is not None:
        headers += (("if-match", f'"{etag}"'),)
    return Ask("GET", place.bucket, place.key, headers=headers)


def _full_size(response: Response, span: Span | None) -> int:
    """The size of the whole object; raises unless exactly the asked bytes are coming."""
    length = _length(response.headers)
    if span is None:
        return length
    if response.status != 206:
        raise StoreRefused("the object store ignored the range it was asked for")
    unit, _, rest = response.headers.get("content-range", "").partition(" ")
    sent, _, full = rest.partition("/")
    if unit != "bytes" or not (full.isascii() and full.isdigit()):
        raise StoreRefused("the object store did not say which range it sent")
    size = int(full)
    span.within(size)
    if sent != f"{span.start}-{span.stop - 1}" or length != span.length:
        raise StoreRefused("the object store sent another range than the one it was asked for")
    return size


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        raise StoreRefused("the object store did not say how long the object is")
    return int(text)


def _absent(place: Place) -> ObjectMissing:
    return ObjectMissing(f"there is no object at {place.bucket}/{place.key}")
