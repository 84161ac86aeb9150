"""Whether this server lives, and whether it can serve."""

from __future__ import annotations

from kist.dialects.native.shapes import Health
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.reply import Reply
from kist.wire.routes import Needs, Route


async def alive(call: Call, kist: Kist) -> Reply:
    """The process answers."""
    return Reply.json(Health("ok"))


async def ready(call: Call, kist: Kist) -> Reply:
    """Database and store answer, and the server is not stopping."""
    problems = await kist.problems()
    if problems:
        return Reply.json(Health("not ready", problems), status=503)
    return Reply.json(Health("ok"))


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        handler=alive,
        name="healthz",
        summary="The process answers",
        needs=Needs.NOTHING,
        answers=Health,
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=ready,
        name="readyz",
        summary="Database and store answer; 503 says which does not",
        needs=Needs.NOTHING,
        answers=Health,
    ),
)
