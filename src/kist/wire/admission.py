"""What every host decides before a body is read: who is calling, whether they may at all, what they may send."""

from __future__ import annotations

from typing import Protocol

from kist.errors import Invalid, NotAllowed, NotSignedIn, TooLarge, WrongType
from kist.model.actor import Actor
from kist.wire.body import too_large
from kist.wire.call import Call
from kist.wire.credentials import act_as
from kist.wire.pages import refuse_foreign_changes_of_known, refuse_foreign_forms, refuse_foreign_pages
from kist.wire.routes import BodyKind, Dialect, Needs, Route

MOST_DIGITS = 18
"""Of a Content-Length: no body is of 10^18 bytes."""


class Admits(Protocol):
    async def admit(
        self, token: str | None, *, act_as: str | None, address: str, dialect: str, known: Actor | None = None
    ) -> Actor:
        """The actor who is calling; ``NotSignedIn``, ``TooMany`` or ``NotAllowed``."""


async def admit(
    call: Call, route: Route, dialect: Dialect, entry: Admits, *, origins: frozenset[str] = frozenset()
) -> None:
    """Set the actor of ``call``, or raise when they may not use ``route``. ``origins``: whose pages are trusted."""
    if route.needs is Needs.NOTHING:
        return
    # Whom the application around has recognised may have come by a cookie: that is judged like no credential at all.
    token = credential(call, dialect) if call.known is None else None
    actor = await entry.admit(token, act_as=act_as(call), address=call.address, dialect=dialect.name, known=call.known)
    if actor.signed_in:
        if token is None:
            refuse_foreign_pages(call, origins)
        else:
            refuse_foreign_forms(call, origins)
    _let_in(call, route, actor)


async def admit_known(
    call: Call, route: Route, dialect: Dialect, entry: Admits, *, origins: frozenset[str] = frozenset()
) -> None:
    """The same where the host has recognised the caller, by whatever means, and answers to its own names alone."""
    actor = await entry.admit(None, act_as=None, address=call.address, dialect=dialect.name, known=call.known)
    refuse_foreign_changes_of_known(call, origins)
    _let_in(call, route, actor)


def credential(call: Call, dialect: Dialect) -> str | None:
    """What the caller shows where the dialect looks for it, None when there is nothing."""
    for take in dialect.credentials:
        token = take(call)
        if token is not None:
            return token
    return None


def _let_in(call: Call, route: Route, actor: Actor) -> None:
    if not actor.signed_in:
        if route.needs is Needs.WHAT_IT_NEEDS:
            return
        raise NotSignedIn("sign in first: send a key as Authorization: Bearer, or as the password of Basic")
    if route.needs is Needs.ADMIN and not actor.is_admin:
        raise NotAllowed("only an admin may do this")
    call.actor = actor


def check_body(call: Call, route: Route, small_body: int) -> None:
    """Raise for a body that ``route`` cannot take by what its headers say, and set the limit of what it may bring."""
    body = call.body
    if body.length == 0:
        return
    encoding = call.headers.get("content-encoding")
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise WrongType(f"send the body as it is: Content-Encoding {encoding[:40]!r} is not taken")
    if route.accepts_types and call.content_type not in route.accepts_types:
        taken = " or ".join(route.accepts_types)
        raise WrongType(f"send the body as {taken}, not as {call.content_type[:100] or 'a body without a type'}")
    limit = route.cap
    if limit is None and route.body is not BodyKind.FILE:
        limit = small_body
    body.limit = limit
    if limit is not None and body.length is not None and body.length > limit:
        raise too_large(limit)


def declared_length(call: Call) -> int | None:
    """The length of a body by the headers: None when only its end will tell, 0 when there is none."""
    declared = call.headers.get("content-length")
    if declared is None:
        return 0 if call.headers.get("transfer-encoding") is None else None
    if not declared.isascii() or not declared.isdigit():
        raise Invalid("Content-Length must be a number")
    if len(declared) > MOST_DIGITS:
        raise TooLarge("no body can be that large")
    return int(declared)
