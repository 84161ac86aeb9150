"""A response of Django's out of a reply. Its body is closed whatever happens, and HEAD never pulls it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from kist.django.host.requests import pass_over
from kist.drive import drive_awaitable, drive_each
from kist.wire.heads import NO_BODY, head_of
from kist.wire.reply import Close, Reply


def response_of(reply: Reply, request: HttpRequest) -> HttpResponseBase:
    """The response that says ``reply``."""
    headers = head_of(reply)
    bodiless = request.method == "HEAD" or reply.status in NO_BODY
    if bodiless or isinstance(reply.body, bytes):
        if reply.close is not None:
            drive_awaitable(reply.close())
        response: HttpResponseBase = HttpResponse(b"" if bodiless else reply.body, status=reply.status)
    else:
        request.META.pop("HTTP_ACCEPT_ENCODING", None)  # GZipMiddleware would press ranges, and take the length away
        streams = _in_threads(reply.body) if isinstance(request, ASGIRequest) else drive_each(reply.body)
        response = StreamingHttpResponse(streams, status=reply.status)
        if reply.close is not None:
            response._resource_closers.append(partial(_close, reply.close))
    if not isinstance(request, ASGIRequest):
        response._resource_closers.append(partial(pass_over, request))
    del response["content-type"]
    for name, value in headers:
        response[name.decode("latin-1")] = value.decode("latin-1")
    return response


async def _in_threads(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pull each block in a thread: the blocks come from code that blocks, and Django would gather a plain iterator."""
    blocks = drive_each(body)
    pull = sync_to_async(partial(next, blocks, None))
    while (block := await pull()) is not None:
        yield block


def _close(close: Close) -> None:
    drive_awaitable(close())
