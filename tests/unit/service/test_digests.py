"""Files that came straight to the store get their sha256 from whoever reads them first: the chore."""

from __future__ import annotations

from hashlib import sha256

import pytest
from tests.unit.service.direct import DirectWorld
from tests.unit.service.world import ANN

from kist.drive import drive
from kist.model.file import File
from kist.model.upload import Way
from kist.service import digests


@pytest.fixture
def world() -> DirectWorld:
    return DirectWorld()


def direct(world: DirectWorld, data: bytes) -> File:
    ticket = world.begin(ANN, len(data), Way.PARTS)
    world.send(ticket, data)
    return world.complete(ANN, ticket)


def large(byte: bytes) -> bytes:
    """More than is looked at when an upload is completed."""
    return byte * 100_000


def test_a_digest_is_filled_in(world: DirectWorld) -> None:
    file, hashed = direct(world, large(b"x")), world.put(ANN, "b", b"through Kist")
    assert (file.sha256, hashed.sha256) == (None, sha256(b"through Kist").hexdigest())
    assert drive(world.kist.digests.fill()) == 1
    known = drive(world.kist.files.get(ANN, file.id))
    assert (known.sha256, known.updated_at) == (sha256(large(b"x")).hexdigest(), file.updated_at)
    assert drive(world.kist.digests.fill()) == 0


def test_new_bytes_do_not_get_the_digest_of_the_old(world: DirectWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    file = direct(world, large(b"x"))
    kept = digests.Digests._digest

    async def slowly(self: digests.Digests, read: File) -> str:
        digest = await kept(self, read)
        monkeypatch.undo()
        ticket = await world.kist.tickets.ticket(ANN, (await world.catalogue.ended_uploads(later, 1))[0].id)
        world.send(ticket, large(b"y"))
        await world.kist.tickets.complete(ANN, ticket.upload.id)
        return digest

    world.later(seconds=1)
    later = world.clock.now()
    monkeypatch.setattr(digests.Digests, "_digest", slowly)
    assert drive(world.kist.digests.fill()) == 0
    assert drive(world.kist.files.get(ANN, file.id)).sha256 is None
    assert drive(world.kist.digests.fill()) == 1
    assert drive(world.kist.files.get(ANN, file.id)).sha256 == sha256(large(b"y")).hexdigest()


def test_missing_bytes_keep_no_other_file_waiting(world: DirectWorld) -> None:
    files = [direct(world, large(bytes([65 + number]))) for number in range(3)]
    drive(world.store.erase(files[1].place))
    assert drive(world.kist.digests.fill()) == 2


def test_a_run_ends_when_enough_was_read(world: DirectWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        direct(world, large(b"x"))
    monkeypatch.setattr(digests, "ENOUGH", 150_000)
    assert [drive(world.kist.digests.fill()) for _ in range(3)] == [2, 1, 0]


def test_files_that_cannot_be_read_keep_no_later_run_waiting(
    world: DirectWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted((direct(world, large(bytes([65 + number]))) for number in range(4)), key=lambda file: file.id)
    drive(world.store.erase(files[0].place, files[1].place))
    monkeypatch.setattr(digests, "ENOUGH", 150_000)
    assert sum(drive(world.kist.digests.fill()) for _ in range(3)) == 2
