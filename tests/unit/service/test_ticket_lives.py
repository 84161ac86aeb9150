"""The life of an upload by ticket: ended, started over, redone, settled, taken over after a crash."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from tests.unit.service.direct import DirectWorld
from tests.unit.service.world import ANN, BOB, BUCKET, ROOT, blocks

from kist.drive import drive
from kist.errors import (
    Clash,
    Expired,
    FileMissing,
    InProgress,
    Invalid,
    NotAllowed,
    NotSignedIn,
    StoreUnavailable,
    UploadMissing,
    UploadRefused,
    WrongState,
)
from kist.model.actor import ANONYMOUS, Action
from kist.model.changes import Swap
from kist.model.content import PutRules, Stored
from kist.model.place import Place
from kist.model.upload import Declared, Repeat, UploadState, Way
from kist.service.tickets import Wish

MIB = 1 << 20
WAYS = (Way.FORM, Way.PUT, Way.PARTS)


@pytest.fixture
def world() -> DirectWorld:
    return DirectWorld()


def test_others_never_hear_of_an_upload(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    world.send(ticket)
    calls = (
        lambda actor: world.kist.tickets.get(actor, ticket.upload.id),
        lambda actor: world.kist.tickets.complete(actor, ticket.upload.id),
        lambda actor: world.kist.tickets.abort(actor, ticket.upload.id),
        lambda actor: world.kist.tickets.ticket(actor, ticket.upload.id),
        lambda actor: world.kist.tickets.sign(actor, ticket.upload.id, (1,)),
    )
    for call in calls:
        with pytest.raises(UploadMissing):
            drive(call(BOB))
        with pytest.raises(NotSignedIn):
            drive(call(ANONYMOUS))
    assert world.upload(ticket).state is UploadState.OPEN
    assert world.complete(ROOT, ticket).owner == "ann"


def test_a_proxied_upload_is_no_ticket(world: DirectWorld) -> None:
    async def look() -> None:
        async with world.kist.uploads.receiving(ANN, _intent()) as incoming:
            with pytest.raises(UploadMissing):
                await world.kist.tickets.get(ANN, incoming.upload.id)

    drive(look())


def test_an_aborted_upload(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    world.send(ticket)
    for _ in range(2):
        drive(world.kist.tickets.abort(ANN, ticket.upload.id))
    with pytest.raises(WrongState):
        world.complete(ANN, ticket)
    assert world.used("ann") == (0, 0, 0)
    world.later(hours=2)
    world.chores()
    assert not world.objects()
    done = world.begin(ANN)
    world.send(done)
    world.complete(ANN, done)
    with pytest.raises(WrongState):
        drive(world.kist.tickets.abort(ANN, done.upload.id))


@pytest.mark.parametrize("way", WAYS)
def test_an_abandoned_upload_expires(world: DirectWorld, way: Way) -> None:
    ticket = world.begin(ANN, 5, way)
    world.send(ticket)
    world.later(hours=25)
    world.chores()
    assert world.upload(ticket).state is UploadState.EXPIRED
    assert world.used("ann") == (0, 0, 0)
    with pytest.raises(Expired):
        world.complete(ANN, ticket)
    world.send(ticket) if way is not Way.PARTS else None
    world.later(hours=1)
    world.chores()
    assert not world.objects()
    assert drive(_open_parts(world)) == []
    world.later(days=8)
    drive(world.kist.upkeep.forget_ended())
    with pytest.raises(UploadMissing):
        world.upload(ticket)
    with pytest.raises(FileMissing):
        drive(world.catalogue.file(ticket.upload.file_id))


def test_a_ticket_outlives_its_signature_by_a_transfer(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    world.later(minutes=61)
    world.chores()
    world.send(ticket)
    assert world.complete(ANN, ticket).size == 5


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ended", ["open", "aborted", "expired", "refused"])
def test_an_upload_is_started_over(world: DirectWorld, way: Way, ended: str) -> None:
    ticket = world.begin(ANN, 5, way, sha256=sha256(b"12345").hexdigest())
    if ended == "refused":
        world.send(ticket, b"54321")
        with pytest.raises(UploadRefused):
            world.complete(ANN, ticket)
    elif ended == "aborted":
        drive(world.kist.tickets.abort(ANN, ticket.upload.id))
    elif ended == "expired":
        world.later(hours=25)
        world.chores()
    again = drive(world.kist.tickets.ticket(ANN, ticket.upload.id))
    assert (again.upload.id, again.upload.file_id) == (ticket.upload.id, ticket.upload.file_id)
    goes_on = way is Way.PARTS and ended == "open"
    assert (again.upload.key == ticket.upload.key) is goes_on
    if not goes_on and way is not Way.PARTS:
        world.send(ticket, b"evil!")
    assert world.used("ann") == (5, 1, 1)
    world.send(again)
    file = world.complete(ANN, again)
    assert world.read(ANN, file.id) == b"12345"
    world.later(hours=48)
    world.chores()
    assert world.objects() == {file.key}
    assert world.used("ann") == (5, 1, 0)


def test_nothing_is_signed_for_parts_before_the_store_has_begun_them(
    world: DirectWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of an upload without an id would be a plain PUT, by which the sealed object could be replaced."""
    ticket = world.begin(ANN, 5, Way.PARTS)
    world.send(ticket)
    world.complete(ANN, ticket)

    async def down(*_: object) -> str:
        with pytest.raises(InProgress):
            await world.kist.tickets.sign(ANN, ticket.upload.id, (1,))
        raise StoreUnavailable("the store is down")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.store), "start_parts", down)
        with pytest.raises(StoreUnavailable):
            drive(world.kist.tickets.ticket(ANN, ticket.upload.id))
    with pytest.raises(InProgress):
        drive(world.kist.tickets.sign(ANN, ticket.upload.id, (1,)))
    again = drive(world.kist.tickets.ticket(ANN, ticket.upload.id))
    assert drive(world.kist.tickets.sign(ANN, ticket.upload.id, (1,)))[0].url == again.parts[0].url


