"""The outbox: places whose bytes the erase chore is to remove, committed with the change that makes them useless."""

from __future__ import annotations

from datetime import timedelta

from kist.model.changes import Add
from kist.model.file import File
from kist.model.place import Place
from kist.model.rows import Doomed
from kist.model.upload import Upload
from kist.service.ports import Ports


def doomed_after_reads(ports: Ports, file: File) -> Add:
    """The bytes of ``file`` are to be erased once no read that began before now can still be open."""
    return _doomed(ports, file.place, ports.limits.read_grace, unfinished=False)


def doomed_now(ports: Ports, upload: Upload) -> Add:
    """What an ended upload has brought so far is to be erased."""
    return _doomed(ports, upload.place, timedelta(0), unfinished=True)


def doomed_later(ports: Ports, upload: Upload) -> Add:
    """The same once no write that was given up can still land there."""
    return _doomed(ports, upload.place, ports.limits.late_write, unfinished=True)


def doomed_tickets(ports: Ports, upload: Upload) -> tuple[Add, ...]:
    """The place where a ticket let bytes in: now, and once nothing that was signed for it can land there any more."""
    last = max(upload.expires_at or ports.clock.now(), ports.clock.now())
    wait = last - ports.clock.now() + ports.limits.late_write
    return doomed_now(ports, upload), _doomed(ports, upload.place, wait, unfinished=True)


def doomed_target(ports: Ports, upload: Upload) -> tuple[Add, ...]:
    """What an attempt to seal may have made: now, and once a slow copy has ended."""
    if upload.target is None:
        return ()
    place = Place(upload.bucket, upload.target)
    return tuple(_doomed(ports, place, wait, unfinished=True) for wait in (timedelta(0), ports.limits.late_write))


def _doomed(ports: Ports, place: Place, wait: timedelta, *, unfinished: bool) -> Add:
    return Add(
        Doomed(
            id=ports.ids.uuid(),
            bucket=place.bucket,
            key=place.key,
            not_before=ports.clock.now() + wait,
            unfinished=unfinished,
        )
    )
