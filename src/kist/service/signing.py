"""Sign what a ticket hands out. Pure computation: no rows, no I/O."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta

from kist.errors import Expired, InProgress, Unsupported
from kist.model.content import FormLimits
from kist.model.media import UNKNOWN
from kist.model.ticket import MOST_IN_ONE, SignedPart, Ticket, length_of_part
from kist.model.upload import Upload, Way
from kist.ports.store import Signs
from kist.service.ports import Ports


def signed_form(ports: Ports, upload: Upload, acl: str) -> Ticket:
    """A form for exactly this place: size, ACL, and the type where one was declared."""
    fields = [("acl", acl)]
    if upload.type != UNKNOWN:
        fields.append(("Content-Type", upload.type))
    least, most = (0, min(upload.max_size, MOST_IN_ONE)) if upload.size is None else (upload.size, upload.size)
    limits = FormLimits(min_size=least, max_size=most, fields=tuple(fields))
    form = _signs(ports).sign_form(upload.place, _life(ports, upload), limits)
    return Ticket(upload=upload, method="POST", url=form.url, fields=form.fields, expires_at=form.expires_at)


def signed_put(ports: Ports, upload: Upload, acl: str) -> Ticket:
    """A PUT for exactly this place, size and type, for these bytes where their MD5 was declared.

    One that is plain has no header to send; what comes is judged when it is sealed.
    """
    if is_plain(upload):
        plain = _signs(ports).sign("PUT", upload.place, _life(ports, upload))
        return Ticket(upload=upload, method="PUT", url=plain.url, headers=(), expires_at=plain.expires_at)
    headers = [("Content-Type", upload.type), ("Content-Length", str(upload.size)), ("x-amz-acl", acl)]
    if upload.md5 is not None:
        headers.append(("Content-MD5", b64encode(bytes.fromhex(upload.md5)).decode()))
    put = _signs(ports).sign("PUT", upload.place, _life(ports, upload), headers=headers)
    return Ticket(upload=upload, method="PUT", url=put.url, headers=put.headers, expires_at=put.expires_at)


def is_plain(upload: Upload) -> bool:
    """Whether this upload comes by a PUT of which nothing was declared."""
    return upload.way is Way.PUT and upload.size is None


def signed_parts(ports: Ports, upload: Upload, numbers: Iterable[int]) -> tuple[SignedPart, ...]:
    """Those parts, each with its exact length. ``Invalid`` for numbers that the upload does not have.

    ``InProgress`` before the store has given the upload an id: to Ceph, a part of an upload without an id is a plain
    PUT, here to the key of the sealed object.
    """
    signs, life, parts_id = _signs(ports), _life(ports, upload), upload.parts_id
    if not parts_id:
        raise InProgress("this upload is being begun at the store: ask again, or for a new ticket", after=1)
    made = []
    for number in numbers:
        headers = (("Content-Length", str(length_of_part(upload, number))),)
        query = (("partNumber", str(number)), ("uploadId", parts_id))
        part = signs.sign("PUT", upload.place, life, headers=headers, query=query)
        made.append(SignedPart(number=number, url=part.url, headers=part.headers))
    return tuple(made)


def parts_end(ports: Ports, upload: Upload) -> datetime:
    """When parts signed now expire."""
    return ports.clock.now() + _life(ports, upload)


def _life(ports: Ports, upload: Upload) -> timedelta:
    """How long a signature for this upload may live: never beyond the upload itself."""
    ends = upload.expires_at or ports.clock.now()
    left = timedelta(seconds=int((ends - ports.clock.now()).total_seconds()))
    if left < timedelta(seconds=1):
        raise Expired("the time for this upload is over: start it over")
    return left if upload.way is not Way.PARTS else min(left, ports.limits.ticket_life)


def _signs(ports: Ports) -> Signs:
    if ports.signs is None:
        raise Unsupported("this store takes no direct uploads: send the file to POST /v1/files")
    return ports.signs
