"""End uploads that will not be finished: by the upload itself after a failure, or by the chore after its deadline.

Of an upload through the server nobody has heard before it is finished, so its rows go. A ticket was handed out: its
upload stays as a row that says how it ended, and its file stays pending, so that it can be started over.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from kist.errors import Clash, FileMissing, KistError
from kist.model.changes import Change, Drop, Swap
from kist.model.upload import Upload, UploadState
from kist.service.accounts import released
from kist.service.outbox import doomed_later, doomed_now, doomed_target, doomed_tickets
from kist.service.ports import Ports
from kist.service.repeats import open_record


async def end_ticket(ports: Ports, upload: Upload, state: UploadState, reason: str | None = None) -> Upload:
    """End an upload by ticket: it is ``aborted``, ``expired`` or ``refused``, and holds nothing any more.

    ``Clash`` when somebody else was quicker; nothing is changed then.
    """
    ended: Upload = msgspec.structs.replace(upload, state=state, reason=reason, ended_at=ports.clock.now())
    await ports.catalogue.commit(
        Swap(upload, ended),
        *released(upload, ports.limits),
        *doomed_tickets(ports, upload),
        *doomed_target(ports, upload),
    )
    return ended


async def end(ports: Ports, upload: Upload) -> None:
    """End an upload through the server: its rows go, its reservation is released, its place is doomed.

    Safe to repeat and to race with the upload itself: ``Clash`` or ``FileMissing`` when it was completed, prolonged
    or ended meanwhile, and nothing is changed then.
    """
    changes: list[Change] = [Drop(upload), *released(upload, ports.limits)]
    changes += [doomed_now(ports, upload), doomed_later(ports, upload)]
    if upload.new:
        changes.append(Drop(await ports.catalogue.file(upload.file_id)))
    if (record := await open_record(ports, upload)) is not None:
        changes.append(Drop(record))
    await ports.catalogue.commit(*changes)


async def abort(ports: Ports, upload: Upload) -> None:
    """End an upload after a failure. The caller is owed that error: what fails here is left to the chores."""
    with suppress(KistError):
        try:
            await end(ports, upload)
        except (Clash, FileMissing):
            await _doom_late_bytes(ports, upload)


async def _doom_late_bytes(ports: Ports, upload: Upload) -> None:
    """Somebody else ended this upload: what it wrote since then must go too, unless it was completed after all."""
    try:
        kept = (await ports.catalogue.file(upload.file_id)).key
    except FileMissing:
        kept = ""
    if kept != upload.key:
        await ports.catalogue.commit(doomed_later(ports, upload))
