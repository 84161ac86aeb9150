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
