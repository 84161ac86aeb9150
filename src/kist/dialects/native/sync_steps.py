"""What a sync is to do, and what became of it, file by file, in the native API."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kist.model.job import Act, Step, StepState
from kist.model.query import MAX_PAGE
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.decoding import decode_query
from kist.wire.reply import Reply


class PlannedShape(msgspec.Struct, frozen=True):
    """What is to be done to one key of the destination, and why. A note says why nothing is."""

    key: str
    act: Act
    reason: str
    size: int


class StepShape(PlannedShape, frozen=True):
    """The same with what became of it."""

    state: StepState
    error: str | None


class PlanPage(msgspec.Struct, frozen=True):
    """A page of a plan, by key. ``next`` is the cursor of the page after it."""

    items: tuple[PlannedShape, ...]
    next: str | None


class StepPage(msgspec.Struct, frozen=True):
    """A page of outcomes, by key. ``next`` is the cursor of the page after it."""

    items: tuple[StepShape, ...]
    next: str | None


class StepQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which steps."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 100
    cursor: Annotated[str, Meta(description="next of the page before")] = ""


async def plan(call: Call, kist: Kist) -> Reply:
    """What a job is to do."""
    asked = decode_query(call.query, StepQuery)
    steps, following = await _steps(call, kist, asked)
    return Reply.json(
        PlanPage(tuple(PlannedShape(step.key, step.act, step.reason, step.size) for step in steps), following)
    )


async def files(call: Call, kist: Kist) -> Reply:
    """What became of it."""
    asked = decode_query(call.query, StepQuery)
    steps, following = await _steps(call, kist, asked)
    return Reply.json(StepPage(tuple(map(shape_step, steps)), following))


async def _steps(call: Call, kist: Kist, asked: StepQuery) -> tuple[tuple[Step, ...], str | None]:
    found = await kist.jobs.steps(call.actor, call.params["id"], asked.limit + 1, asked.cursor)
    steps = found[: asked.limit]
    return steps, steps[-1].key if len(found) > asked.limit else None


def shape_step(step: Step) -> StepShape:
    """A step as the native API shows it."""
    return StepShape(step.key, step.act, step.reason, step.size, step.state, step.error)
