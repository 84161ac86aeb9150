"""What commits must do: all or nothing, compare-and-set, guarded counts. Part of ``CatalogueContract``."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kist.errors import Clash, FileMissing, UploadMissing, WrongState
from kist.model.bucket import Bucket
from kist.model.changes import Add, Change, Count, Counter, Drop, Row, Swap
from kist.model.file import FileState, Visibility
from kist.model.job import Compared, Entry, Step
from kist.model.rows import Idempotency, Latch, SealedKeys, Usage
from kist.model.share import Share
from kist.model.upload import UploadState, Way
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import (
    TIB,
    TIMES,
    a_doomed,
    a_file,
    a_full_file,
    a_record,
    an_upload,
    another_value,
    at,
    changed,
    one_of_each,
)


async def clashes(catalogue: Catalogue, *changes: Change, at_change: int = 0) -> None:
    """Demand that the commit is refused because of the change with that index."""
    with pytest.raises(Clash) as refused:
        await catalogue.commit(*changes)
    assert refused.value.change == at_change


def count(by: int, at_most: int | None = None, counter: Counter = Counter.FILES, owner: str = "ann") -> Count:
    """A ``Count`` of ``ann``'s files, unless said otherwise."""
    return Count(owner=owner, counter=counter, by=by, at_most=at_most)


def _free_fields(row: Row) -> list[str]:
    """The fields that a swap may change without regard to states."""
    return [field.name for field in msgspec.structs.fields(row) if field.name not in ("id", "state", "visibility")]