def test_an_upload_is_redone_after_completion(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    world.send(ticket)
    first = world.complete(ANN, ticket)
    again = drive(world.kist.tickets.ticket(ANN, ticket.upload.id))
    assert world.read(ANN, first.id) == b"12345", "readers keep what they have"
    world.send(again, b"54321")
    second = world.complete(ANN, again)
    assert (second.id, second.version) == (first.id, 2)
    assert world.read(ANN, first.id) == b"54321"
    assert world.used("ann") == (5, 1, 0)
    world.later(hours=3)
    world.chores()
    assert world.objects() == {second.key}


def test_who_may_only_have_uploaded_may_not_redo(world: DirectWorld) -> None:
    file = world.put(ANN, "a.txt", b"old")
    drive(world.kist.shares.grant(ANN, file.id, "bob", [Action.WRITE]))
    ticket = drive(world.kist.tickets.replace(BOB, file.id, Declared(size=5), Wish(Way.PUT)))
    world.send(ticket)
    assert world.complete(BOB, ticket).owner == "ann"
    drive(world.kist.shares.withdraw(ANN, file.id, "bob"))
    with pytest.raises(FileMissing):
        drive(world.kist.tickets.ticket(BOB, ticket.upload.id))
    with pytest.raises(FileMissing):
        world.complete(BOB, ticket)
    assert world.complete(ANN, ticket).id == file.id


def test_an_admin_who_redoes_the_upload_of_another_is_written_down(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    world.send(ticket)
    world.complete(ANN, ticket)
    drive(world.kist.tickets.ticket(ROOT, ticket.upload.id))
    entries = drive(world.catalogue.audit(10))
    assert [(entry.actor, entry.action, entry.owner) for entry in entries] == [("root", "write", "ann")]


def test_a_replacement_swaps_when_it_is_complete(world: DirectWorld) -> None:
    file = world.put(ANN, "a.txt", b"old bytes", type="text/plain")
    ticket = drive(world.kist.tickets.replace(ANN, file.id, Declared(size=5, type="image/png"), Wish(Way.FORM)))
    world.send(ticket)
    assert world.read(ANN, file.id) == b"old bytes"
    after = world.complete(ANN, ticket)
    assert (after.id, after.name, after.type, after.version, after.size) == (file.id, "a.txt", "image/png", 2, 5)
    assert world.used("ann") == (5, 1, 0)
    with pytest.raises(FileMissing):
        drive(world.kist.tickets.replace(BOB, file.id, Declared(size=5)))


def test_the_right_to_write_must_last_until_complete(world: DirectWorld) -> None:
    file = world.put(ANN, "a.txt", b"old")
    drive(world.kist.shares.grant(ANN, file.id, "bob", [Action.WRITE]))
    ticket = drive(world.kist.tickets.replace(BOB, file.id, Declared(size=5), Wish(Way.PUT)))
    world.send(ticket)
    drive(world.kist.shares.grant(ANN, file.id, "bob", [Action.READ]))
    with pytest.raises(NotAllowed):
        world.complete(BOB, ticket)
    assert world.read(ANN, file.id) == b"old"


def test_a_file_removed_meanwhile_is_not_brought_back(world: DirectWorld) -> None:
    file = world.put(ANN, "a.txt", b"old")
    ticket = drive(world.kist.tickets.replace(ANN, file.id, Declared(size=5), Wish(Way.PUT)))
    world.send(ticket)
    drive(world.kist.files.remove(ANN, file.id))
    with pytest.raises(FileMissing):
        world.complete(ANN, ticket)
    world.later(hours=3)
    world.chores()
    assert not world.objects()
    assert world.used("ann") == (0, 0, 0)


def test_the_same_request_twice_is_one_upload(world: DirectWorld) -> None:
    repeat = Repeat("key", "fingerprint")
    first = world.begin(ANN, repeat=repeat)
    second = world.begin(ANN, repeat=repeat)
    assert second.upload.id == first.upload.id
    assert world.used("ann") == (5, 1, 1)
    with pytest.raises(Invalid):
        world.begin(ANN, repeat=Repeat("key", "another"))


def test_an_upload_that_nobody_completes_is_settled_on_read(world: DirectWorld) -> None:
    ticket = world.begin(ANN, None, Way.FORM, settles=True)
    with pytest.raises(FileMissing):
        drive(world.kist.files.get(ANN, ticket.upload.file_id))
    world.send(ticket, b"settled")
    assert world.read(ANN, ticket.upload.file_id) == b"settled"
    with pytest.raises(FileMissing):
        drive(world.kist.files.get(BOB, ticket.upload.file_id))


@pytest.mark.parametrize("late", [False, True])
def test_an_upload_that_nobody_completes_is_settled_by_the_chores(world: DirectWorld, late: bool) -> None:
    came, absent = (world.begin(ANN, None, Way.FORM, settles=True) for _ in range(2))
    world.send(came, b"settled")
    if late:
        world.later(hours=2)
        drive(world.kist.upkeep.end_overdue_uploads())
    else:
        drive(world.kist.upkeep.settle_uploads())
    assert world.upload(came).state is UploadState.DONE
    assert world.upload(absent).state is (UploadState.EXPIRED if late else UploadState.OPEN)


def test_a_store_that_is_down_leaves_the_upload_open(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    world.send(ticket)
    seal = world.store.seal

    async def down(source: Place, target: Place, rules: PutRules) -> Stored:
        raise StoreUnavailable("down")

    world.store.seal = down  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        world.complete(ANN, ticket)
    assert world.upload(ticket).state is UploadState.OPEN
    world.store.seal = seal  # type: ignore[method-assign]
    file = world.complete(ANN, ticket)
    world.later(hours=3)
    world.chores()
    assert world.objects() == {file.key}


def _claimed(world: DirectWorld, ticket: Any) -> None:
    """An attempt that has begun, in another process."""
    upload = world.upload(ticket)
    deadline = world.clock.now() + world.limits.lease
    sealing = msgspec.structs.replace(
        upload, state=UploadState.SEALING, deadline=deadline, target=".kist/objects/other"
    )
    drive(world.catalogue.commit(Swap(upload, sealing)))
    drive(world.store.put(Place(BUCKET, ".kist/objects/other"), blocks(b"12345"), PutRules()))


def test_losers_wait_for_the_winner_for_ten_seconds(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    world.send(ticket)
    _claimed(world, ticket)
    with pytest.raises(InProgress):
        world.complete(ANN, ticket)
    assert 10 <= sum(world.clock.pauses) < 11
    for call in (world.kist.tickets.abort, world.kist.tickets.ticket):
        with pytest.raises(InProgress):
            drive(call(ANN, ticket.upload.id))


@pytest.mark.parametrize("by", ["caller", "chore"])
def test_an_attempt_that_died_is_taken_over(world: DirectWorld, by: str) -> None:
    ticket = world.begin(ANN)
    world.send(ticket)
    _claimed(world, ticket)
    world.later(minutes=3)
    if by == "chore":
        drive(world.kist.upkeep.end_overdue_uploads())
    file = world.complete(ANN, ticket)
    assert file.key != ".kist/objects/other", "a late answer of the other attempt must not reach this file"
    world.later(hours=3)
    world.chores()
    assert world.objects() == {file.key}
    assert world.used("ann") == (5, 1, 0)


def test_an_attempt_that_died_before_any_bytes_came_expires(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    _claimed(world, ticket)
    world.later(hours=3)
    world.chores()
    assert world.upload(ticket).state is UploadState.EXPIRED
    world.later(hours=1)
    world.chores()
    assert not world.objects()


def test_a_join_whose_answer_was_lost(world: DirectWorld) -> None:
    ticket = world.begin(ANN, 5, Way.PARTS)
    world.send(ticket)
    upload = ticket.upload
    refs = drive(_arrived(world, upload))
    drive(world.store.finish_parts(upload.place, upload.parts_id or "", refs))
    assert world.complete(ANN, ticket).size == 5


def test_an_attacker_between_two_attempts_wins_nothing(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    world.send(ticket, b"12345")
    seal = world.store.seal

    async def overwritten(source: Place, target: Place, rules: PutRules) -> Stored:
        stored = await seal(source, target, rules)
        await world.store.put(source, blocks(b"evil!"), PutRules())
        return stored

    world.store.seal = overwritten  # type: ignore[method-assign]
    file = world.complete(ANN, ticket)
    assert world.read(ANN, file.id) == b"12345"


def test_a_catalogue_that_is_busy_keeps_nothing_half(world: DirectWorld) -> None:
    ticket = world.begin(ANN)
    world.send(ticket)
    commit, calls = world.catalogue.commit, 0

    async def clashing(*changes: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Clash("someone else", change=1)
        await commit(*changes)

    world.catalogue.commit = clashing  # type: ignore[method-assign]
    assert world.complete(ANN, ticket).size == 5


def _intent(**more: Any) -> Any:
    from kist.model.upload import Intent

    return Intent(**({"name": "a.txt"} | more))


async def _open_parts(world: DirectWorld) -> list[Any]:
    return [each async for each in world.store.open_parts(BUCKET)]


async def _arrived(world: DirectWorld, upload: Any) -> list[Any]:
    return [ref async for ref in world.kist.tickets.arrived(upload)]
