"""Between ASGI messages and our own words: a call out of a scope, a reply into messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.types import Receive, Scope, Send

from kist.errors import Incomplete
from kist.wire.body import Body, Pull
from kist.wire.call import Call, Headers, Query
from kist.wire.heads import NO_BODY, HeaderPairs, head_of
from kist.wire.reply import Reply

KNOWN = "kist.actor"
"""In a scope: whom the application around has recognised. No client can put anything there."""


def read_call(scope: Scope, receive: Receive, params: dict[str, str], base_url: str) -> Call:
    """The call that ``scope`` describes. Its body is not touched."""
    client = scope.get("client")
    headers = Headers(scope["headers"])
    return Call(
        method=scope["method"],
        path=scope["path"],
        params=params,
        query=Query(scope["query_string"]),
        headers=headers,
        address=client[0] if client else "",
        base_url=base_url,
        known=scope.get(KNOWN),
        body=Body(_pull(receive)),
    )


def _pull(receive: Receive) -> Pull:
    more = True

    async def pull() -> bytes:
        nonlocal more
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Incomplete("the sender left before the end of the body, or was too slow")
            more = message.get("more_body", False)
            block: bytes = message.get("body", b"")
            if block:
                return block
        return b""

    return pull


class Sending:
    """One reply on its way. Afterwards ``status`` and ``sent`` say what became of it."""

    __slots__ = ("_send", "sent", "status", "whole")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.sent = 0
        self.whole = False

    async def send(self, reply: Reply, *, head: bool, added: HeaderPairs) -> None:
        """Send ``reply``, with the headers ``added``, and close it. A client that leaves ends it; that is no error."""
        try:
            start, body = _start(reply, added), reply.body
            self.status = reply.status
            await self._send(start)
            if head or reply.status in NO_BODY:
                body = b""
            if isinstance(body, bytes):
                await self._send({"type": "http.response.body", "body": body})
                self.sent = len(body)
            else:
                await self._stream(body)
            self.whole = True
        except OSError:
            return
        finally:
            if reply.close is not None:
                await reply.close()

    async def _stream(self, body: AsyncIterator[bytes]) -> None:
        send = self._send
        async for block in body:
            await send({"type": "http.response.body", "body": block, "more_body": True})
            self.sent += len(block)
        await send({"type": "http.response.body", "body": b""})


def _start(reply: Reply, added: HeaderPairs) -> dict[str, Any]:
    return {"type": "http.response.start", "status": reply.status, "headers": head_of(reply, added)}
