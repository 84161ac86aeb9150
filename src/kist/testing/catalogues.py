"""What every catalogue must do. Subclass ``CatalogueContract`` in your test file and give one fixture:

``catalogue``   the catalogue under test, empty

No test of ``CatalogueContract`` needs an event loop, so ``kist.testing.ground.driven`` can run them without one; add
``CatalogueRaces`` where there is one. Every test is a plain coroutine that takes the catalogue alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from kist.errors import FileMissing, KeyMissing, UploadMissing
from kist.model.actor import Role
from kist.model.bucket import Bucket
from kist.model.changes import Add, Row, row_id
from kist.model.file import File, FileState
from kist.model.job import Compared, Entry, Job, Step
from kist.model.link import Link
from kist.model.profile import Profile
from kist.model.query import FileQuery
from kist.model.rows import AuditEntry, Doomed, Idempotency, Key, Latch, SealedKeys, Usage
from kist.model.share import Share
from kist.model.upload import Door, Upload, UploadState
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_buckets import BucketContract
from kist.testing.catalogue_commits import CommitContract
from kist.testing.catalogue_jobs import JobContract
from kist.testing.catalogue_pages import PageContract
from kist.testing.catalogue_races import CatalogueRaces
from kist.testing.catalogue_samples import (
    NAMES,
    ODD_IDS,
    TIB,
    TIMES,
    a_doomed,
    a_file,
    a_full_file,
    a_key,
    a_record,
    an_entry,
    an_upload,
    at,
    changed,
    one_of_each,
)
from kist.testing.catalogue_sharing import SharingContract
from kist.testing.catalogue_terms import TermContract

__all__ = ["CatalogueContract", "CatalogueRaces"]


async def find(catalogue: Catalogue, row: Row) -> Row | None:
    """The stored twin of ``row``, whatever its kind."""
    match row:
        case Idempotency(actor=actor, key=key):
            return await catalogue.idempotency(actor, key)
        case Doomed(id=id):
            return next((one for one in await catalogue.doomed(TIMES[-1], 1000) if one.id == id), None)
        case Step(job=job, key=key):
            return next((one for one in await catalogue.steps(job, 1000) if one.key == key), None)
        case Entry(dest=dest, key=key):
            return next((one for one in await catalogue.entries(dest, 1000) if one.key == key), None)
        case Compared(sync=sync, key=key):
            return next((one for one in await catalogue.compared(sync, 1000) if one.key == key), None)
        case Share(file_id=file_id, actor=actor):
            return await catalogue.share(file_id, actor)
        case SealedKeys(job=job):
            return await catalogue.sealed_keys(job)
        case AuditEntry(id=id):
            return next((one for one in await catalogue.audit(1000) if one.id == id), None)
        case _:
            return await _asked_for(catalogue, row)


async def _asked_for(catalogue: Catalogue, row: Row) -> Row | None:
    """The same for those kinds that are asked for by their one identity."""
    asks: dict[type, Callable[[str], Awaitable[Row | None]]] = {
        File: catalogue.file,
        Upload: catalogue.upload,
        Key: catalogue.key,
        Link: catalogue.link,
        Profile: catalogue.profile,
        Bucket: catalogue.bucket,
        Job: catalogue.job,
        Latch: catalogue.latch,
    }
    (identity,) = row_id(row)
    return await asks[type(row)](identity)


class CatalogueContract(CommitContract, PageContract, SharingContract, BucketContract, JobContract, TermContract):
    """The duties of ``kist.ports.catalogue.Catalogue``."""

    async def test_rows_read_back_field_by_field(self, catalogue: Catalogue) -> None:
        rows: list[Row] = [*one_of_each(), a_full_file()]
        rows += [an_upload(size=0, sha256="ef" * 32, new=False, repeat_key="r", reserved=5 * TIB, door=Door.FORM)]
        rows += [a_key(role=Role.ADMIN, label="läbel", expires_at=TIMES[1], revoked_at=TIMES[2])]
        rows += [a_doomed(unfinished=True, key=".kist/in/é"), an_entry(via="key")]
        rows += [a_record(answer=b""), a_record(answer=bytes(range(256))), a_record(key="it's")]
        await catalogue.commit(*map(Add, rows))
        for row in rows:
            assert await find(catalogue, row) == row

    async def test_names_of_every_script_read_back(self, catalogue: Catalogue) -> None:
        files = [a_file(name=name, metadata={name: name}) for name in NAMES]
        await catalogue.commit(*map(Add, files))
        for file in files:
            assert await catalogue.file(file.id) == file

    async def test_times_keep_their_microseconds(self, catalogue: Catalogue) -> None:
        for time in TIMES:
            file = a_file(created_at=time, updated_at=time)
            await catalogue.commit(Add(file))
            found = await catalogue.file(file.id)
            assert (found.created_at, found.updated_at) == (time, time)

    async def test_sizes_up_to_63_bits_read_back(self, catalogue: Catalogue) -> None:
        for size in (0, 1, (1 << 31) - 1, 1 << 32, 5 * TIB, (1 << 63) - 1):
            file = a_file(size=size)
            await catalogue.commit(Add(file))
            assert (await catalogue.file(file.id)).size == size

    async def test_every_state_reads_back(self, catalogue: Catalogue) -> None:
        for state in FileState:
            file = a_file(state=state)
            await catalogue.commit(Add(file))
            assert (await catalogue.file(file.id)).state is state
        for step in UploadState:
            upload = an_upload(state=step)
            await catalogue.commit(Add(upload))
            assert (await catalogue.upload(upload.id)).state is step

    async def test_what_is_not_there_is_missing(self, catalogue: Catalogue) -> None:
        await catalogue.commit(*map(Add, one_of_each()))
        for odd in ODD_IDS:
            with pytest.raises(FileMissing):
                await catalogue.file(odd)
            with pytest.raises(UploadMissing):
                await catalogue.upload(odd)
            with pytest.raises(KeyMissing):
                await catalogue.key(odd)
            assert await catalogue.idempotency(odd, odd) is None
            assert await catalogue.idempotency("ann", odd) is None
            assert await catalogue.usage(odd) == Usage(owner=odd)
        assert len((await catalogue.files(FileQuery(visible_to=None))).items) == 1

    async def test_ids_are_compared_exactly(self, catalogue: Catalogue) -> None:
        file = a_file(id="abc")
        await catalogue.commit(Add(file))
        for other in ("ABC", "abc ", " abc", "ab", "abc\0", "a_c", "a%"):
            with pytest.raises(FileMissing):
                await catalogue.file(other)

    async def test_idempotency_keys_belong_to_their_actor(self, catalogue: Catalogue) -> None:
        mine, theirs = a_record(key="same", fingerprint="1"), a_record(actor="bob", key="same", fingerprint="2")
        await catalogue.commit(Add(mine), Add(theirs))
        assert await catalogue.idempotency("ann", "same") == mine
        assert await catalogue.idempotency("bob", "same") == theirs
        assert await catalogue.idempotency("cid", "same") is None

    async def test_old_idempotency_is_what_has_an_answer(self, catalogue: Catalogue) -> None:
        done = [a_record(created_at=at(minute), answer=b"x") for minute in (3, 1, 2, 9)]
        await catalogue.commit(Add(a_record(created_at=at(0))), *map(Add, done))
        assert await catalogue.old_idempotency(at(9), 10) == (done[1], done[2], done[0])
        assert await catalogue.old_idempotency(at(9), 2) == (done[1], done[2])
        assert await catalogue.old_idempotency(at(1), 10) == ()

    async def test_overdue_uploads_come_oldest_deadline_first(self, catalogue: Catalogue) -> None:
        late = [an_upload(deadline=at(minute)) for minute in (3, 1, 2, 9)]
        late[1] = changed(late[1], state=UploadState.SEALING)
        ended = [an_upload(state=state, deadline=at(0)) for state in UploadState if state not in ("open", "sealing")]
        await catalogue.commit(*map(Add, late + ended))
        assert await catalogue.overdue(at(9), 10) == (late[1], late[2], late[0])
        assert await catalogue.overdue(at(9), 1) == (late[1],)
        assert await catalogue.overdue(at(1), 10) == ()

    async def test_doomed_places_come_when_their_time_has_come(self, catalogue: Catalogue) -> None:
        places = [a_doomed(not_before=at(minute)) for minute in (3, 1, 2, 9)]
        await catalogue.commit(*map(Add, places))
        assert await catalogue.doomed(at(3), 10) == (places[1], places[2], places[0])
        assert await catalogue.doomed(at(3), 2) == (places[1], places[2])
        assert await catalogue.doomed(at(0), 10) == ()

    async def test_keys_lists_what_is_not_revoked(self, catalogue: Catalogue) -> None:
        keys = [a_key(created_at=at(minute)) for minute in (3, 1, 2)]
        expired = a_key(created_at=at(4), expires_at=at(5))
        await catalogue.commit(*map(Add, keys), Add(expired), Add(a_key(revoked_at=at(1))))
        assert await catalogue.keys() == (keys[1], keys[2], keys[0], expired)

    async def test_audit_shows_the_newest_first(self, catalogue: Catalogue) -> None:
        entries = [an_entry(at=at(minute)) for minute in (3, 1, 2)]
        await catalogue.commit(*map(Add, entries))
        assert await catalogue.audit(10) == (entries[0], entries[2], entries[1])
        assert await catalogue.audit(1) == (entries[0],)

    async def test_an_empty_catalogue_answers(self, catalogue: Catalogue) -> None:
        assert (await catalogue.files(FileQuery(visible_to=None))).items == ()
        assert await catalogue.overdue(TIMES[-1], 10) == ()
        assert await catalogue.doomed(TIMES[-1], 10) == ()
        assert await catalogue.old_idempotency(TIMES[-1], 10) == ()
        assert await catalogue.keys() == ()
        assert await catalogue.audit(10) == ()
        await catalogue.ping()
