"""What is decided before a body is read: who is calling, whether they may at all, and whether there is room."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from kist.errors import Busy, Invalid, NotAllowed, NotSignedIn, TooLarge, TooMany, WrongType
from kist.model.actor import Actor
from kist.ports.measures import Measures
from kist.wire.body import too_large
from kist.wire.call import Call
from kist.wire.credentials import act_as
from kist.wire.pages import refuse_foreign_forms, refuse_foreign_pages
from kist.wire.routes import BodyKind, Dialect, Needs, Route

BUSY_WAIT = 5
MOST_DIGITS = 18
"""Of a Content-Length: no body is of 10^18 bytes."""


class Admits(Protocol):
    async def admit(
        self, token: str | None, *, act_as: str | None, address: str, dialect: str, known: Actor | None = None
    ) -> Actor:
        """The actor who is calling; ``NotSignedIn``, ``TooMany`` or ``NotAllowed``."""


class Served(Protocol):
    """What the host needs of the façade that it hands to the handlers."""

    @property
    def entry(self) -> Admits:
        """Who may come in."""

    @property
    def measures(self) -> Measures:
        """Where requests are counted."""


async def admit(
    call: Call, route: Route, dialect: Dialect, entry: Admits, *, origins: frozenset[str] = frozenset()
) -> None:
    """Set the actor of ``call``, or raise when they may not use ``route``. ``origins``: whose pages are trusted."""
    if route.needs is Needs.NOTHING:
        return
    # Whom the application around has recognised may have come by a cookie: that is judged like no credential at all.
    token = _credential(call, dialect) if call.known is None else None
    actor = await entry.admit(token, act_as=act_as(call), address=call.address, dialect=dialect.name, known=call.known)
    if route.needs is Needs.WHAT_IT_NEEDS and not actor.signed_in:
        return
    if not actor.signed_in:
        raise NotSignedIn("sign in first: send a key as Authorization: Bearer, or as the password of Basic")
    if token is None:
        refuse_foreign_pages(call, origins)
    else:
        refuse_foreign_forms(call, origins)
    if route.needs is Needs.ADMIN and not actor.is_admin:
        raise NotAllowed("only an admin may do this")
    call.actor = actor


def _credential(call: Call, dialect: Dialect) -> str | None:
    for take in dialect.credentials:
        token = take(call)
        if token is not None:
            return token
    return None


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


class Room:
    """How many bytes of bodies may be held in memory at the same time, in all and for one actor."""

    def __init__(self, total: int, per_actor: int) -> None:
        self._total = total
        self._per_actor = per_actor
        self._taken: Counter[str] = Counter()
        self.held = 0

    def take(self, actor: str, size: int) -> None:
        """Hold ``size`` bytes more: ``Busy`` when the server has no room, ``TooMany`` when the actor has its share."""
        if self.held + size > self._total:
            raise Busy("this server has as many requests in memory as it takes: try again", after=BUSY_WAIT)
        if self._taken[actor] + size > self._per_actor:
            raise TooMany("you have too many requests under way: finish one first", after=BUSY_WAIT)
        self._taken[actor] += size
        self.held += size

    def give(self, actor: str, size: int) -> None:
        """Give the room back."""
        self.held -= size
        self._taken[actor] -= size
        if not self._taken[actor]:
            del self._taken[actor]


class UploadSlots:
    """How many file bodies may be under way at the same time."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._taken: dict[str, int] = {}
        self.under_way = 0

    def take(self, address: str) -> None:
        """Take one slot: ``Busy`` when the server has none left, ``TooMany`` when the address has its share."""
        mine = self._taken.get(address, 0)
        if self.under_way >= self._total:
            raise Busy("this server has as many uploads under way as it takes: try again", after=BUSY_WAIT)
        if mine >= self._per_address:
            raise TooMany(f"your address has {mine} uploads under way: finish one first", after=BUSY_WAIT)
        self._taken[address] = mine + 1
        self.under_way += 1

    def give(self, address: str) -> None:
        """Give the slot back."""
        self.under_way -= 1
        if self._taken[address] == 1:
            del self._taken[address]
        else:
            self._taken[address] -= 1
