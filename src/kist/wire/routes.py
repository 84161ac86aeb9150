"""Routes and dialects as data: hosts serve them, OpenAPI describes them, tests walk through them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

import msgspec

from kist.errors import KistError
from kist.wire.call import Call
from kist.wire.credentials import bearer_or_basic
from kist.wire.reply import Reply

Handler = Callable[[Call, Any], Awaitable[Reply]]
"""Answers a call. The second argument is the façade that the host holds; ``wire`` does not know its type."""

Credential = Callable[[Call], str | None]


class Needs(StrEnum):
    """Who may call a route at all. What they may do to a thing is the gate's to say."""

    NOTHING = "anyone, no credential"
    WHAT_IT_NEEDS = "anyone who may, with or without a credential"
    SIGNED_IN = "anyone signed in"
    ADMIN = "admins"


class BodyKind(StrEnum):
    """What body a route takes, and so who limits it."""

    NONE = "no body"
    SMALL = "a small body, limited by the host"
    FILE = "a file, limited by the service while it streams"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One way of calling Kist.

    ``path`` is a template: ``{id}`` takes one segment, ``{key...}`` at the end takes the rest. ``query``, ``accepts``
    and ``answers`` are the types of query, JSON body and JSON answer; ``answers=bytes`` means content. Handlers
    decode by them, OpenAPI is made of them. ``accepts_types`` are the media types taken, empty for any.
    ``cap`` replaces the host's limit for a small body.
    """

    method: str
    path: str
    handler: Handler
    name: str
    summary: str
    needs: Needs = Needs.SIGNED_IN
    body: BodyKind = BodyKind.NONE
    cap: int | None = None
    query: type[msgspec.Struct] | None = None
    accepts: type[msgspec.Struct] | None = None
    accepts_types: tuple[str, ...] = ()
    answers: Any = None
    status: int = 200
    errors: tuple[type[KistError], ...] = ()


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One wire contract: its routes, how it shows errors, and where callers may put their credentials."""

    name: str
    routes: tuple[Route, ...]
    show_error: Callable[[KistError, Call], Reply]
    credentials: tuple[Credential, ...] = (bearer_or_basic,)