class CommitContract:
    """The duties of ``Catalogue.commit``."""

    async def test_an_id_is_taken_once(self, catalogue: Catalogue) -> None:
        for row in one_of_each():
            await catalogue.commit(Add(row))
            await clashes(catalogue, Add(row))
            await clashes(catalogue, Add(a_file()), Add(row), at_change=1)

    async def test_an_id_that_is_taken_changes_nothing(self, catalogue: Catalogue) -> None:
        file, other = a_file(), a_file()
        await catalogue.commit(Add(file))
        await clashes(catalogue, Add(other), count(1), Add(changed(file, name="usurper")), at_change=2)
        assert await catalogue.file(file.id) == file
        assert await catalogue.usage("ann") == Usage(owner="ann")
        with pytest.raises(FileMissing):
            await catalogue.file(other.id)

    async def test_a_dropped_id_is_free_again(self, catalogue: Catalogue) -> None:
        file = a_file()
        await catalogue.commit(Add(file))
        await catalogue.commit(Drop(file))
        await catalogue.commit(Add(file))
        assert await catalogue.file(file.id) == file

    async def test_a_swap_changes_what_differs(self, catalogue: Catalogue) -> None:
        for row in one_of_each():
            await catalogue.commit(Add(row))
            now = row
            for name in (name for name in _free_fields(row) if name not in _identity(row)):
                after = changed(now, **{name: _another(row, name)})
                await catalogue.commit(Swap(now, after))
                now = after
            await catalogue.commit(Swap(now, now), Drop(now))

    async def test_a_swap_writes_every_field(self, catalogue: Catalogue) -> None:
        file = a_file(state=FileState.PENDING)
        await catalogue.commit(Add(file))
        after = a_full_file(id=file.id, visibility=Visibility.PRIVATE)
        await catalogue.commit(Swap(file, after))
        assert await catalogue.file(file.id) == after
        plain = a_file(id=file.id)
        await catalogue.commit(Swap(after, plain))
        assert await catalogue.file(file.id) == plain

    async def test_a_swap_compares_each_field_that_it_changes(self, catalogue: Catalogue) -> None:
        for row in one_of_each():
            await catalogue.commit(Add(row))
            for name in (name for name in _free_fields(row) if name not in _identity(row)):
                before = changed(row, **{name: _another(row, name)})
                await clashes(catalogue, Swap(before, row))
                third = changed(row, **{name: _another(before, name)})
                await clashes(catalogue, Swap(before, third))
            await catalogue.commit(Drop(row))

    async def test_a_swap_ignores_fields_that_it_leaves_alone(self, catalogue: Catalogue) -> None:
        file = a_full_file()
        await catalogue.commit(Add(file))
        stale = changed(file, size=1, metadata={}, updated_at=at(1))
        await catalogue.commit(Swap(stale, changed(stale, name="renamed")))
        assert await catalogue.file(file.id) == changed(file, name="renamed")

    async def test_a_swap_compares_the_state_always(self, catalogue: Catalogue) -> None:
        file, upload = a_file(state=FileState.REMOVED), an_upload(state=UploadState.SEALING)
        await catalogue.commit(Add(file), Add(upload))
        ready = changed(file, state=FileState.READY)
        await clashes(catalogue, Swap(ready, changed(ready, name="renamed")))
        await clashes(catalogue, Swap(ready, ready))
        opened = changed(upload, state=UploadState.OPEN)
        await clashes(catalogue, Swap(opened, changed(opened, deadline=at(9))))
        await clashes(catalogue, Swap(opened, changed(opened, state=UploadState.EXPIRED)))
        assert await catalogue.file(file.id) == file
        assert await catalogue.upload(upload.id) == upload

    async def test_a_swap_finds_no_row_that_is_gone(self, catalogue: Catalogue) -> None:
        for row in one_of_each():
            await clashes(catalogue, Swap(row, row))
            await catalogue.commit(Add(row))
            await catalogue.commit(Drop(row))
            await clashes(catalogue, Swap(row, row))

    async def test_none_is_compared_like_any_value(self, catalogue: Catalogue) -> None:
        file = a_file(sha256=None)
        await catalogue.commit(Add(file))
        hashed = changed(file, sha256="ab" * 32)
        await catalogue.commit(Swap(file, hashed))
        await clashes(catalogue, Swap(file, changed(file, sha256="cd" * 32)))
        await catalogue.commit(Swap(hashed, file))
        assert await catalogue.file(file.id) == file

    async def test_the_order_of_metadata_does_not_matter(self, catalogue: Catalogue) -> None:
        file = a_file(metadata={"a": "1", "b": "2"})
        await catalogue.commit(Add(file))
        turned = changed(file, metadata={"b": "2", "a": "1"})
        await catalogue.commit(Swap(turned, changed(turned, metadata={})))
        assert (await catalogue.file(file.id)).metadata == {}

    async def test_forbidden_moves_are_refused_at_once(self, catalogue: Catalogue) -> None:
        file = a_file(state=FileState.REMOVED)
        await catalogue.commit(Add(file))
        with pytest.raises(WrongState):
            await catalogue.commit(Swap(file, changed(file, state=FileState.READY)))
        assert await catalogue.file(file.id) == file

    async def test_a_drop_needs_the_row_and_its_state(self, catalogue: Catalogue) -> None:
        file, upload = a_file(), an_upload()
        await catalogue.commit(Add(file), Add(upload))
        await clashes(catalogue, Drop(changed(file, state=FileState.PENDING)))
        await clashes(catalogue, Drop(changed(upload, state=UploadState.DONE)))
        assert await catalogue.file(file.id) == file
        assert await catalogue.upload(upload.id) == upload
        await catalogue.commit(Drop(changed(file, name="other")), Drop(upload))
        with pytest.raises(FileMissing):
            await catalogue.file(file.id)
        with pytest.raises(UploadMissing):
            await catalogue.upload(upload.id)

    async def test_a_row_is_dropped_once(self, catalogue: Catalogue) -> None:
        rows = one_of_each()
        await catalogue.commit(*map(Add, rows))
        for row in rows:
            await catalogue.commit(Drop(row))
            await clashes(catalogue, Drop(row))
        assert (await catalogue.doomed(TIMES[-1], 9), await catalogue.audit(9)) == ((), ())

    async def test_counters_move_independently(self, catalogue: Catalogue) -> None:
        await catalogue.commit(count(5 * TIB, counter=Counter.BYTES), count(2), count(1, counter=Counter.UPLOADS))
        await catalogue.commit(count(-1), count(7, owner="bob"), count(0, counter=Counter.UPLOADS))
        assert await catalogue.usage("ann") == Usage(owner="ann", bytes=5 * TIB, files=1, uploads=1)
        assert await catalogue.usage("bob") == Usage(owner="bob", files=7)

    async def test_a_count_stops_at_its_limit(self, catalogue: Catalogue) -> None:
        for counter in Counter:
            await catalogue.commit(count(9, 10, counter), count(1, 10, counter))
            for by, limit in ((1, 10), (5, 10), (0, 9), (1 << 40, 10)):
                with pytest.raises(Clash) as refused:
                    await catalogue.commit(count(by, limit, counter))
                assert refused.value.change == 0
            await catalogue.commit(count(0, 10, counter), count(-10, 10, counter), count(3, 3, counter))
        assert await catalogue.usage("ann") == Usage(owner="ann", bytes=3, files=3, uploads=3)

    async def test_the_first_count_of_an_owner_is_limited_too(self, catalogue: Catalogue) -> None:
        await clashes(catalogue, count(11, 10))
        await clashes(catalogue, count(1, 0))
        assert await catalogue.usage("ann") == Usage(owner="ann")
        await catalogue.commit(count(10, 10))
        await catalogue.commit(count(0, 0, owner="bob"))
        await catalogue.commit(count(-3, 0, owner="cid"), count(4, 1, owner="cid"))
        assert (await catalogue.usage("ann")).files == 10
        assert (await catalogue.usage("cid")).files == 1

    async def test_counts_in_one_commit_add_up(self, catalogue: Catalogue) -> None:
        await clashes(catalogue, count(6, 10), count(6, 10), at_change=1)
        assert (await catalogue.usage("ann")).files == 0
        await catalogue.commit(count(6, 10), count(-3), count(6, 10))
        assert (await catalogue.usage("ann")).files == 9

    async def test_nothing_of_a_refused_commit_stays(self, catalogue: Catalogue) -> None:
        kept, upload = a_file(name="kept"), an_upload()
        await catalogue.commit(Add(kept), Add(upload), count(1))
        record, place = a_record(), a_doomed()
        good: list[Change] = [
            Add(a_file()),
            Swap(kept, changed(kept, state=FileState.REMOVED)),
            Drop(upload),
            count(1),
            Add(record),
            Add(place),
        ]
        for position in range(len(good) + 1):
            await clashes(catalogue, *good[:position], Drop(a_file()), *good[position:], at_change=position)
            assert await catalogue.file(kept.id) == kept
            assert await catalogue.upload(upload.id) == upload
            assert await catalogue.usage("ann") == Usage(owner="ann", files=1)
            assert await catalogue.idempotency(record.actor, record.key) is None
            assert await catalogue.doomed(TIMES[-1], 9) == ()
        await catalogue.commit(*good)
        assert await catalogue.usage("ann") == Usage(owner="ann", files=2)

    async def test_later_changes_see_earlier_ones(self, catalogue: Catalogue) -> None:
        file = a_file(state=FileState.PENDING)
        ready = changed(file, state=FileState.READY, name="ready")
        await catalogue.commit(Add(file), Swap(file, ready), Swap(ready, changed(ready, name="renamed")))
        assert (await catalogue.file(file.id)).name == "renamed"
        await clashes(catalogue, Drop(changed(ready)), Drop(ready), at_change=1)

    async def test_a_record_made_anew_under_its_key_is_another_one(self, catalogue: Catalogue) -> None:
        old = a_record(created_at=at(0))
        new = changed(old, created_at=at(172_800))
        await catalogue.commit(Add(new))
        await clashes(catalogue, Drop(old), at_change=0)
        await clashes(catalogue, Swap(old, changed(old, answer=b"late")), at_change=0)
        assert await catalogue.idempotency(new.actor, new.key) == new

    async def test_many_changes_go_in_one_commit(self, catalogue: Catalogue) -> None:
        files = [a_file() for _ in range(500)]
        await clashes(catalogue, *map(Add, files), Add(files[0]), at_change=500)
        await clashes(catalogue, *map(Add, files[:300]), Add(files[0]), *map(Add, files[300:]), at_change=300)
        with pytest.raises(FileMissing):
            await catalogue.file(files[0].id)
        await catalogue.commit(*map(Add, files))
        assert await catalogue.file(files[499].id) == files[499]

    async def test_no_change_is_no_error(self, catalogue: Catalogue) -> None:
        await catalogue.commit()

    async def test_one_ready_file_holds_an_address(self, catalogue: Catalogue) -> None:
        holder = a_file(address="a.txt")
        rival = a_file(address="a.txt", state=FileState.PENDING)
        await catalogue.commit(Add(holder), Add(rival), Add(a_file(address="a.txt", bucket="other")))
        await catalogue.commit(Add(a_file(address=None)), Add(a_file(address="A.txt")))
        await clashes(catalogue, count(1), Add(a_file(address="a.txt")), at_change=1)
        await clashes(catalogue, count(1), Swap(rival, changed(rival, state=FileState.READY)), at_change=1)
        assert (await catalogue.usage("ann")).files == 0
        removed = changed(holder, state=FileState.REMOVED)
        await catalogue.commit(Swap(holder, removed), Swap(rival, changed(rival, state=FileState.READY)))
        assert (await catalogue.file(rival.id)).state is FileState.READY


def _identity(row: Row) -> tuple[str, ...]:
    if hasattr(row, "id"):
        return ("id",)
    named: dict[type, tuple[str, ...]] = {
        Bucket: ("name",),
        Share: ("file_id", "actor"),
        Idempotency: ("actor", "key"),
        Step: ("job", "key"),
        Entry: ("dest", "key"),
        SealedKeys: ("job",),
        Latch: ("name",),
        Compared: ("sync", "key"),
    }
    return named[type(row)]


def _another(row: Row, name: str) -> Any:
    """Another value that fits the field."""
    value = getattr(row, name)
    if value is None and name.endswith(("_at", "_until")):
        return at(1)
    if value is None and name in ("size", "part_size", "max_uses"):
        return 1
    if value is None and name == "way":
        return Way.PUT
    if value is None and name == "answer":
        return b"answer"
    return value + b"x" if isinstance(value, bytes) else another_value(value)
