"""The façade says what keeps it from serving; upkeep goes on when somebody else was quicker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from tests.unit.service.world import ANN, World

from kist.drive import drive
from kist.errors import CatalogueBusy, Clash, StoreUnavailable
from kist.model.changes import Change, Drop
from kist.model.upload import Intent, Repeat, Upload


def test_nothing_is_wrong_by_default(world: World) -> None:
    assert drive(world.kist.problems()) == {}


def test_each_part_that_fails_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy() -> None:
        raise CatalogueBusy("locked")

    world.kist.draining = True
    monkeypatch.setattr(world.catalogue, "ping", busy)
    drive(world.store.drop_bucket("kist"))
    assert drive(world.kist.problems()) == {
        "server": "stopping",
        "database": "catalogue_busy",
        "store": "bucket_missing",
    }


def test_what_another_chore_erased_first_is_fine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        drive(world.kist.files.remove(ANN, world.put(ANN, name, b"1").id))
    world.clock.advance(3601)
    first, _ = drive(world.catalogue.doomed(world.clock.now(), 10))
    commit = world.catalogue.commit

    async def after_another(*changes: Change) -> None:
        if Drop(first) in changes and len(changes) > 1:
            await commit(Drop(first))
        await commit(*changes)

    with monkeypatch.context() as patch:
        patch.setattr(world.catalogue, "commit", after_another)
        assert drive(world.kist.upkeep.erase_doomed()) == 2
    assert drive(world.catalogue.doomed(world.clock.now(), 10)) == ()
    assert world.objects() == set()


def test_an_upload_that_ends_while_the_chore_looks_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    commit = world.catalogue.commit

    async def always_late(*changes: Change) -> None:
        raise Clash("somebody was quicker", change=0)

    async def body() -> AsyncIterator[bytes]:
        yield b"1"
        world.clock.jump(121)
        monkeypatch.setattr(world.catalogue, "commit", always_late)
        ended.append(await world.kist.upkeep.end_overdue_uploads())
        monkeypatch.setattr(world.catalogue, "commit", commit)

    assert drive(world.kist.uploads.receive(ANN, Intent(name="x"), body())).size == 1
    assert ended == [0]


def test_an_upload_that_was_prolonged_while_the_chore_looks_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    overdue = world.catalogue.overdue
    looked: list[Upload] = []

    async def body() -> AsyncIterator[bytes]:
        yield b"1"
        world.clock.advance(121)
        looked.extend(await overdue(world.clock.now(), 10))
        yield b"2"
        monkeypatch.setattr(world.catalogue, "overdue", seen_before)
        assert await world.kist.upkeep.end_overdue_uploads() == 0

    async def seen_before(now: datetime, limit: int) -> tuple[Upload, ...]:
        return tuple(looked)

    assert drive(world.kist.uploads.receive(ANN, Intent(name="x"), body())).size == 2
    assert len(looked) == 1


def test_a_record_that_another_chore_forgot_first_is_fine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(ANN, "x", b"1", repeat=Repeat("k", "print"))
    world.clock.advance(25 * 3600)

    async def always_late(*changes: Change) -> None:
        raise Clash("somebody was quicker", change=0)

    monkeypatch.setattr(world.catalogue, "commit", always_late)
    assert drive(world.kist.upkeep.forget_old_requests()) == 0


def test_an_upload_whose_store_failed_is_ended_later_by_the_chore(world: World) -> None:

    async def down_for_good(*changes: Change) -> None:
        raise CatalogueBusy("locked")

    async def body() -> AsyncIterator[bytes]:
        yield b"1"
        world.catalogue.commit = down_for_good  # type: ignore[method-assign]
        raise StoreUnavailable("down")

    honest = world.catalogue.commit
    with pytest.raises(StoreUnavailable):
        drive(world.kist.uploads.receive(ANN, Intent(name="x"), body()))
    world.catalogue.commit = honest  # type: ignore[method-assign]
    assert drive(world.catalogue.usage("ann")).uploads == 1
    world.clock.advance(121)
    assert drive(world.kist.upkeep.end_overdue_uploads()) == 1
    assert drive(world.catalogue.usage("ann")).uploads == 0
