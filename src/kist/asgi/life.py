"""The life of a Kist inside another application: opened, at work and closed in a task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.applications import Starlette

from kist.app import assemble
from kist.asgi.app import build_asgi
from kist.asgi.options import HostOptions
from kist.errors import KistError, NotStarted
from kist.service.kist import Kist
from kist.settings import Settings
from kist.wire.routes import Dialect
from kist.working import at_work

log = logging.getLogger("kist.server")

WAIT = 5
"""Seconds after which whoever met a failed start is asked to come back."""


@dataclass(frozen=True)
class Standing:
    """A Kist that has started, and the application that serves it."""

    kist: Kist
    app: Starlette


class Life:
    """From a start to its end.

    A task of its own, because whoever asks first may leave at any time, and because a task that is cancelled still
    closes what it has opened: event loops cancel theirs when they end, and then nobody has to tell of the end.
    """

    def __init__(self, settings: Settings, dialects: Sequence[Dialect]) -> None:
        self._settings = settings
        self._dialects = dialects
        self._settled = asyncio.Event()
        self._standing: Standing | None = None
        self._error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._live(), name="kist")

    @property
    def over(self) -> bool:
        """Whether it has ended, by its end or by a failed start."""
        return self._task.done() or self._loop.is_closed()

    async def standing(self) -> Standing:
        """What has started, once it has. ``NotStarted`` when it could not; its cause is what went wrong."""
        await self._settled.wait()
        if self._standing is None:
            raise NotStarted("the file service could not start: its log says why", after=WAIT) from self._error
        return self._standing

    async def end(self) -> None:
        """Stop, and come back when all is closed."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _live(self) -> None:
        try:
            await self._serve()
        except Exception as error:
            self._error = error
            known = isinstance(error, KistError)
            log.error(
                "Kist could not %s: %s", "stop" if self._settled.is_set() else "start", error,
                exc_info=None if known else error,
            )  # fmt: skip
        finally:
            self._settled.set()

    async def _serve(self) -> None:
        settings = self._settings
        assembled = await assemble(settings)
        kist = assembled.kist
        try:
            options = HostOptions(base_url=settings.address, origins=settings.origins)
            app = build_asgi(kist, self._dialects, options=options)
            async with at_work(kist, assembled.work):
                self._standing = Standing(kist, app)
                self._settled.set()
                await asyncio.Event().wait()  # until it is cancelled
        finally:
            self._standing = None
            await kist.close()
