"""A Kist as a part of somebody's FastAPI or Starlette application: mounted, started by itself, at hand in handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from kist.app import dialects
from kist.asgi.life import Life, Standing
from kist.asgi.messages import KNOWN
from kist.errors import KistError, Misconfigured, NotStarted
from kist.model.actor import Actor
from kist.service.kist import Kist
from kist.settings import Settings, read_settings
from kist.wire.problems import PROBLEM_JSON, as_problem
from kist.wire.statuses import error_headers, status_of

Recognise = Callable[[HTTPConnection], Awaitable[Actor | None]]


class KistApp:
    """An ASGI application to mount: ``app.mount("/files", files)``.

    Nobody tells a mounted application of the start and the end of the server. So this one starts with the first
    request, and is closed when the event loop cancels its tasks, if the server lets it come to that. An application
    that hands over its lifespan, ``FastAPI(lifespan=files.lifespan)``, has it started before the first request and
    closed at the end in any case, and does not start if it cannot. Syncs are carried out and chores run beside, as by
    ``kist serve``.

    ``settings``: those of the environment if None. ``actor``: says who is behind a request at the mount, by the
    application's own means; None leaves the caller to Kist's keys. All addresses that Kist writes begin with
    ``KIST_PUBLIC_URL``, or where that is not set with ``http://127.0.0.1:KIST_PORT`` and the path of the mount.
    """

    def __init__(self, settings: Settings | None = None, *, actor: Recognise | None = None) -> None:
        self._settings = read_settings() if settings is None else settings
        self._dialects = dialects(self._settings)
        if self._settings.anonymous and not self._settings.anonymous_public:
            raise Misconfigured(
                "KIST_ANONYMOUS lets callers in without a key, and whom the application around lets through is not "
                "known here: remove it, or set KIST_ANONYMOUS_PUBLIC=1 if that is what you want"
            )
        self._recognise = actor
        self._alone = Starlette(lifespan=self.lifespan)  # what it is where a server runs it without another around
        self._life: Life | None = None
        self._address = self._settings.public_url

    @property
    def address(self) -> str:
        """What the addresses that Kist writes begin with, without a trailing slash. Known once it has started."""
        if self._address is None:
            raise NotStarted("the file service has not started yet")
        return self._address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, after the start if it is the first."""
        if scope["type"] != "http":
            await self._alone(scope, receive, send)
            return
        try:
            # What a caller may choose a part of is no address for all others.
            standing = await self._started(None if scope.get("path_params") else scope.get("root_path", ""))
        except KistError as error:
            await show_problem(None, error)(scope, receive, send)
            return
        if self._recognise is not None:
            scope[KNOWN] = await self._recognise(HTTPConnection(scope))
        await standing.app(scope, receive, send)

    async def kist(self, connection: HTTPConnection) -> Kist:
        """For handlers of the application around: ``Annotated[Kist, Depends(files.kist)]``. ``NotStarted``."""
        scope = connection.scope
        mount = mount_of(self, scope["app"])
        prefix = None if mount is None else scope.get("root_path", "") + mount
        return (await self._started(prefix)).kist

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        """Started for as long as the block runs; ``app`` is the application in which this one is mounted.

        What keeps it from starting is raised.
        """
        try:
            await self._started("" if app is self._alone else mount_of(self, app))
        except NotStarted as error:
            raise error.__cause__ or error from None
        try:
            yield
        finally:
            if self._life is not None:
                await self._life.end()

    async def _started(self, prefix: str | None) -> Standing:
        """Start, unless somebody has done so; any number of callers wait for one start. ``prefix``: the mount's path.

        After a failed start, and in another event loop after the first one has ended, the next call starts again.
        """
        if self._life is None or self._life.over:
            settings = self._settings
            if self._address is None:
                self._address = self._addressed(prefix)
            self._life = Life(replace(settings, public_url=self._address), self._dialects)
        return await self._life.standing()

    def _addressed(self, prefix: str | None) -> str:
        if prefix is None:
            raise Misconfigured(
                "KIST_PUBLIC_URL: set it to the address at which users reach the mount: there is none among the "
                "routes of the application that is the same for all"
            )
        return self._settings.address + prefix


def mount_of(mounted: object, app: Any) -> str | None:
    """The path at which ``mounted`` is in ``app`` or in what that has mounted; None where it is not found."""
    for route in getattr(app, "routes", ()):
        if isinstance(route, Mount):
            below = "" if route.app is mounted else mount_of(mounted, route)
            if below is not None and "{" not in route.path:
                return route.path + below
    return None


def show_problem(request: Any, error: Exception) -> Response:
    """The answer for a ``KistError``: ``app.add_exception_handler(KistError, show_problem)``."""
    if not isinstance(error, KistError):
        raise error
    return Response(msgspec.json.encode(as_problem(error)), status_of(error), dict(error_headers(error)), PROBLEM_JSON)
