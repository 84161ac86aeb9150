"""Put: a body of any length in bounded memory, as one request or as parts."""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import suppress

from kist.errors import AlreadyThere, Corrupt, Incomplete, KistError, Stale, TooLarge
from kist.model.content import PartRef, PutRules, Stored
from kist.model.place import Place
from kist.model.signatures import MAX_PARTS
from kist.stores.s3.multipart import (
    checked_etag,
    drop_parts,
    finish_parts,
    kept_headers,
    put_part,
    start_parts,
    type_header,
)
from kist.stores.s3.reading import find_object, head_object
from kist.stores.s3.sender import Ask, Sender
from kist.stores.s3.transport import Bytes

PART = 8 * 1024 * 1024
_DOUBLED_EVERY = 1000
_THERE = "there is an object at this place already"


async def put_object(sender: Sender, place: Place, body: AsyncIterable[bytes], rules: PutRules) -> Stored:
    """Store a body whole or not at all; see the port."""
    type_header(rules)
    blocks = Blocks(body, rules.size)
    await blocks.fill(PART)
    if blocks.ended:
        return await _put_whole(sender, place, blocks.take(), rules)
    parts_id = await start_parts(sender, place, rules)
    try:
        parts = await _put_parts(sender, place, parts_id, blocks)
        if rules.only_new and await find_object(sender, place) is not None:
            raise AlreadyThere(_THERE)
        return await finish_parts(sender, place, parts_id, parts)
    except BaseException:
        # Where even this fails, ``clear`` finds what is left.
        with suppress(KistError):
            await drop_parts(sender, place, parts_id)
        raise


def part_size(number: int) -> int:
    """8 MiB, doubled every 1,000 parts: small bodies need little memory, and 10,000 parts hold more than 5 TiB."""
    return PART << ((number - 1) // _DOUBLED_EVERY)


class Blocks:
    """Cuts a body into blocks of the sizes asked for: ``fill``, then ``take``.

    Two steps, so that only the one who sends a block holds it, and it is gone before the next one is filled.
    """

    def __init__(self, body: AsyncIterable[bytes], size: int | None) -> None:
        self._chunks = body.__aiter__()
        self._declared = size
        self._came = 0
        self._block: Bytes = b""
        self._rest: Bytes = b""
        self.ended = False

    def take(self) -> Bytes:
        """The block that was filled."""
        block, self._block = self._block, b""
        return block

    async def fill(self, size: int) -> None:
        """Gather the next ``size`` bytes, fewer only where the body ends; ``ended`` then tells whether it has.

        ``Incomplete`` as soon as it is known that the body is not as long as declared.
        """
        block, self._rest = self._rest, b""
        if not block:
            block = await self._next()
        if len(block) < size and not self.ended:
            block = await self._gathered(block, size)
        if len(block) > size:
            self._rest = memoryview(block)[size:]
            block = memoryview(block)[:size]
        elif not self._rest and not self.ended:
            self._rest = await self._next()
        self._block = block

    async def _gathered(self, block: Bytes, size: int) -> Bytes:
        chunk = await self._next()
        if not chunk:
            return block
        # One buffer that grows: chunks may be of any size, so a list of them could be far larger than what they hold.
        buffer = bytearray(block)
        while chunk:
            room = size - len(buffer)
            if len(chunk) > room:
                buffer += memoryview(chunk)[:room]
                self._rest = memoryview(chunk)[room:]
                return buffer
            buffer += chunk
            if len(buffer) == size:
                return buffer
            chunk = await self._next()
        return buffer

    async def _next(self) -> bytes:
        """The next bytes of the body that are not empty; empty at its end."""
        try:
            while not (chunk := await anext(self._chunks)):
                pass
        except StopAsyncIteration:
            self.ended = True
            self._check(over=False)
            return b""
        self._came += len(chunk)
        self._check(over=True)
        return chunk

    def _check(self, *, over: bool) -> None:
        if self._declared is None or (self._came <= self._declared if over else self._came == self._declared):
            return
        more = "more than" if over else "only"
        came = self._declared if over else self._came
        raise Incomplete(f"{self._declared} bytes were declared, {more} {came} came")


async def _put_whole(sender: Sender, place: Place, body: Bytes, rules: PutRules) -> Stored:
    digest, encoded = await sender.content_md5(body)
    headers = (("content-md5", encoded), *kept_headers(rules))
    if rules.only_new:
        headers = (*headers, ("if-none-match", "*"))
    try:
        answer = await sender.ask(Ask("PUT", place.bucket, place.key, (), headers, body, signs_body=False))
    except Stale as error:  # what is there may be what an earlier try of this very request has put
        raise AlreadyThere(_THERE) from error
    etag = checked_etag(answer.headers, digest)
    if not etag:
        return await _seen(sender, place, len(body), digest)
    modified = sender.clock.now().replace(microsecond=0)  # S3 keeps whole seconds, and does not say them here
    return Stored(place=place, size=len(body), etag=etag, modified=modified, type=rules.type)


async def _seen(sender: Sender, place: Place, size: int, digest: str) -> Stored:
    """A success without an ETag proves nothing: look at the object."""
    found = await head_object(sender, place)
    checked_etag({"etag": found.etag}, digest)
    if found.size != size:
        raise Corrupt(f"the object store keeps {found.size} bytes where {size} were sent")
    return found


async def _put_parts(sender: Sender, place: Place, parts_id: str, blocks: Blocks) -> list[PartRef]:
    parts = [await put_part(sender, place, parts_id, 1, blocks.take())]
    while not blocks.ended:
        number = len(parts) + 1
        if number > MAX_PARTS:
            raise TooLarge("an S3 object has at most 10,000 parts")
        await blocks.fill(part_size(number))
        parts.append(await put_part(sender, place, parts_id, number, blocks.take()))
    return parts
