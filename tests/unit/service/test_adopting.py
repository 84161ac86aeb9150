"""Objects that were there before Kist become files where they lie."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.unit.service.world import ANN, BUCKET, ROOT, World, blocks

from kist.drive import drive
from kist.errors import AlreadyThere, KistError, NotAllowed, ObjectMissing
from kist.model.actor import Actor
from kist.model.content import PutRules
from kist.model.file import File
from kist.model.limits import Limits
from kist.model.place import Place
from kist.model.upload import Intent

MADE_AT = datetime(2019, 5, 6, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
def world() -> World:
    world = World(Limits(quota_bytes=1))
    drive(world.store.put(Place(BUCKET, "old/key"), blocks(PNG), PutRules()))
    return world


def adopted(world: World, actor: Actor = ROOT, key: str = "old/key", file_id: str = "id-1") -> File:
    intent = Intent(file_id=file_id, name="a.png", type="image/png")
    return drive(world.kist.objects.adopt(actor, BUCKET, key, "ann", intent, MADE_AT))


def test_it_stays_where_it_is_and_is_its_owners(world: World) -> None:
    file = adopted(world)
    assert drive(world.kist.files.get(ANN, "id-1")) == file
    assert (file.key, file.size, file.detected, file.created_at) == ("old/key", len(PNG), "image/png", MADE_AT)
    assert (file.state, file.version, file.sha256) == ("ready", 1, None)
    usage = drive(world.catalogue.usage("ann"))
    assert (usage.files, usage.bytes) == (1, len(PNG))
    report = drive(world.kist.audit.run())
    assert (report.clean, report.lost) == (True, 0)


def test_it_is_removed_like_any_file(world: World) -> None:
    adopted(world)
    drive(world.kist.files.remove(ANN, "id-1"))
    usage = drive(world.catalogue.usage("ann"))
    assert (usage.files, usage.bytes) == (0, 0)
    world.clock.advance(world.limits.read_grace.total_seconds() * 2)
    drive(world.kist.upkeep.erase_doomed())
    with pytest.raises(ObjectMissing):
        drive(world.store.head(Place(BUCKET, "old/key")))


@pytest.mark.parametrize(
    ("actor", "key", "error"),
    [(ANN, "old/key", KistError), (ROOT, "absent", ObjectMissing), (ROOT, ".kist/objects/x", ObjectMissing)],
)
def test_what_cannot_be_adopted(world: World, actor: Actor, key: str, error: type[KistError]) -> None:
    with pytest.raises(error):
        adopted(world, actor, key)


def test_the_owner_of_a_bucket_is_no_admin(world: World) -> None:
    drive(world.kist.buckets.create(ANN, "anns"))
    drive(world.store.put(Place("anns", "k"), blocks(b"x"), PutRules()))
    with pytest.raises(NotAllowed):
        drive(world.kist.objects.adopt(ANN, "anns", "k", "ann", Intent(name="a"), MADE_AT))


def test_once_and_by_one(world: World) -> None:
    adopted(world)
    with pytest.raises(AlreadyThere):
        adopted(world, file_id="id-2")
    drive(world.store.put(Place(BUCKET, "other"), blocks(b"x"), PutRules()))
    with pytest.raises(AlreadyThere):
        adopted(world, key="other")
