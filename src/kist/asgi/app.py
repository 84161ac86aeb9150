"""``build_asgi``: a Starlette application out of a Kist and its dialects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match
from starlette.types import Lifespan, Receive, Scope, Send

from kist.asgi.admission import Served
from kist.asgi.endpoint import Endpoint, Ground, Owner, raw_path, send_reply, show, ticks
from kist.asgi.messages import read_call
from kist.asgi.options import HostOptions
from kist.asgi.paths import Paths
from kist.errors import KistError, Missing, WrongMethod
from kist.wire.reply import Reply
from kist.wire.routes import Dialect


def build_asgi(
    kist: Served,
    dialects: Sequence[Dialect],
    *,
    options: HostOptions | None = None,
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """The application that serves ``dialects`` with ``kist`` behind them.

    ``Misconfigured`` when two dialects claim the same method at the same path. The first dialect also speaks for
    paths that belong to none. ``app.state.kist`` is the Kist, ``app.state.options`` the options: the server reads them.
    """
    ground = Ground(kist, options or HostOptions())
    app = _Application(routes=[DialectRoutes(ground, dialects)], lifespan=lifespan)
    app.state.kist = kist
    app.state.options = ground.options
    return app


class _Application(Starlette):
    """Goes straight to our routes where nobody has added middleware or routes: they answer all, errors included."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.user_middleware or len(self.routes) > 1:
            await super().__call__(scope, receive, send)
        else:
            await self.routes[0].handle(scope, receive, send)


class DialectRoutes(BaseRoute):
    """All routes of all dialects as one route of Starlette."""

    name: ClassVar[str] = "kist"

    def __init__(self, ground: Ground, dialects: Sequence[Dialect]) -> None:
        self._ground = ground
        self._paths: Paths[Endpoint] = Paths()
        self._by_first_segment: dict[str, Owner] = {}
        owners = [Owner(dialect, ground.kist.measures.at(dialect.name, "")) for dialect in dialects]
        self._first = owners[0]
        for dialect, owner in zip(dialects, owners, strict=True):
            for route in dialect.routes:
                self._paths.add(route.method, route.path, Endpoint(ground, dialect, route))
                self._by_first_segment.setdefault(route.path.split("/")[1], owner)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Every HTTP request: what is at no path of ours is answered in the words of a dialect as well."""
        return (Match.FULL, {}) if scope["type"] == "http" else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the endpoint and let it answer."""
        path = raw_path(scope)
        method = scope["method"]
        try:
            methods, values = self._paths.find(path)
        except KistError as error:
            await self._send(error, scope, receive, send)
            return
        found = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
        if found is not None:
            endpoint, names = found
            await endpoint.answer(scope, receive, send, dict(zip(names, values, strict=True)))
        elif methods:
            await self._other_method(methods, scope, receive, send)
        else:
            await self._send(Missing("there is nothing at this address"), scope, receive, send)

    async def _other_method(
        self, methods: dict[str, tuple[Endpoint, tuple[str, ...]]], scope: Scope, receive: Receive, send: Send
    ) -> None:
        allowed = ", ".join(sorted({*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS"}))
        template = next((endpoint.template for endpoint, _ in methods.values() if endpoint.template), None)
        if scope["method"] == "OPTIONS":
            headers = [("allow", allowed), *self._ground.cors.preflight(scope, allowed)]
            await self._send(Reply.empty(headers=headers), scope, receive, send, template)
            return
        error = WrongMethod(f"{scope['method'][:20]} does nothing here: use {allowed}", allowed=allowed)
        await self._send(error, scope, receive, send, template)

    async def _send(
        self, answer: Reply | KistError, scope: Scope, receive: Receive, send: Send, template: str | None = None
    ) -> None:
        """Answer without a route, in the words of the dialect whose paths begin alike, else of the first."""
        call = read_call(scope, receive, {}, self._ground.options.base_url)
        first = raw_path(scope).split("/")[1]
        owner = self._by_first_segment.get(first, self._first)._replace(template=template)
        reply = answer if isinstance(answer, Reply) else show(answer, call, owner)
        await send_reply(self._ground, scope, send, call, reply, started=ticks(), owner=owner)
