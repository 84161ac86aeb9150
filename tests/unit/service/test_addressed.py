"""Files by address: put there by plain links or through Kist, found again, and never another user's."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.service.direct import DirectWorld
from tests.unit.service.world import ANN, BOB, ROOT, blocks

from kist.drive import drive
from kist.errors import BadName, FileMissing, KistError, NotAllowed, NotSignedIn, OverQuota, UploadRefused
from kist.model.actor import ANONYMOUS, Action, Actor
from kist.model.address import Address
from kist.model.content import PutRules
from kist.model.file import File
from kist.model.limits import Limits
from kist.model.place import Place
from kist.model.upload import Declared, Intent, UploadState

MINUTE = timedelta(seconds=60)
KEPT = "kist-bucket"


@pytest.fixture
def world() -> DirectWorld:
    return made(DirectWorld())


def made(world: DirectWorld) -> DirectWorld:
    drive(world.kist.buckets.own(KEPT, "syncano"))
    return world


def link(world: DirectWorld, actor: Actor, address: str) -> str:
    """Where the bytes are to go."""
    world.later(seconds=1)
    url = drive(world.kist.addressed.link(actor, KEPT, address, MINUTE))
    return url.partition(f"signed:PUT:{KEPT}/")[2].partition("?")[0]


def send(world: DirectWorld, key: str, data: bytes) -> None:
    drive(world.store.put(Place(KEPT, key), blocks(data), PutRules()))


def get(world: DirectWorld, actor: Actor, address: str) -> File:
    return drive(world.kist.addressed.get(actor, KEPT, address))


def receive(world: DirectWorld, actor: Actor, address: str, data: bytes) -> File:
    return drive(world.kist.addressed.receive(actor, KEPT, address, Declared(), blocks(data)))


def test_what_comes_by_a_link_is_found(world: DirectWorld) -> None:
    key = link(world, ANN, "ann/photo.png")
    with pytest.raises(FileMissing):
        get(world, ANN, "ann/photo.png")
    send(world, key, b"12345")
    file = get(world, ANN, "ann/photo.png")
    assert (file.name, file.owner, file.type, file.size) == ("photo.png", "ann", "image/png", 5)
    assert world.read(ANN, file.id) == b"12345"
    assert world.used("ann") == (5, 1, 0)
    assert file.key != key
    send(world, key, b"too late")
    assert world.read(ANN, file.id) == b"12345"


def test_the_chore_finds_it_as_well(world: DirectWorld) -> None:
    send(world, link(world, ANN, "ann/a.txt"), b"12345")
    world.chores()
    assert list(drive(world.catalogue.addressed(KEPT, ["ann/a.txt"]))) == ["ann/a.txt"]


def test_asking_again_signs_the_same_place(world: DirectWorld) -> None:
    first = link(world, ANN, "ann/a.txt")
    world.later(seconds=50)
    assert link(world, ANN, "ann/a.txt") == first
    assert world.used("ann")[2] == 1
    world.later(seconds=50)
    upload = drive(world.catalogue.upload_at(KEPT, "ann/a.txt"))
    assert upload is not None
    assert upload.expires_at is not None
    assert upload.expires_at > world.clock.now()


def test_what_came_by_the_link_before_is_kept_first(world: DirectWorld) -> None:
    first = link(world, ANN, "ann/a.txt")
    send(world, first, b"one")
    second = link(world, ANN, "ann/a.txt")
    assert second != first
    file = get(world, ANN, "ann/a.txt")
    assert world.read(ANN, file.id) == b"one"
    send(world, second, b"second")
    again = get(world, ANN, "ann/a.txt")
    assert (again.id, again.version, world.read(ANN, again.id)) == (file.id, 2, b"second")


def test_bytes_through_kist_come_after_those_by_a_link(world: DirectWorld) -> None:
    send(world, link(world, ANN, "ann/a.txt"), b"by the link")
    file = receive(world, ANN, "ann/a.txt", b"through Kist")
    world.chores()
    assert world.read(ANN, get(world, ANN, "ann/a.txt").id) == b"through Kist"
    assert receive(world, ANN, "ann/a.txt", b"").id == file.id
    assert world.used("ann") == (0, 1, 0)


def test_an_address_is_its_owners_whoever_puts_bytes_there(world: DirectWorld) -> None:
    file = receive(world, ROOT, "ann/a.txt", b"by the admin")
    assert (file.owner, get(world, ANN, "ann/a.txt").id) == ("ann", file.id)
    for actor in (BOB, Actor("an"), Actor("ANN"), Actor("annn")):
        for refused in (link, lambda world, actor, address: receive(world, actor, address, b"x")):
            with pytest.raises(NotAllowed):
                refused(world, actor, "ann/a.txt")
        with pytest.raises(FileMissing):
            get(world, actor, "ann/a.txt")
    for refused in (link, get):
        with pytest.raises(NotSignedIn):
            refused(world, ANONYMOUS, "ann/a.txt")
    drive(world.kist.shares.grant(ANN, file.id, "bob", [Action.READ]))
    assert get(world, BOB, "ann/a.txt").id == file.id


@pytest.mark.parametrize("address", ["logo.png", "../x/y", "", "a//b", "/ann/x", "ann/", "ann/..", "ann\\x", "ann/\0"])
def test_addresses_that_are_no_users(world: DirectWorld, address: str) -> None:
    with pytest.raises((NotAllowed, BadName)):
        link(world, ANN, address)
    if address == "logo.png":
        assert receive(world, ROOT, address, b"x").owner == "root"
    else:
        with pytest.raises(BadName):
            receive(world, ROOT, address, b"x")


def test_what_breaks_a_rule_is_refused_and_said(world: DirectWorld) -> None:
    world = made(DirectWorld(limits=Limits(max_direct_size=4, quota_bytes=10)))
    send(world, link(world, ANN, "ann/a.txt"), b"12345")
    for _ in range(2):
        with pytest.raises(UploadRefused) as caught:
            get(world, ANN, "ann/a.txt")
        assert "4 are allowed" in caught.value.message
        with pytest.raises(FileMissing):
            get(world, BOB, "ann/a.txt")
    send(world, link(world, ANN, "ann/a.txt"), b"1234")
    assert get(world, ANN, "ann/a.txt").size == 4
    assert world.used("ann") == (4, 1, 0)
    with pytest.raises(OverQuota):
        receive(world, ANN, "ann/b.txt", b"1234567")


def test_a_link_that_nobody_uses_ends(world: DirectWorld) -> None:
    link(world, ANN, "ann/a.txt")
    world.later(hours=1)
    world.chores()
    upload = drive(world.catalogue.upload_at(KEPT, "ann/a.txt"))
    assert upload is not None
    assert upload.state is UploadState.EXPIRED
    assert world.used("ann") == (0, 0, 0)
    send(world, link(world, ANN, "ann/a.txt"), b"later")
    assert get(world, ANN, "ann/a.txt").size == 5


def test_two_at_once_make_one_file(world: DirectWorld) -> None:
    """Both were begun while nothing was there; the one that is ready last stays."""
    send(world, link(world, ANN, "ann/a.txt"), b"by the link")
    upload = drive(world.catalogue.upload_at(KEPT, "ann/a.txt"))
    assert upload is not None

    async def meanwhile() -> File:
        at = Address(KEPT, "ann/a.txt")
        async with world.kist.uploads.receiving(ANN, Intent(name="a.txt"), at=at) as incoming:
            await incoming.accept(blocks(b"through Kist"))
            await world.kist.upkeep.settle_uploads()
            return await incoming.complete()

    file = drive(meanwhile())
    assert get(world, ANN, "ann/a.txt").id == file.id
    assert world.used("ann") == (12, 1, 0)
    drive(world.kist.upkeep.settle_uploads())
    assert world.read(ANN, file.id) == b"through Kist"


def test_many_are_found_at_once(world: DirectWorld) -> None:
    receive(world, ANN, "ann/a.txt", b"a")
    send(world, link(world, ANN, "ann/b.txt"), b"b")
    link(world, ANN, "ann/c.txt")
    found = drive(world.kist.addressed.find(KEPT, ["ann/a.txt", "ann/b.txt", "ann/c.txt", "ann/d.txt"]))
    assert sorted(found) == ["ann/a.txt", "ann/b.txt"]


def test_a_native_reader_finds_it_too(world: DirectWorld) -> None:
    send(world, link(world, ANN, "ann/a.txt"), b"12345")
    upload = drive(world.catalogue.upload_at(KEPT, "ann/a.txt"))
    assert upload is not None
    assert world.read(ANN, upload.file_id) == b"12345"
    with pytest.raises(KistError):
        world.read(BOB, upload.file_id)
