"""Syncs in the native API: started, watched, confirmed, stopped, resumed and taken back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kist.dialects.native.repeats import repeat_of
from kist.dialects.native.sync_keys import GivenKeys, sent_keys
from kist.dialects.native.sync_steps import PlanPage, StepPage, StepQuery, files, plan
from kist.errors import (
    BadName,
    BucketMissing,
    Clash,
    EndpointRefused,
    InProgress,
    NotAllowed,
    SourceRefused,
    Unsupported,
    WrongState,
)
from kist.model.actor import Actor
from kist.model.ends import is_foreign
from kist.model.job import Compare, Job, JobState, SyncOptions
from kist.model.query import MAX_PAGE
from kist.service.jobs import MOST_AT_ONCE
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.decoding import decode_body, decode_query
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Route

EVENT_STREAM = "text/event-stream"

_encode = msgspec.json.Encoder().encode


class NewSync(GivenKeys, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sync to start. An end is ``bucket`` or ``bucket/prefix``, for admins also a folder of the server in one of the
    roots of ``KIST_SYNC_ROOTS``: ``root:path``, or its whole path; and one end may be ``s3+https://host/bucket/prefix``
    on a server of ``KIST_SYNC_ENDPOINTS``, with keys for it."""

    source: str
    dest: str
    delete: Annotated[bool, Meta(description="remove what the source has no more, of what a sync put there")] = False
    dry_run: Annotated[bool, Meta(description="end with the plan")] = False
    compare: Compare = Compare.TIME
    include: Annotated[tuple[str, ...], Meta(description="patterns of keys; none for all", max_length=1000)] = ()
    exclude: Annotated[tuple[str, ...], Meta(description="neither sent nor deleted", max_length=1000)] = ()
    max_delete: Annotated[int, Meta(ge=0, description="more deletions wait for a yes")] = SyncOptions().max_delete
    immutable: Annotated[bool, Meta(description="nothing is overwritten")] = False
    rate: Annotated[int, Meta(ge=1, description="bytes a second at most")] | None = None
    at_once: Annotated[int, Meta(ge=1, le=MOST_AT_ONCE, description="operations at a time")] | None = None


class ProgressShape(msgspec.Struct, frozen=True):
    """How far a job is: what is done out of what there is to do, ``current`` right now."""

    files: int
    files_total: int
    bytes: int
    bytes_total: int
    deleted: int
    deleted_total: int
    unchanged: int
    errors: int
    current: str
    rate: Annotated[float, Meta(description="bytes a second, over the last seconds")]
    percent: Annotated[int, Meta(description="of the operations")]


class JobShape(msgspec.Struct, frozen=True):
    """A job. ``reason`` says why it is in its state, ``plan`` which plan it has, once it has one."""

    id: str
    number: Annotated[int, Meta(description="counts from 1; takes the place of the id everywhere")]
    chore: Literal["sync", "undo"]
    state: JobState
    reason: str
    progress: ProgressShape
    source: str
    dest: str
    owner: Annotated[str, Meta(description="actor id")]
    plan: Annotated[str | None, Meta(description="digest of what is to be done")]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class JobPage(msgspec.Struct, frozen=True):
    """A page of jobs, newest first. ``next`` is the cursor of the page after it."""

    items: tuple[JobShape, ...]
    next: str | None


class JobQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which jobs."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 100
    cursor: Annotated[int | None, Meta(description="next of the page before")] = None


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A yes to a plan."""

    plan: Annotated[str | None, Meta(description="its digest: another plan is not confirmed by mistake")] = None


async def start(call: Call, kist: Kist) -> Reply:
    """Start a sync."""
    asked = await decode_body(call, NewSync)
    source, beneath = await _end(call, kist, asked.source)
    dest, _ = await _end(call, kist, asked.dest)
    options: SyncOptions = msgspec.structs.replace(options_of(asked), beneath=beneath)
    repeat = repeat_of(call, asked.without_keys())
    return _accepted(await kist.jobs.start(call.actor, source, dest, options, repeat=repeat, keys=asked.keys), call)


async def _end(call: Call, kist: Kist, text: str) -> tuple[str, str | None]:
    """An end as jobs know it, and of a folder the root that it lies in: over HTTP others are out of reach."""
    if is_foreign(text) or (not text.startswith("/") and ":" not in text):
        return text, None
    if not call.actor.is_admin:
        raise NotAllowed("only an admin may sync a folder of the server")
    if kist.roots is None:
        raise Unsupported("this server has no folders for syncs")
    return await (kist.roots.within(text) if text.startswith("/") else kist.roots.resolve(text))


async def page(call: Call, kist: Kist) -> Reply:
    """List jobs."""
    asked = decode_query(call.query, JobQuery)
    return Reply.json(job_page(await kist.jobs.page(call.actor, asked.limit + 1, asked.cursor), asked.limit))


async def read(call: Call, kist: Kist) -> Reply:
    """Read a job."""
    return Reply.json(shape_job(await kist.jobs.get(call.actor, call.params["id"])))


async def confirm(call: Call, kist: Kist) -> Reply:
    """Say yes to the plan of a job."""
    asked = Confirmation() if call.body.length == 0 else await decode_body(call, Confirmation)
    return _accepted(await kist.jobs.confirm(call.actor, call.params["id"], asked.plan), call)


async def cancel(call: Call, kist: Kist) -> Reply:
    """End a job before its next operation."""
    return _accepted(await kist.jobs.cancel(call.actor, call.params["id"]), call)


async def resume(call: Call, kist: Kist) -> Reply:
    """Go on with a job."""
    return _accepted(await kist.jobs.resume(call.actor, call.params["id"], keys=await sent_keys(call)), call)


async def undo(call: Call, kist: Kist) -> Reply:
    """Take back what a job did, by a new one."""
    keys = await sent_keys(call)
    return _accepted(await kist.jobs.undo(call.actor, call.params["id"], repeat=repeat_of(call), keys=keys), call)


async def events(call: Call, kist: Kist) -> Reply:
    """Tell of a job as it goes on, as server-sent events."""
    job = await kist.jobs.get(call.actor, call.params["id"])
    told = _told(kist, call.actor, job.id)
    # The second header keeps a proxy from collecting events before it passes them on.
    headers = [("content-type", EVENT_STREAM), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    return Reply.stream(told, headers=headers, close=told.aclose)


async def _told(kist: Kist, actor: Actor, job_id: str) -> AsyncGenerator[bytes, None]:
    """Until the job has ended, or the server is stopping: whoever watches then asks again."""
    async with aclosing(kist.jobs.watch(actor, job_id)) as jobs:
        async for job in jobs:
            yield b"data: %b\n\n" % _encode(shape_job(job))
            if kist.draining:
                return


def options_of(asked: NewSync) -> SyncOptions:
    """How a sync is to be done."""
    return SyncOptions(
        delete=asked.delete,
        dry_run=asked.dry_run,
        compare=asked.compare,
        include=asked.include,
        exclude=asked.exclude,
        max_delete=asked.max_delete,
        immutable=asked.immutable,
        rate=asked.rate,
        at_once=asked.at_once,
    )


def shape_job(job: Job) -> JobShape:
    """A job as the native API shows it."""
    return JobShape(
        job.id,
        job.number,
        "sync" if job.options.undo_of is None else "undo",
        job.state,
        job.reason,
        _shape_progress(job),
        job.source,
        job.dest,
        job.actor,
        job.plan,
        job.created_at,
        job.started_at,
        job.ended_at,
    )


def _shape_progress(job: Job) -> ProgressShape:
    now = job.progress
    nothing_to_do = job.state is JobState.SUCCEEDED and not now.files_total and not now.deleted_total
    return ProgressShape(
        now.files,
        now.files_total,
        now.bytes,
        now.bytes_total,
        now.deleted,
        now.deleted_total,
        now.unchanged,
        now.errors,
        now.current,
        round(now.rate, 1),
        100 if nothing_to_do else now.percent,
    )


def job_page(found: tuple[Job, ...], limit: int) -> JobPage:
    """A page of at most ``limit``; whatever is found beyond it says that there is another."""
    items = found[:limit]
    return JobPage(tuple(map(shape_job, items)), str(items[-1].number) if len(found) > limit else None)


def _accepted(job: Job, call: Call) -> Reply:
    return Reply.json(shape_job(job), status=202, headers=[("location", f"{call.prefix}/v1/syncs/{job.id}")])


ROUTES = (
    Route(
        method="POST",
        path="/v1/syncs",
        handler=start,
        name="syncs-start",
        summary="Bring a bucket in step with another, or as an admin with a folder of the server, by a job",
        body=BodyKind.SMALL,
        accepts=NewSync,
        answers=JobShape,
        status=202,
        errors=(BadName, SourceRefused, EndpointRefused, NotAllowed, BucketMissing, InProgress),
    ),
    Route(
        method="GET",
        path="/v1/syncs",
        handler=page,
        name="syncs-list",
        summary="My jobs, newest first; for an admin all",
        query=JobQuery,
        answers=JobPage,
    ),
    Route(
        method="GET",
        path="/v1/syncs/{id}",
        handler=read,
        name="syncs-read",
        summary="A job, by its id or number",
        answers=JobShape,
    ),
    Route(
        method="GET",
        path="/v1/syncs/{id}/plan",
        handler=plan,
        name="syncs-plan",
        summary="What it is to do, and why",
        query=StepQuery,
        answers=PlanPage,
    ),
    Route(
        method="GET",
        path="/v1/syncs/{id}/files",
        handler=files,
        name="syncs-files",
        summary="What became of each file",
        query=StepQuery,
        answers=StepPage,
    ),
    Route(
        method="GET",
        path="/v1/syncs/{id}/events",
        handler=events,
        name="syncs-events",
        summary="The job as it goes on, as server-sent events, until it has ended",
        answers=bytes,
    ),
    Route(
        method="POST",
        path="/v1/syncs/{id}/confirm",
        handler=confirm,
        name="syncs-confirm",
        summary="Say yes to the plan of a job that waits for it",
        body=BodyKind.SMALL,
        accepts=Confirmation,
        answers=JobShape,
        status=202,
        errors=(WrongState, Clash, BucketMissing, NotAllowed),
    ),
    Route(
        method="POST",
        path="/v1/syncs/{id}/cancel",
        handler=cancel,
        name="syncs-cancel",
        summary="End a job before its next operation",
        answers=JobShape,
        status=202,
    ),
    Route(
        method="POST",
        path="/v1/syncs/{id}/resume",
        handler=resume,
        name="syncs-resume",
        summary="Go on with a job that failed, was cancelled or left files behind",
        body=BodyKind.SMALL,
        accepts=GivenKeys,
        answers=JobShape,
        status=202,
        errors=(WrongState, InProgress, BucketMissing, NotAllowed, EndpointRefused),
    ),
    Route(
        method="POST",
        path="/v1/syncs/{id}/undo",
        handler=undo,
        name="syncs-undo",
        summary="Take back what a job did, by a new one",
        body=BodyKind.SMALL,
        accepts=GivenKeys,
        answers=JobShape,
        status=202,
        errors=(WrongState, InProgress, BucketMissing, NotAllowed, EndpointRefused),
    ),
)
