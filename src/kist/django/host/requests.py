"""A call out of a request of Django's. Its body is not touched before a handler asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, RawPostDataException, UnreadablePostError

from kist.django.host.forms import form_again
from kist.errors import Incomplete, Invalid
from kist.wire.body import Body, Pull
from kist.wire.call import Call, Headers, Query

BLOCK = 256 << 10
MOST_PASSED_OVER = 1 << 20
NO_LENGTH = "send the body with its Content-Length: behind WSGI a body without one is lost"


def read_call(request: HttpRequest, params: dict[str, str], base_url: str) -> Call:
    """The call that ``request`` is."""
    return Call(
        method=request.method or "GET",
        path=request.path,
        params=params,
        query=Query(request.META.get("QUERY_STRING", "").encode("latin-1")),
        headers=_headers(request),
        address=request.META.get("REMOTE_ADDR", ""),
        base_url=base_url,
    )


def give_body(call: Call, request: HttpRequest) -> None:
    """Let the call have the body of the request: as it comes, or put together again where Django has taken it apart."""
    again = form_again(request)
    if again is None:
        call.body = Body(_pull(request), call.body.length, call.body.limit)
        return
    call.headers = Headers([*_without_type(call.headers), (b"content-type", again.type.encode("latin-1"))])
    call.body = Body(_pull_from(again.blocks()), again.size, call.body.limit)


def pass_over(request: HttpRequest) -> None:
    """Read what is left of the body of a request that is answered already, unless it was large: gunicorn ends a
    connection on which more than a little is left, and whoever sends the next request on it is told nothing."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdigit() and int(length) <= MOST_PASSED_OVER):
        return
    with suppress(UnreadablePostError, RawPostDataException):
        while request.read(BLOCK):
            pass


def loses_length(request: HttpRequest) -> bool:
    """Whether WSGI would hand over an empty body for one that comes in chunks."""
    if isinstance(request, ASGIRequest):
        return False
    return "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH")


def _headers(request: HttpRequest) -> Headers:
    pairs = []
    for name, value in request.headers.items():
        if value or name.lower() not in ("content-type", "content-length"):  # WSGI has them empty where none came
            pairs.append((name.lower().encode("latin-1"), _raw(value)))
    return Headers(pairs)


def _raw(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return quote(value).encode("ascii")


def _without_type(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    for name in headers.names():
        if name not in ("content-type", "content-length"):
            for value in headers.all(name):
                yield name.encode("latin-1"), value.encode("latin-1")


def _pull(request: HttpRequest) -> Pull:
    async def pull() -> bytes:
        try:
            block: bytes = request.read(BLOCK)
        except UnreadablePostError as error:
            raise Incomplete("the sender left before the end of the body, or was too slow") from error
        except RequestDataTooBig as error:
            raise Invalid("the body is larger than DATA_UPLOAD_MAX_MEMORY_SIZE") from error
        return block

    return pull


def _pull_from(blocks: Iterator[bytes]) -> Pull:
    async def pull() -> bytes:
        return next((block for block in blocks if block), b"")

    return pull
