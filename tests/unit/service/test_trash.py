"""What syncs put aside is kept for a while, in every bucket, and then erased; nothing else is."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.service.direct import DirectWorld
from tests.unit.service.world import ANN, BUCKET, blocks

from kist.drive import drive
from kist.model.content import PutRules
from kist.model.place import Place


def put(world: DirectWorld, bucket: str, key: str) -> None:
    drive(world.store.put(Place(bucket, key), blocks(b"old"), PutRules()))


def test_trash_goes_when_its_time_is_over() -> None:
    world = DirectWorld()
    drive(world.kist.buckets.create(ANN, "anns-files"))
    for bucket in (BUCKET, "anns-files"):
        put(world, bucket, ".kist/trash/1/a.txt")
        put(world, bucket, "readable")
    kept = world.put(ANN, "a", b"kept")
    assert drive(world.kist.upkeep.erase_trash()) == 0
    world.clock.advance(timedelta(days=7, seconds=1).total_seconds())
    put(world, BUCKET, ".kist/trash/2/b.txt")
    assert drive(world.kist.upkeep.erase_trash()) == 2
    assert world.objects() == {".kist/trash/2/b.txt", "readable", kept.key}
