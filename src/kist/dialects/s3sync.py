"""The contract of the S3 Synchronization API: bring a bucket in step with a folder of the server, watch it, stop it.

All by GET, so that the address line of a browser is enough, and by POST. Every answer is
``{"id": …, "status": …, "progress": …}``; what is refused has no job, so there ``id`` is null and ``status`` says why.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import msgspec

from kist.errors import (
    AlreadyThere,
    BadName,
    BucketMissing,
    EndpointRefused,
    InProgress,
    Invalid,
    JobMissing,
    KistError,
    NotAllowed,
    NotSignedIn,
    SourceRefused,
    StoreUnavailable,
    TooLarge,
    Unavailable,
    Unsupported,
    WrongMethod,
    WrongType,
)
from kist.model.endpoint import Endpoint, EndpointKeys, listed, read_endpoint
from kist.model.ends import ForeignEnd
from kist.model.job import Job, JobState, SyncOptions
from kist.model.place import check_bucket
from kist.service.jobs import MOST_WAIT
from kist.service.kist import Kist
from kist.wire.call import Call, Query
from kist.wire.decoding import FORM_URLENCODED, decode_json, decode_query, is_json, read_urlencoded
from kist.wire.pages import is_own_page
from kist.wire.parts import FORM_DATA, form_parts
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Dialect, Needs, Route
from kist.wire.statuses import retry_after, status_of

MAX_BODY = 64 << 10
MOST_DIGITS = 18
NO_CONNECTION = "s3 storage connection"
"""The one error that the contract names."""

_CONNECTION_CODES = ("store_unavailable", "store_refused")
_FETCHED_AHEAD = ("sec-purpose", "purpose", "x-moz", "x-purpose")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A sync to start. ``source`` is below the root ``uploads``, or ``root:path``; ``wait`` in seconds before each
    operation. ``background``: answer at once. The last three are for another S3 server than Kist's own store: one of
    ``KIST_SYNC_ENDPOINTS``, and keys for it, in the body of a POST."""

    source: str = ""
    dest: str = "mybucket"
    wait: str = "0"
    background: bool = False
    storage_url: str = ""
    access_key: str = ""
    secret_key: str = ""

    def __repr__(self) -> str:
        return "Wish(…)"


class Sought(msgspec.Struct, frozen=True):
    """The sync that is meant."""

    id: str


class SyncObject(msgspec.Struct, frozen=True):
    """A sync. ``status``: running, success, cancelled or error (…). ``progress``: like 50%."""

    id: int | None
    status: str
    progress: str


async def sync(call: Call, kist: Kist) -> Reply:
    """Start a sync and wait for its end. A caller who leaves does not stop it."""
    _refuse_foreign(call)
    wish = decode_query(await _sent(call), Wish)
    endpoint = _endpoint(wish, call, kist.contracts.sync_endpoints)
    wait = _seconds(wish.wait)
    if kist.roots is None:
        raise Unsupported("this server has no folders for syncs")
    folder = await kist.roots.resolve(wish.source)
    options = SyncOptions(delete=True, wait=wait, beneath=folder.root)
    if endpoint is None:
        job = await _here(call, kist, folder.path, wish.dest, options)
    else:
        job = await _elsewhere(call, kist, folder.path, endpoint, options, wish)
    if not wish.background:
        job = await kist.jobs.ended(call.actor, job.id, leave=lambda: kist.draining)
    return Reply.json(_shown(job))


async def _here(call: Call, kist: Kist, source: str, bucket: str, options: SyncOptions) -> Job:
    """A sync into a bucket of Kist's own store, which is made if it is absent."""
    with suppress(AlreadyThere):
        await kist.buckets.create(call.actor, bucket)
    removing: SyncOptions = msgspec.structs.replace(options, remove_bucket=kist.contracts.sync_remove_bucket)
    return await kist.jobs.start(call.actor, source, bucket, removing)


async def _elsewhere(call: Call, kist: Kist, source: str, endpoint: Endpoint, options: SyncOptions, wish: Wish) -> Job:
    """A sync into a bucket of another S3 server. The job makes it where it is absent, and never removes it."""
    check_bucket(wish.dest)
    keys = EndpointKeys(access_key=wish.access_key, secret_key=wish.secret_key)
    making: SyncOptions = msgspec.structs.replace(options, make_bucket=True)
    return await kist.jobs.start(call.actor, source, str(ForeignEnd(endpoint, wish.dest)), making, keys=keys)


async def runnings(call: Call, kist: Kist) -> Reply:
    """The syncs of the caller that are running; for an admin all."""
    shown = [_shown(job) for job in await kist.jobs.unended(call.actor)]
    return Reply.json([each for each in shown if each.status == "running"])


async def get(call: Call, kist: Kist) -> Reply:
    """One sync."""
    return Reply.json(_shown(await kist.jobs.get(call.actor, await _number(call))))


async def cancel(call: Call, kist: Kist) -> Reply:
    """Stop a sync before its next operation. One that is not running stays as it is."""
    _refuse_foreign(call)
    return Reply.json(_shown(await kist.jobs.cancel(call.actor, await _number(call))))


def show_error(error: KistError, call: Call) -> Reply:
    """What went wrong, where clients look for it; bad input is 400. Browsers are asked for a key."""
    plain_input = isinstance(error, Invalid) and not isinstance(error, TooLarge | WrongType | WrongMethod)
    headers = retry_after(error)
    if isinstance(error, NotSignedIn):
        headers.append(("www-authenticate", 'Basic realm="kist", Bearer realm="kist"'))
    reason = NO_CONNECTION if isinstance(error, StoreUnavailable) else error.message
    refused = SyncObject(None, f"error ({reason})", "0%")
    return Reply.json(refused, status=400 if plain_input else status_of(error), headers=headers)


