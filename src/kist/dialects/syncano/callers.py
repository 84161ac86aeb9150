"""Who is calling: a user by a user's key, an admin by an API key, or both at once.

A key counts by where it stands. An admin's key in a user's place is that user and no admin, so that a page that was
handed the wrong key does not come to rule. An Authorization header says nothing of who it is for, so there the key of
a user signs in that user.
"""

from __future__ import annotations

from dataclasses import dataclass

from kist.dialects.syncano.arguments import Keys
from kist.errors import NotAllowed, NotSignedIn
from kist.model.actor import Actor, Role
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.credentials import any_scheme

DIALECT_NAME = "syncano"
_USER_FIELDS = ("user_key", "userkey", "_user_key")
_ADMIN_FIELDS = ("api_key", "apikey")


def user_key(call: Call) -> str | None:
    """The key of a user: X-User-Key, or in the query."""
    return _first(call, "x-user-key", _USER_FIELDS)


def admin_key(call: Call) -> str | None:
    """The key of an admin: X-API-KEY, in the query, or Authorization with any word before it."""
    found = _first(call, "x-api-key", _ADMIN_FIELDS)
    return any_scheme(call) if found is None else found


@dataclass(frozen=True)
class Callers:
    """Who is signed in. ``admin`` is one indeed."""

    user: Actor | None
    admin: Actor | None

    def the_user(self) -> Actor:
        """The user, for what only they may do. ``NotSignedIn``."""
        if self.user is None:
            raise not_signed_in()
        return self.user

    def the_admin(self) -> Actor:
        """The admin, for what only they may do. ``NotAllowed`` for a user, ``NotSignedIn`` for nobody."""
        if self.admin is not None:
            return self.admin
        if self.user is not None:
            raise NotAllowed("Forbidden")
        raise not_signed_in()


async def callers(call: Call, kist: Kist, keys: Keys) -> Callers:
    """Who is calling, by all keys that the call brings; the host has judged the first of those outside the body.

    ``NotSignedIn`` for any wrong key, whatever others stand beside it: who tried to sign in and failed is nobody, and
    who asks in the name of an unknown user asks for nothing else.
    """
    first, second = user_key(call), admin_key(call)
    user = call.actor if first is not None else await _admitted(call, kist, keys.user)
    if second is None:
        second = keys.admin
    elif first is None:
        return _told_apart(call, user, call.actor)
    return _told_apart(call, user, await _admitted(call, kist, second))


def _told_apart(call: Call, user: Actor | None, other: Actor | None) -> Callers:
    if user is None and other is None and call.actor.signed_in:
        user = call.actor  # as whom callers of this contract without a key act
    if other is not None and not other.is_admin:
        user, other = user or other, None
    if user is not None and user.is_admin:
        user = Actor(user.id, Role.USER, user.via)
    found = Callers(user, other)
    # For the log: the host knew of nobody when the key came in the body.
    call.actor = user or other or call.actor
    return found


async def _admitted(call: Call, kist: Kist, token: str | None) -> Actor | None:
    if token is None:
        return None
    return await kist.entry.admit(token, act_as=None, address=call.address, dialect=DIALECT_NAME)


def _first(call: Call, header: str, fields: tuple[str, ...]) -> str | None:
    found = call.headers.get(header)
    if found is not None:
        return found.strip()
    return next((value for field in fields if (value := call.query.get(field)) is not None), None)


def not_signed_in() -> NotSignedIn:
    """For calls that bring no key, or not the one that is due."""
    return NotSignedIn("send your key as X-User-Key, user_key or _user_key, an admin's as X-API-KEY")
