"""A file comes in, is replaced, or does not come in: what is there afterwards, row by row and byte by byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
from tests.unit.service.world import MakeWorld, World

from kist.drive import drive
from kist.errors import (
    BadChecksum,
    BadName,
    BucketMissing,
    CatalogueBusy,
    FileMissing,
    Incomplete,
    InProgress,
    Invalid,
    KistError,
    NotSignedIn,
    Stale,
    StoreUnavailable,
    TooLarge,
    WrongState,
    WrongType,
)
from kist.model.actor import ANONYMOUS, Actor, Role
from kist.model.changes import Change, Swap
from kist.model.content import PutRules, Stored
from kist.model.file import File, FileState
from kist.model.limits import Limits
from kist.model.place import Place
from kist.model.query import FileQuery
from kist.model.rows import Usage
from kist.model.upload import Intent, Repeat

ANN, BOB, ROOT = Actor("ann"), Actor("bob"), Actor("root", Role.ADMIN)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


async def blocks(*data: bytes) -> AsyncIterator[bytes]:
    for each in data:
        yield each


async def broken_off(*data: bytes) -> AsyncIterator[bytes]:
    for each in data:
        yield each
    raise Incomplete("the sender left")


def is_empty(world: World) -> bool:
    """Nothing is left of an upload but doomed places."""
    drive(world.kist.upkeep.erase_doomed())
    assert not world.objects()
    world.clock.advance(16 * 60)
    drive(world.kist.upkeep.erase_doomed())
    page = drive(world.kist.files.page(ROOT, FileQuery()))
    usage = drive(world.catalogue.usage("ann"))
    overdue = drive(world.catalogue.overdue(world.clock.now().replace(year=2100), 10))
    return not page.items and usage == Usage(owner="ann") and not overdue and not world.objects()


def test_a_file_comes_in_whole(world: World) -> None:
    file = world.put(ANN, "a/b.png", PNG, type="image/png", metadata={"k": "v"})
    assert file.state is FileState.READY
    assert (file.name, file.size, file.type, file.detected) == ("a/b.png", len(PNG), "image/png", "image/png")
    assert file.sha256 == sha256(PNG).hexdigest()
    assert (file.owner, file.version, file.metadata) == ("ann", 1, {"k": "v"})
    assert world.read(ANN, file.id) == PNG
    assert drive(world.catalogue.usage("ann")) == Usage(owner="ann", bytes=len(PNG), files=1, uploads=0)
    assert world.objects() == {file.key}
    assert file.key.startswith(".kist/objects/")


def test_what_belongs_elsewhere_is_read_back_and_taken_away(world: World) -> None:
    async def moved() -> File:
        async with world.kist.uploads.receiving(ANN, Intent(name="x", type="image/png")) as incoming:
            await incoming.accept(blocks(PNG, b"more"))
            arrived = incoming.arrived
            assert (arrived.type, arrived.size) == ("image/png", len(PNG) + 4)
            intent = Intent(name="x", type=arrived.type, size=arrived.size, sha256=arrived.sha256)
            return await world.kist.uploads.receive(BOB, intent, incoming.again())

    file = drive(moved())
    assert (file.owner, file.sha256) == ("bob", sha256(PNG + b"more").hexdigest())
    assert world.read(BOB, file.id) == PNG + b"more"
    assert drive(world.catalogue.usage("ann")) == Usage(owner="ann")
    drive(world.kist.upkeep.erase_doomed())
    assert world.objects() == {file.key}


def test_an_empty_file_is_a_file(world: World) -> None:
    file = world.put(ANN, "empty", b"", size=0)
    assert (file.size, file.detected) == (0, None)
    assert world.read(ANN, file.id) == b""


def test_declared_and_detected_type_are_both_recorded(world: World) -> None:
    file = world.put(ANN, "x.txt", PNG, type="text/plain; charset=utf-8")
    assert (file.type, file.detected) == ("text/plain", "image/png")


def test_a_type_mismatch_can_be_refused(make_world: MakeWorld) -> None:
    world = make_world(Limits(refuse_mismatch=True))
    with pytest.raises(WrongType):
        world.put(ANN, "x.txt", PNG, type="text/plain")
    assert is_empty(world)
    assert world.put(ANN, "x.png", PNG, type="image/png").detected == "image/png"


@pytest.mark.parametrize(
    ("intent", "body", "error"),
    [
        (Intent(name="x", size=3), blocks(b"12"), Incomplete),
        (Intent(name="x", size=3), blocks(b"12", b"34"), Incomplete),
        (Intent(name="x"), broken_off(b"12"), Incomplete),
        (Intent(name="x", sha256="0" * 64), blocks(b"12"), BadChecksum),
        (Intent(name="x"), blocks(b"1" * 60, b"2" * 60), TooLarge),
        (Intent(name="x", size=101), blocks(b""), TooLarge),
        (Intent(name="../x"), blocks(b""), BadName),
        (Intent(name="x", bucket="other"), blocks(b""), BucketMissing),
        (Intent(name="x", type="nonsense"), blocks(b""), Invalid),
        (Intent(name="x", metadata={"": "v"}), blocks(b""), Invalid),
    ],
)
def test_what_cannot_come_in_leaves_nothing(
    make_world: MakeWorld, intent: Intent, body: AsyncIterator[bytes], error: type[KistError]
) -> None:
    world = make_world(Limits(max_upload_size=100))
    with pytest.raises(error):
        drive(world.kist.uploads.receive(ANN, intent, body))
    assert is_empty(world)


def test_nobody_uploads_without_signing_in(world: World) -> None:
    with pytest.raises(NotSignedIn):
        world.put(ANONYMOUS, "x", b"1")


def test_the_gate_answers_before_the_body_is_read(world: World) -> None:
    async def untouched() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""  # type: ignore[unreachable]  # makes it a generator

    file = world.put(ANN, "x", b"1")
    with pytest.raises(NotSignedIn):
        drive(world.kist.uploads.receive(ANONYMOUS, Intent(name="x"), untouched()))
    with pytest.raises(FileMissing):
        drive(world.kist.uploads.replace(BOB, file.id, Intent(name=""), untouched()))
    with pytest.raises(TooLarge):
        drive(world.kist.uploads.receive(ANN, Intent(name="x", size=1 << 60), untouched()))


def test_replacing_swaps_content_and_keeps_the_rest(world: World) -> None:
    old = world.put(ANN, "x", b"old content")
    world.clock.advance(5)
    new = drive(world.kist.uploads.replace(ANN, old.id, Intent(name="", type="image/png"), blocks(PNG)))
    assert (new.id, new.name, new.created_at, new.version) == (old.id, "x", old.created_at, 2)
    assert (new.size, new.type, new.sha256) == (len(PNG), "image/png", sha256(PNG).hexdigest())
    assert new.updated_at > old.updated_at
    assert world.read(ANN, old.id) == PNG
    assert drive(world.catalogue.usage("ann")) == Usage(owner="ann", bytes=len(PNG), files=1)


def test_replaced_bytes_stay_for_reads_that_are_open_and_are_then_erased(world: World) -> None:
    old = world.put(ANN, "x", b"old")
    new = drive(world.kist.uploads.replace(ANN, old.id, Intent(name=""), blocks(b"new")))
    assert drive(world.kist.upkeep.erase_doomed()) == 0
    assert world.objects() == {old.key, new.key}
    world.clock.advance(3601)
    assert drive(world.kist.upkeep.erase_doomed()) == 1
    assert world.objects() == {new.key}


def test_a_replacement_that_fails_leaves_the_old_content(world: World) -> None:
    old = world.put(ANN, "x", b"old")
    with pytest.raises(Incomplete):
        drive(world.kist.uploads.replace(ANN, old.id, Intent(name=""), broken_off(b"new")))
    drive(world.kist.upkeep.erase_doomed())
    assert world.read(ANN, old.id) == b"old"
    assert world.objects() == {old.key}
    assert drive(world.catalogue.usage("ann")) == Usage(owner="ann", bytes=3, files=1)


def test_a_condition_that_no_longer_holds_refuses_the_replacement(world: World) -> None:
    old = world.put(ANN, "x", b"old")
    with pytest.raises(Stale):
        drive(world.kist.uploads.replace(ANN, old.id, Intent(name=""), blocks(b"n"), only_if=lambda file: False))

    async def while_another_replaces() -> AsyncIterator[bytes]:
        await world.kist.uploads.replace(ANN, old.id, Intent(name=""), blocks(b"winner"))
        yield b"loser"

    attempt = world.kist.uploads.replace(
        ANN, old.id, Intent(name=""), while_another_replaces(), only_if=lambda file: file.sha256 == old.sha256
    )
    with pytest.raises(Stale):
        drive(attempt)
    assert world.read(ANN, old.id) == b"winner"


def test_of_two_replacements_the_later_one_stays_and_no_bytes_leak(world: World) -> None:
    old = world.put(ANN, "x", b"old")

    async def while_another_replaces() -> AsyncIterator[bytes]:
        await world.kist.uploads.replace(ANN, old.id, Intent(name=""), blocks(b"first"))
        yield b"second"

    last = drive(world.kist.uploads.replace(ANN, old.id, Intent(name=""), while_another_replaces()))
    assert world.read(ANN, old.id) == b"second"
    assert last.version == 3
    world.clock.advance(3601)
    drive(world.kist.upkeep.erase_doomed())
    assert world.objects() == {last.key}
    assert drive(world.catalogue.usage("ann")) == Usage(owner="ann", bytes=6, files=1)


def test_replacing_a_file_that_is_removed_meanwhile_leaves_nothing(world: World) -> None:
    old = world.put(ANN, "x", b"old")

    async def while_it_is_removed() -> AsyncIterator[bytes]:
        await world.kist.files.remove(ANN, old.id)
        yield b"new"

    with pytest.raises(FileMissing):
        drive(world.kist.uploads.replace(ANN, old.id, Intent(name=""), while_it_is_removed()))
    world.clock.advance(3601)
    assert is_empty(world)


def test_an_upload_without_a_sign_of_life_is_ended_and_cannot_come_back(world: World) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b"first"
        world.clock.jump(121)
        assert await world.kist.upkeep.end_overdue_uploads() == 1
        yield b"second"

    with pytest.raises(WrongState):
        drive(world.kist.uploads.receive(ANN, Intent(name="x"), stalls()))
    assert is_empty(world)


def test_bytes_that_land_after_their_upload_was_ended_are_erased_as_well(world: World) -> None:
    async def sleeps() -> AsyncIterator[bytes]:
        yield b"first"
        world.clock.jump(3600)
        await world.kist.upkeep.end_overdue_uploads()
        await world.kist.upkeep.erase_doomed()
        world.clock.jump(3600)
        await world.kist.upkeep.erase_doomed()

    with pytest.raises(WrongState):
        drive(world.kist.uploads.receive(ANN, Intent(name="x"), sleeps()))
    assert len(world.objects()) == 1
    world.clock.advance(16 * 60)
    assert is_empty(world)


def test_an_answer_that_was_lost_after_the_commit_costs_no_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = world.catalogue.commit

    async def commits_and_fails(*changes: Change) -> None:
        await commit(*changes)
        if any(isinstance(change, Swap) for change in changes):
            raise CatalogueBusy("who knows")

    with monkeypatch.context() as patch:
        patch.setattr(world.catalogue, "commit", commits_and_fails)
        with pytest.raises(CatalogueBusy):
            world.put(ANN, "x", b"kept")
    world.clock.advance(16 * 60)
    drive(world.kist.upkeep.erase_doomed())
    (file,) = drive(world.kist.files.page(ANN, FileQuery())).items
    assert world.read(ANN, file.id) == b"kept"


def test_a_slow_upload_lives_as_long_as_bytes_flow(world: World) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(10):
            world.clock.advance(60)
            yield b"x"
            assert await world.kist.upkeep.end_overdue_uploads() == 0

    assert drive(world.kist.uploads.receive(ANN, Intent(name="x"), slow())).size == 10


def test_a_store_that_fails_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(place: Place, body: object, rules: PutRules) -> Stored:
        raise StoreUnavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "put", down)
        with pytest.raises(StoreUnavailable):
            world.put(ANN, "x", b"1")
    assert is_empty(world)


def test_the_same_idempotency_key_gets_the_same_answer_without_the_body(world: World) -> None:
    intent = Intent(name="x", repeat=Repeat("k1", "print"))
    first = drive(world.kist.uploads.receive(ANN, intent, blocks(b"1")))
    drive(world.kist.files.change(ANN, first.id, name="renamed"))
    assert drive(world.kist.uploads.receive(ANN, intent, broken_off())) == first
    with pytest.raises(Invalid):
        drive(world.kist.uploads.receive(ANN, Intent(name="x", repeat=Repeat("k1", "other")), blocks(b"1")))
    assert drive(world.kist.uploads.receive(BOB, intent, blocks(b"2"))).id != first.id


def test_an_idempotency_key_is_free_again_after_a_failure_and_after_a_day(world: World) -> None:
    intent = Intent(name="x", repeat=Repeat("k1", "print"))
    with pytest.raises(Incomplete):
        drive(world.kist.uploads.receive(ANN, intent, broken_off(b"1")))
    first = drive(world.kist.uploads.receive(ANN, intent, blocks(b"1")))
    world.clock.advance(25 * 3600)
    assert drive(world.kist.uploads.receive(ANN, intent, blocks(b"1"))).id != first.id


def test_a_repeat_while_the_first_is_under_way_is_told_to_wait(world: World) -> None:
    intent = Intent(name="x", repeat=Repeat("k1", "print"))

    async def while_it_is_sent_again() -> AsyncIterator[bytes]:
        with pytest.raises(InProgress):
            await world.kist.uploads.receive(ANN, intent, blocks(b"1"))
        yield b"1"

    assert drive(world.kist.uploads.receive(ANN, intent, while_it_is_sent_again())).size == 1


def test_of_two_requests_that_begin_at_once_with_one_key_one_goes_on(world: World) -> None:
    intent = Intent(name="x", repeat=Repeat("k1", "print"))

    async def both() -> File:
        async with world.kist.uploads.receiving(ANN, intent) as first:
            with pytest.raises(InProgress):
                await world.kist.uploads.receiving(ANN, intent).__aenter__()
            await first.accept(blocks(b"1"))
            return await first.complete()

    assert drive(both()).size == 1
    assert drive(world.catalogue.usage("ann")).uploads == 0


def test_old_idempotency_records_are_forgotten(world: World) -> None:
    world.put(ANN, "x", b"1", repeat=Repeat("k1", "print"))
    assert drive(world.kist.upkeep.forget_old_requests()) == 0
    world.clock.advance(25 * 3600)
    assert drive(world.kist.upkeep.forget_old_requests()) == 1
    assert drive(world.catalogue.idempotency("ann", "k1")) is None


def test_a_late_name_wins(world: World) -> None:
    async def upload() -> str:
        async with world.kist.uploads.receiving(ANN, Intent(name="early")) as incoming:
            await incoming.accept(blocks(b"1"))
            return (await incoming.complete(name="late")).name

    assert drive(upload()) == "late"


def test_leaving_without_completing_takes_the_upload_away(world: World) -> None:
    async def upload() -> None:
        async with world.kist.uploads.receiving(ANN, Intent(name="x")) as incoming:
            await incoming.accept(blocks(b"1"))

    drive(upload())
    assert is_empty(world)


def test_an_admin_replacing_for_somebody_else_is_audited(world: World) -> None:
    file = world.put(ANN, "x", b"1")
    drive(world.kist.uploads.replace(ROOT, file.id, Intent(name=""), blocks(b"2")))
    (entry,) = drive(world.catalogue.audit(10))
    assert (entry.actor, entry.action, entry.thing, entry.owner) == ("root", "write", f"file:{file.id}", "ann")
