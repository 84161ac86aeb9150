"""Who is calling, and what may be asked."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from kist.errors import BadName

_ACTOR_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,127}")


class Role(StrEnum):
    USER = "user"
    ADMIN = "admin"
    ANONYMOUS = "anonymous"


class Action(StrEnum):
    READ = "read"
    WRITE = "write"
    SHARE = "share"
    REMOVE = "remove"


class Actor(msgspec.Struct, frozen=True):
    """Who is calling: an id and a role. ``via`` names the key by which an application acts for its user."""

    id: str
    role: Role = Role.USER
    via: str | None = None

    @property
    def signed_in(self) -> bool:
        return self.role is not Role.ANONYMOUS

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN


ANONYMOUS = Actor("", Role.ANONYMOUS)


def check_actor_id(raw: str) -> str:
    """Return ``raw``, or raise ``BadName``: 1 to 128 of A-Z a-z 0-9 _ . @ + -, beginning with a letter or digit."""
    if not _ACTOR_ID.fullmatch(raw):
        raise BadName(f"{raw!r} is no actor id: 1 to 128 of A-Z a-z 0-9 _ . @ + -, beginning with a letter or digit")
    return raw