def _shown(job: Job) -> SyncObject:
    """A job in the words of the contract. 100% is success, and nothing else."""
    if job.state is JobState.SUCCEEDED:
        return SyncObject(job.number, "success", "100%")
    return SyncObject(job.number, _status(job), f"{min(job.progress.percent, 99)}%")


def _status(job: Job) -> str:
    match job.state:
        case JobState.CANCELLED | JobState.CANCELLING:
            return "cancelled"
        case JobState.NEEDS_CONFIRMATION:
            why = job.reason.removesuffix(": confirm the job")
            return f"error (needs confirmation: {why}; kist job confirm {job.number})"
        case JobState.FAILED | JobState.SUCCEEDED_WITH_ERRORS:
            code, _, said = job.reason.partition(": ")
            return f"error ({NO_CONNECTION})" if code in _CONNECTION_CODES else f"error ({said or job.reason})"
    return "running"


def _endpoint(wish: Wish, call: Call, known: tuple[Endpoint, ...]) -> Endpoint | None:
    """The other S3 server that is meant, None for Kist's own store.

    Nothing is looked up or connected to for that, nothing is told of what was sent.
    """
    if call.query.get("secret_key") is not None or call.query.get("access_key") is not None:
        raise EndpointRefused("keys do not belong into an address, which is logged: send them in the body of a POST")
    if bool(wish.access_key) != bool(wish.secret_key):
        raise EndpointRefused("access_key and secret_key go together: send both or none")
    if not wish.storage_url:
        if wish.access_key:
            raise EndpointRefused("keys are for a storage_url: leave them out for Kist's own store")
        return None
    asked = read_endpoint(wish.storage_url)
    if asked is None:
        raise EndpointRefused("storage_url is a plain http(s) address, without user, password, path, query or fragment")
    if not wish.access_key:
        raise EndpointRefused("a storage_url needs access_key and secret_key of its own")
    if listed(known, asked) is None:
        raise EndpointRefused("this storage_url is not among those in KIST_SYNC_ENDPOINTS")
    return asked


def _seconds(wait: str) -> int:
    if not (wait.isascii() and wait.isdigit() and len(wait) <= MOST_DIGITS and int(wait) <= MOST_WAIT):
        raise Invalid(f"wait is a whole number of seconds from 0 to {MOST_WAIT}")
    return int(wait)


def _refuse_foreign(call: Call) -> None:
    """What changes something is done for whoever sent it on purpose: no page of another site, no browser ahead of
    its user, no question for headers alone."""
    if call.method == "HEAD":
        raise WrongMethod("this changes something: send GET or POST", allowed="GET, POST, OPTIONS")
    if not is_own_page(call):
        raise NotAllowed("pages of other sites may change nothing here")
    if any("pre" in (call.headers.get(name) or "").lower() for name in _FETCHED_AHEAD):
        raise NotAllowed("nothing is changed for a browser that only fetches ahead")


async def _number(call: Call) -> str:
    """The number of the sync that is meant. What is no number is that of no sync."""
    sought = decode_query(await _sent(call), Sought).id
    if not (sought.isascii() and sought.isdigit() and len(sought) <= MOST_DIGITS):
        raise JobMissing("there is no such job")
    return sought


async def _sent(call: Call) -> Query:
    """The parameters: of the query, and for POST of the body as well. None may be given twice."""
    if call.method != "POST" or call.body.length == 0:
        return call.query
    fields = [(name, value) for name in call.query.names() for value in call.query.all(name)]
    return Query(urlencode([*fields, *await _body_fields(call)]).encode())


async def _body_fields(call: Call) -> list[tuple[str, str]]:
    if call.content_type == FORM_URLENCODED:
        sent = await read_urlencoded(call)
        return [(name, value) for name in sent.names() for value in sent.all(name)]
    if call.content_type == FORM_DATA:
        return [(part.name, await part.text()) async for part in form_parts(call)]
    if not is_json(call.content_type):
        raise WrongType("send the parameters in the query, as a form, or as JSON")
    raw = await call.body.read(call.body.limit or MAX_BODY)
    document: Any = decode_json(raw, object) if raw else {}
    if not isinstance(document, dict):
        raise Invalid("the body is no JSON object")
    return [(name, _text(name, value)) for name, value in document.items()]


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str | int):
        raise Invalid(f"{name[:100]!r} is a text or a number")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _both(path: str, handler: Any, summary: str, **more: Any) -> tuple[Route, Route]:
    """A call by GET and by POST, which are one to their callers."""
    name = f"s3sync{path.replace('/', '-')}"
    reading = Route(method="GET", path=path, handler=handler, name=name, summary=summary, **more)
    return reading, msgspec.structs.replace(reading, method="POST", body=BodyKind.SMALL, cap=MAX_BODY)


DIALECT = Dialect(
    name="s3sync",
    show_error=show_error,
    routes=(
        *_both(
            "/sync",
            sync,
            "Bring a bucket in step with a folder of the server, and wait for the end",
            needs=Needs.ADMIN,
            query=Wish,
            answers=SyncObject,
            errors=(BadName, SourceRefused, EndpointRefused, NotAllowed, BucketMissing, InProgress, Unavailable),
        ),
        *_both("/runnings", runnings, "The syncs that are running", answers=list[SyncObject]),
        *_both("/get", get, "One sync", query=Sought, answers=SyncObject, errors=(JobMissing,)),
        *_both(
            "/cancel",
            cancel,
            "Stop a sync before its next operation",
            query=Sought,
            answers=SyncObject,
            errors=(JobMissing, NotAllowed),
        ),
    ),
)
