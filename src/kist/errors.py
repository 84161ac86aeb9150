"""Every error that Kist raises on purpose.

KistError                    code (stable string), message, about (facts), retry (bool)
├─ Refused                   the caller must change something
│  ├─ Invalid ─ BadName · BadRange · BadChecksum · WrongType · TooLarge · WrongMethod
│  │            · SourceRefused · EndpointRefused
│  ├─ Missing ─ FileMissing · ObjectMissing · BucketMissing · UploadMissing · LinkMissing · ShareMissing · KeyMissing
│  │           · JobMissing · SourceMissing
│  ├─ NotSignedIn · NotAllowed · Expired
│  ├─ TooMany · OverQuota
│  ├─ Conflict ─ Clash · WrongState · InProgress · Incomplete · UploadRefused · AlreadyThere · BucketNotEmpty · Stale
│  └─ Unsupported ─ UnsafeWay    this store cannot do that
├─ Unavailable               try again later ─ StoreUnavailable · CatalogueBusy · StoreFull · Busy
│                                                 · NotStarted
├─ Broken                    wake somebody ─ StoreRefused · EndpointRedirects · Corrupt · Misconfigured · ClockSkew
└─ Stopped ─ LeaseLost       cancelled by the user or by shutdown, or taken over

An error says what happened and what to do; it knows nothing of HTTP. Adapters translate foreign exceptions at their
border with ``raise … from``.
"""

from __future__ import annotations

import re
from typing import ClassVar

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


class KistError(Exception):
    """Root of the tree.

    ``code`` is the stable snake-case word that clients may branch on, made from the class name. ``about`` holds facts
    that are safe to show to the caller (ids, limits, sizes), never secrets. ``retry`` is true when the same request
    may succeed later without a change; ``about["after"]`` then says in how many seconds, where that is known.
    """

    code: ClassVar[str] = "kist_error"
    retry: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        cls.code = _WORD_START.sub("_", cls.__name__).lower()

    def __init__(self, message: str, **about: object) -> None:
        super().__init__(message)
        self.message = message
        self.about = about


class Refused(KistError):
    """The caller must change something before trying again."""


class Invalid(Refused):
    """The request cannot be understood or breaks a rule of form."""


class BadName(Invalid):
    """A file, bucket or key name breaks the naming rules."""


class SourceRefused(Invalid):
    """A sync may not read there: no such root, or a path that leads out of it."""


class EndpointRefused(Invalid):
    """A sync may not be pointed at this S3 server, or not like that."""


class BadRange(Invalid):
    """The asked range lies outside the content; ``about["size"]`` is the size in bytes."""


class BadChecksum(Invalid):
    """The bytes that arrived do not have the checksum that was declared."""


class WrongType(Invalid):
    """The media type is not accepted here."""


class TooLarge(Invalid):
    """More bytes than allowed; ``about["limit"]`` is the limit in bytes."""


class WrongMethod(Invalid):
    """Nothing is done by this method at this address; ``about["allowed"]`` names the methods that do something."""


class Missing(Refused):
    """There is no such thing, or the caller may not know of it: both look the same."""


class FileMissing(Missing):
    """No such file for this caller."""


class ObjectMissing(Missing):
    """No object at this place of the store."""


class BucketMissing(Missing):
    """No such bucket for this caller."""


class UploadMissing(Missing):
    """No such upload for this caller."""


class LinkMissing(Missing):
    """No such link: it never was, was revoked, has expired or is used up, all alike."""


class ShareMissing(Missing):
    """The file is not shared with this actor."""


class KeyMissing(Missing):
    """No such key."""


class JobMissing(Missing):
    """No such job for this caller."""


class SourceMissing(Missing):
    """What was to be synced is not there."""


class NotSignedIn(Refused):
    """The caller gave no credential, or one that is not valid."""


class NotAllowed(Refused):
    """The caller is known and may not do this."""


class Expired(Refused):
    """The time in which this could be done is over: ask for a new one."""


class TooMany(Refused):
    """Too many tries or too many open things; ``about["after"]`` says when to come back, in seconds."""

    retry = True


class OverQuota(Refused):
    """The owner's quota would be exceeded."""


class Conflict(Refused):
    """The request does not fit the present state."""


class Clash(Conflict):
    """Somebody else changed the row first: read it again and decide again.

    ``change``: which of the changes handed over together could not be made, counted from 0; None where none was.
    """

    retry = True

    def __init__(self, message: str, *, change: int | None = None, **about: object) -> None:
        super().__init__(message, **about)
        self.change = change


class WrongState(Conflict):
    """The thing is in a state from which this move is not allowed."""


class InProgress(Conflict):
    """The same request is being carried out right now; ask again in ``about["after"]`` seconds."""

    retry = True


class Incomplete(Conflict):
    """Fewer bytes arrived than were declared, or the sender left before the end."""


class UploadRefused(Conflict):
    """The bytes that arrived break a rule, so the upload has ended; ``about["reason"]`` is the rule's code."""


class AlreadyThere(Conflict):
    """Something with this name or id exists already."""


class BucketNotEmpty(Conflict):
    """A bucket that holds objects, or whose sync has not ended, is never removed."""


class Stale(Conflict):
    """The caller's condition (If-Match) names a version that is no longer current."""


class Unsupported(Refused):
    """This store or server cannot do that."""


class UnsafeWay(Unsupported):
    """The store was not seen to hold what this way of uploading needs; ``about["failed"]`` names the checks."""


class Unavailable(KistError):
    """Nothing is wrong with the request: try again later."""

    retry = True


class StoreUnavailable(Unavailable):
    """The object store did not answer, or answered that it is overloaded."""


class CatalogueBusy(Unavailable):
    """The database did not take the change in time."""


class StoreFull(Unavailable):
    """The store or the disk has no room left."""


class Busy(Unavailable):
    """This server has as many uploads under way as it takes."""


class NotStarted(Unavailable):
    """A Kist that is mounted in another application could not start; the next request tries again."""


class Broken(KistError):
    """Something is wrong on the operator's side: wake somebody."""


class StoreRefused(Broken):
    """The store refused what Kist asked: wrong key, missing right, unexpected answer."""


class EndpointRedirects(Broken):
    """The S3 server sends Kist to another address, where it does not go."""


class Corrupt(Broken):
    """Stored bytes are not what was stored."""


class Misconfigured(Broken):
    """The settings cannot work; the message says which and how to mend it."""


class ClockSkew(Broken):
    """This machine's clock and the store's differ too much to sign requests."""


class Stopped(KistError):
    """Cancelled by the user or by shutdown."""


class LeaseLost(Stopped):
    """Another worker has taken the job over, because this one showed no sign of life for too long."""


def kinds() -> dict[str, type[KistError]]:
    """Every error by its code."""
    return _below(KistError)


def error_in(reason: str) -> KistError:
    """The error that ended a job, out of its reason: ``code: message``."""
    code, _, message = reason.partition(": ")
    kind = kinds().get(code)
    return Broken(reason) if kind is None else kind(message)


def _below(kind: type[KistError]) -> dict[str, type[KistError]]:
    found = {kind.code: kind}
    for below in kind.__subclasses__():
        found |= _below(below)
    return found
