"""One request to S3: addressed, signed, sent, tried again where that is right, its refusal translated."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from hashlib import md5, sha256
from typing import NamedTuple, TypeVar

from kist.drive import right_here
from kist.errors import KistError, StoreRefused, StoreUnavailable
from kist.ports.system import Clock, Ids
from kist.ports.wiring import Aside
from kist.stores.s3.address import Addresses
from kist.stores.s3.breaker import Breaker
from kist.stores.s3.identity import Identity
from kist.stores.s3.refusals import Refusal, error_in, error_of, meaning
from kist.stores.s3.retry import Backoff, Tries
from kist.stores.s3.settings import S3Settings
from kist.stores.s3.signer import EMPTY, UNSIGNED, encode_query
from kist.stores.s3.transport import Bytes, Request, Response, Transport
from kist.stores.s3.xml import LIMIT

_LARGE = 1 << 20
"""A mebibyte takes two milliseconds to hash."""
_WITHIN = 60.0
"""Seconds that an answer of at most 10 MiB may take from its first byte to its last."""

T = TypeVar("T")

Pairs = tuple[tuple[str, str], ...]


class Ask(NamedTuple):
    """A request in S3's words.

    ``signs_body``: the signature covers the body; else (large bodies) the signed Content-MD5 does.
    ``answer_within``: seconds that the server may think. ``once``: do not try again.
    """

    method: str
    bucket: str = ""
    key: str = ""
    query: Pairs = ()
    headers: Pairs = ()
    body: Bytes | None = None
    signs_body: bool = True
    answer_within: float | None = None
    once: bool = False


class Answer(NamedTuple):
    """A success that was read to its end."""

    headers: Mapping[str, str]
    body: bytes


class Sender:
    """Sends what the operations ask for."""

    def __init__(
        self,
        transport: Transport,
        identity: Identity,
        settings: S3Settings,
        clock: Clock,
        ids: Ids,
        aside: Aside = right_here,
    ) -> None:
        self.addresses = Addresses(settings.endpoint, settings.region, settings.style)
        self.region = settings.region
        self.clock = clock
        self.backoff = Backoff(clock, ids)
        self._patience = settings.patience
        self._upload_patience = settings.upload_patience
        self._transport = transport
        self._identity = identity
        self._breaker = Breaker(clock)
        self._aside = aside
        self._names = settings.names

    async def ask(self, ask: Ask) -> Answer:
        """Send, and read the whole answer; an ``<Error>`` that comes with a success counts as the error it is."""
        answer = await self._tried(ask, self._whole)
        if error_in(answer.body):
            raise self.refused(ask, 200, answer.headers, answer.body)
        return answer

    async def open(self, ask: Ask) -> Response:
        """Send, and leave the body of the answer to be read by the caller, who closes it."""
        return await self._tried(ask, _untouched)

    async def content_md5(self, body: Bytes) -> tuple[str, str]:
        """``content_md5``, of a large body where it holds nobody up."""
        return content_md5(body) if len(body) < _LARGE else await self._aside(content_md5, body)

    async def close(self) -> None:
        await self._transport.close()

    def refused(self, ask: Ask, status: int, headers: Mapping[str, str], body: bytes) -> KistError:
        """The error for an answer that is no success."""
        return error_of(self._refusal(ask, status, headers, body))

    def meaning(self, code: str, ask: Ask) -> KistError:
        """The error for a code that came inside an answer."""
        return meaning(code, self._refusal(ask, 200, {}, b""))

    async def _tried(self, ask: Ask, finish: Callable[[Response], Awaitable[T]]) -> T:
        began = self._breaker.enter()
        tries = None
        while True:
            try:
                if tries is not None:
                    began = self._breaker.enter()
                return await self._sent(ask, finish, began)
            except StoreUnavailable as failure:
                if ask.once:
                    raise
                tries = tries or self._tries(ask, began)
                await tries.again(failure)

    async def _sent(self, ask: Ask, finish: Callable[[Response], Awaitable[T]], began: float) -> T:
        await self._identity.renew()
        try:
            response = await self._transport.send(self._request(ask))
        except StoreUnavailable:
            self._breaker.failed(began)
            raise
        self._breaker.answered()
        try:
            if 200 <= response.status < 300:
                return await finish(response)
            answer = await self._whole(response)
        except BaseException:
            await response.close()
            raise
        raise self.refused(ask, response.status, answer.headers, answer.body)

    def _request(self, ask: Ask) -> Request:
        address = self.addresses.of(ask.bucket, ask.key)
        query = encode_query(ask.query) if ask.query else ""
        payload = EMPTY
        if ask.body is not None:
            payload = sha256(ask.body).hexdigest() if ask.signs_body else UNSIGNED
        headers = self._identity.signer().headers(ask.method, address, query, ask.headers, payload, self.clock.now())
        return Request(ask.method, address.url(query), headers, ask.body, ask.answer_within)

    def _refusal(self, ask: Ask, status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
        now, names = self.clock.now(), self._names
        return Refusal(ask.method, ask.bucket, ask.key, status, headers, body, self.region, now, names)

    async def _whole(self, response: Response) -> Answer:
        """``read_whole``, within a minute: each of its blocks may come in time, and the last one never."""
        until = self.clock.ticks() + _WITHIN
        return await read_whole(response, lambda: self.clock.ticks() < until)

    def _tries(self, ask: Ask, began: float) -> Tries:
        """Who waits to read is told soon; an upload has cost too much to be given up at the first trouble."""
        if ask.body is None:
            return self.backoff.begin(began + self._patience)
        return self.backoff.begin(self.clock.ticks() + self._upload_patience)


async def read_whole(response: Response, goes_on: Callable[[], bool] = lambda: True) -> Answer:
    """The body of an answer that ought to be small; ``StoreRefused`` when it is not.

    ``StoreUnavailable`` when it has not ended although it ``goes_on`` no more.
    """
    body = await response.block()
    if body:
        blocks = [body]
        size = len(body)
        while block := await response.block():
            size += len(block)
            if size > LIMIT:
                await response.close()
                raise StoreRefused("the object store sent an answer of more than 10 MiB: this is no S3 server")
            if not goes_on():
                await response.close()
                raise StoreUnavailable("the object store takes too long over an answer")
            blocks.append(block)
        body = b"".join(blocks)
    await response.close()
    return Answer(response.headers, body)


async def _untouched(response: Response) -> Response:
    return response


def content_md5(body: Bytes) -> tuple[str, str]:
    """The MD5 of a body: in hex, as S3 writes ETags, and in base64, as Content-MD5 wants it."""
    digest = md5(body, usedforsecurity=False).digest()
    return digest.hex(), b64encode(digest).decode()
