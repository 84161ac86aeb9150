"""How a file's content is given out: which status, which bytes, which headers (threats T41 to T46)."""

from __future__ import annotations

import base64
import re
from email.utils import format_datetime

import msgspec

from kist.model.content import Opened, Span
from kist.model.file import File
from kist.wire.call import Call
from kist.wire.conditions import require_match, unchanged
from kist.wire.disposition import content_disposition, inline_type
from kist.wire.ranges import parse, still_current
from kist.wire.reply import HeaderList, Reply

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(; ?[\w.-]{1,40}=[\w.+-]{1,80}){0,3}", re.ASCII)
_OPAQUE = "application/octet-stream"
FENCES: HeaderList = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "sandbox; default-src 'none'"),
    ("cross-origin-resource-policy", "same-site"),
]
"""What keeps a browser from running bytes that anybody may have uploaded."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be answered.

    Where ``reply`` is set it is the whole answer (304, HEAD, an empty content) and nothing need be opened. Else open
    ``span`` of the object (None: all of it) and answer ``reply_with`` what was opened.
    """

    reply: Reply | None
    span: Span | None
    status: int
    headers: HeaderList
    length: int

    def reply_with(self, opened: Opened) -> Reply:
        """The answer that gives out ``opened`` and closes it, whatever happens."""
        return Reply(status=self.status, headers=self.headers, body=opened.body, length=self.length, close=opened.close)


def plan_download(call: Call, file: File, *, inline: bool = False) -> Plan:
    """Decide how to answer ``call`` (GET or HEAD) with the content of ``file``.

    ``inline`` is what the caller wishes; it is granted only for the types that cannot run scripts, by the detected
    type. Raises ``Stale`` (If-Match) and ``BadRange``.
    """
    etag = file.etag
    require_match(call, etag)
    headers: HeaderList = [
        ("etag", f'"{etag}"'),
        ("last-modified", format_datetime(file.updated_at, usegmt=True)),
        ("cache-control", "private, no-cache"),
    ]
    if unchanged(call, etag):
        return _whole_answer(Reply(status=304, headers=headers))
    headers.extend(_content_headers(file, inline))
    if call.method == "HEAD":
        return _whole_answer(Reply(headers=headers, length=file.size))
    span = parse(call.headers.get("range"), file.size) if still_current(call.headers.get("if-range"), etag) else None
    if span is None:
        return Plan(reply=None, span=None, status=200, headers=headers, length=file.size)
    headers.append(("content-range", f"bytes {span.start}-{span.stop - 1}/{file.size}"))
    return Plan(reply=None, span=span, status=206, headers=headers, length=span.length)


def _whole_answer(reply: Reply) -> Plan:
    return Plan(reply=reply, span=None, status=reply.status, headers=reply.headers, length=reply.length or 0)


def _content_headers(file: File, inline: bool) -> HeaderList:
    shown_as = inline_type(file.detected) if inline else None
    name = file.name.rpartition("/")[2]
    headers: HeaderList = [
        ("content-type", shown_as or declared_type(file.type)),
        ("content-disposition", content_disposition("inline" if shown_as else "attachment", name)),
        ("accept-ranges", "bytes"),
        *FENCES,
    ]
    if file.sha256 is not None:
        headers.append(("repr-digest", f"sha-256=:{base64.b64encode(bytes.fromhex(file.sha256)).decode()}:"))
    return headers


def declared_type(declared: str) -> str:
    """``declared`` where it has the form of a media type, else the type that says nothing."""
    return declared if _MEDIA_TYPE.fullmatch(declared) else _OPAQUE
