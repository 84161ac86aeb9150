"""The audit: what does not fit is told, what may be swept is swept, and what belongs to others is not looked at."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.service.direct import DirectWorld
from tests.unit.service.world import ANN, BUCKET, blocks

from kist.drive import drive
from kist.model.content import PutRules
from kist.model.file import FileState
from kist.model.place import Place
from kist.model.upload import Way
from kist.service.audit import Report

OLD = timedelta(hours=26).total_seconds()


@pytest.fixture
def world() -> DirectWorld:
    return DirectWorld()


def put(world: DirectWorld, key: str, data: bytes = b"stray") -> None:
    drive(world.store.put(Place(BUCKET, key), blocks(data), PutRules()))


def run(world: DirectWorld, *, sweep: bool = False, repair: bool = False) -> Report:
    return drive(world.kist.audit.run(sweep=sweep, repair=repair))


def kinds(report: Report) -> list[tuple[str, str]]:
    return sorted((finding.kind, finding.key) for finding in report.findings)


def test_all_fits(world: DirectWorld) -> None:
    for number in range(5):
        world.put(ANN, f"{number}", b"x" * number)
    ticket = world.begin(ANN)
    world.send(ticket)
    world.complete(ANN, ticket)
    open_ticket = world.begin(ANN, 5, Way.PARTS)
    world.send(open_ticket)
    report = run(world)
    assert (report.clean, report.files, report.objects) == (True, 6, 7)


def test_strays_are_told_once_they_are_old(world: DirectWorld) -> None:
    for key in (".kist/in/a", ".kist/parts/b", ".kist/objects/c", ".kist/trash/1/d", "readable/e"):
        put(world, key)
    assert run(world, sweep=True).clean, "they may be on their way"
    world.clock.advance(OLD)
    report = run(world)
    assert kinds(report) == [("stray", f".kist/{key}") for key in ("in/a", "objects/c", "parts/b")]
    assert (report.strays, report.stray_bytes, report.swept, report.clean) == (3, 15, 0, False)


def test_a_sweep_takes_what_direct_uploads_leave(world: DirectWorld) -> None:
    for key in (".kist/in/a", ".kist/parts/b", ".kist/objects/c", ".kist/trash/1/d", "readable/e"):
        put(world, key)
    world.clock.advance(OLD)
    assert run(world, sweep=True).swept == 2
    drive(world.kist.upkeep.erase_doomed())
    assert world.objects() == {".kist/objects/c", ".kist/trash/1/d", "readable/e"}


def test_a_repair_takes_all_strays_but_the_trash(world: DirectWorld) -> None:
    kept = world.put(ANN, "kept", b"kept")
    for key in (".kist/in/a", ".kist/objects/c", ".kist/trash/1/d", "readable/e"):
        put(world, key)
    world.clock.advance(OLD)
    report = run(world, repair=True)
    assert (report.strays, report.swept) == (2, 2)
    drive(world.kist.upkeep.erase_doomed())
    assert world.objects() == {kept.key, ".kist/trash/1/d", "readable/e"}


def test_what_waits_to_be_erased_is_no_stray(world: DirectWorld) -> None:
    file = world.put(ANN, "a", b"a")
    drive(world.kist.files.remove(ANN, file.id))
    world.clock.advance(OLD)
    assert run(world).clean


def test_lost_files_are_told_and_marked(world: DirectWorld) -> None:
    files = [world.put(ANN, f"{number}", b"data") for number in range(4)]
    drive(world.store.erase(files[1].place))
    put(world, files[2].key, b"other size")
    report = run(world)
    assert kinds(report) == [("differs", files[2].key), ("lost", files[1].key)]
    assert (report.lost, report.differs, report.mended) == (1, 1, 0)
    assert run(world, repair=True).mended == 1
    assert drive(world.catalogue.file(files[1].id)).state is FileState.LOST
    assert run(world).lost == 0
    put(world, files[1].key, b"data")
    world.clock.advance(OLD)
    report = run(world)
    assert (kinds(report)[-1], report.strays) == (("found", files[1].key), 0), "what was restored is no stray"
    assert run(world, repair=True).mended == 1
    assert world.read(ANN, files[1].id) == b"data"


def test_open_parts_that_no_row_names(world: DirectWorld) -> None:
    place = Place(BUCKET, ".kist/parts/orphan")
    parts_id = drive(world.store.start_parts(place, PutRules()))
    drive(world.store.put_part(place, parts_id, 1, b"x" * 100))
    foreign = Place(BUCKET, "readable/under-way")
    drive(world.store.start_parts(foreign, PutRules()))
    assert run(world).clean
    world.clock.advance(OLD)
    report = run(world, sweep=True)
    assert (report.open_parts, report.open_bytes, report.swept) == (1, 100, 1)
    drive(world.kist.upkeep.erase_doomed())
    assert run(world).clean


def test_every_bucket_is_looked_at(world: DirectWorld) -> None:
    drive(world.kist.buckets.create(ANN, "anns-files"))
    kept = world.put(ANN, "a", b"kept", bucket="anns-files")
    drive(world.store.put(Place("anns-files", ".kist/objects/stray"), blocks(b"stray"), PutRules()))
    drive(world.store.put(Place("anns-files", "readable"), blocks(b"not Kist's"), PutRules()))
    drive(world.store.make_bucket("elsewhere"))
    drive(world.store.put(Place("elsewhere", ".kist/objects/stray"), blocks(b"another Kist's"), PutRules()))
    world.clock.advance(OLD)
    report = run(world)
    assert [(finding.kind, finding.bucket) for finding in report.findings] == [("stray", "anns-files")]
    assert (report.files, report.objects) == (1, 2)
    for key in (kept.key, ".kist/objects/stray", "readable"):
        drive(world.store.erase(Place("anns-files", key)))
    drive(world.store.drop_bucket("anns-files"))
    assert [finding.kind for finding in run(world).findings] == ["lost"]


def test_more_rows_than_a_page(world: DirectWorld) -> None:
    for number in range(1005):
        world.put(ANN, f"{number}", b"x")
    report = run(world)
    assert (report.clean, report.files, report.objects) == (True, 1005, 1005)
