"""One route of one dialect as an ASGI application: what every host owes, in order."""

from __future__ import annotations

import logging
import re
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from kist.asgi.admission import Room, Served, UploadSlots
from kist.asgi.cors import Cors
from kist.asgi.logs import AccessLine, write_access, writes_access
from kist.asgi.messages import Sending, read_call
from kist.asgi.options import HostOptions
from kist.model.origin import origin_of
from kist.ports.measures import CountsRequests
from kist.system import SystemClock
from kist.wire import failures
from kist.wire.admission import admit, check_body, declared_length
from kist.wire.call import Call
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Dialect, Route

log = logging.getLogger("kist")
ticks = SystemClock().ticks

_TOKEN_LIKE = re.compile(r"[^/]{40,}")
"""Longer than an id, as long as any token or key."""


class Ground:
    """What all endpoints of one application share."""

    def __init__(self, kist: Served, options: HostOptions) -> None:
        self.kist = kist
        self.options = options
        self.slots = UploadSlots(options.uploads, options.uploads_per_address)
        self.room = Room(options.memory, options.memory_per_actor)
        self.cors = Cors(options.origins)
        self.origins = frozenset(options.origins)


class Owner(NamedTuple):
    """In whose words a request is answered, where it is counted, and which route was asked for, if any.

    ``template`` stands in the logs for a path that holds a token: that is a credential.
    """

    dialect: Dialect
    counts: CountsRequests
    route: Route | None = None
    template: str | None = None


class Endpoint:
    """Answers the calls of one route."""

    __slots__ = ("_ground", "_owner", "_route", "template")

    def __init__(self, ground: Ground, dialect: Dialect, route: Route) -> None:
        self.template = route.path if "{token}" in route.path else None
        self._ground = ground
        counts = ground.kist.measures.at(dialect.name, route.name)
        self._owner = Owner(dialect, counts, route, self.template)
        self._route = route

    async def answer(self, scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
        """The gate before the body, the handler, the reply, the log line."""
        started = ticks()
        call = read_call(scope, receive, params, self._ground.options.base_url)
        holds_slot, holder = False, ""
        counts = self._owner.counts
        counts.begin()
        try:
            try:
                holds_slot = await self._let_in(call)
                holder = call.actor.id or f"@{call.address}"  # strangers do not share the room of one actor
                call.body.hold = partial(self._ground.room.take, holder)
                reply = await self._route.handler(call, self._ground.kist)
            except Exception as error:
                reply = show(error, call, self._owner)
            await send_reply(self._ground, scope, send, call, reply, started=started, owner=self._owner)
        finally:
            counts.end()
            if holds_slot:
                self._ground.slots.give(origin_of(call.address))
                self._ground.kist.measures.upload_ends()
            if call.body.held:
                self._ground.room.give(holder, call.body.held)

    async def _let_in(self, call: Call) -> bool:
        """Decide by the headers alone; whether an upload slot was taken."""
        ground, route = self._ground, self._route
        call.body.length = declared_length(call)
        await admit(call, route, self._owner.dialect, ground.kist.entry, origins=ground.origins)
        check_body(call, route, ground.options.small_body)
        if route.body is not BodyKind.FILE or call.body.length == 0:
            return False
        ground.slots.take(origin_of(call.address))
        ground.kist.measures.upload_begins()
        return True


def show(error: Exception, call: Call, owner: Owner) -> Reply:
    """The reply that tells of ``error`` in the words of the dialect that owns the request."""
    return failures.show(error, call, owner.dialect, owner.template or call.path)


async def send_reply(
    ground: Ground, scope: Scope, send: Send, call: Call, reply: Reply, *, started: float, owner: Owner
) -> None:
    """Send ``reply``; count and log the request. A body that breaks in the middle cuts the connection, so it shows."""
    sending = Sending(send)
    head, added = call.method == "HEAD", ground.cors.headers(scope)
    try:
        await sending.send(reply, head=head, added=added)
    except Exception as error:
        if sending.status:
            log.error(
                "%s %s: the answer broke off: %s", call.method, owner.template or call.path, error, exc_info=error
            )
        else:
            await sending.send(show(error, call, owner), head=head, added=added)
    finally:
        _log(scope, call, sending, ticks() - started, owner)


def _log(scope: Scope, call: Call, sending: Sending, seconds: float, owner: Owner) -> None:
    route, received = owner.route, call.body.received
    owner.counts.answered(call.method, sending.status, seconds=seconds, received=received, sent=sending.sent)
    if not writes_access():
        return
    path = owner.template or (raw_path(scope) if route is not None else _without_tokens(raw_path(scope)))
    write_access(
        AccessLine(
            address=call.address,
            method=call.method,
            path=path[:2048],
            status=sending.status,
            received=received,
            sent=sending.sent,
            ms=round(seconds * 1000, 2),
            dialect=owner.dialect.name,
            route=route.name if route is not None else "",
            actor=call.actor.id,
            via=call.actor.via,
            cut=not sending.whole,
        )
    )


def _without_tokens(path: str) -> str:
    """A path that is none of ours, as it may be logged: who mistypes the address of a link has its token in it."""
    return _TOKEN_LIKE.sub("{…}", path)


def raw_path(scope: Scope) -> str:
    """The path as it was sent, percent-encoded, without what this application is mounted under."""
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"])
    root: str = scope.get("root_path", "")
    # A proxy in front may have taken away what stands before the whole application, which the root names all the same.
    for prefix in (root, root.removeprefix(scope.get("app_root_path", ""))):
        if prefix and path.startswith(prefix):
            return path[len(prefix) :] or "/"
    return path
