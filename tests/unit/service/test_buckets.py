"""Buckets: who makes them, who sees them, and what keeps one from being removed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.service.direct import DirectWorld
from tests.unit.service.world import ANN, BOB, BUCKET, ROOT, blocks

from kist.drive import drive
from kist.errors import (
    AlreadyThere,
    BadName,
    BucketMissing,
    BucketNotEmpty,
    KistError,
    NotAllowed,
    NotSignedIn,
    ObjectMissing,
    StoreRefused,
    StoreUnavailable,
)
from kist.model.actor import ANONYMOUS, Actor
from kist.model.bucket import BucketState
from kist.model.changes import Add
from kist.model.content import PutRules
from kist.model.limits import Limits
from kist.model.place import Place


@pytest.fixture
def world() -> DirectWorld:
    return DirectWorld()


def create(world: DirectWorld, actor: Actor, name: str) -> None:
    drive(world.kist.buckets.create(actor, name))


def names(world: DirectWorld, actor: Actor) -> list[str]:
    return [bucket.name for bucket in drive(world.kist.buckets.list(actor))]


def held(world: DirectWorld) -> list[str]:
    return [bucket.name for bucket in drive(world.store.buckets())]


def put_object(world: DirectWorld, bucket: str, key: str, data: bytes = b"raw") -> None:
    drive(world.store.put(Place(bucket, key), blocks(data), PutRules()))


def test_a_bucket_is_its_makers(world: DirectWorld) -> None:
    create(world, ANN, "anns-files")
    assert (names(world, ANN), names(world, BOB)) == (["anns-files"], [])
    file = world.put(ANN, "a.txt", b"mine", bucket="anns-files")
    assert (file.bucket, world.read(ANN, file.id)) == ("anns-files", b"mine")
    for actor in (BOB, Actor("Ann")):
        with pytest.raises(BucketMissing):
            world.put(actor, "b.txt", b"theirs", bucket="anns-files")
    assert world.put(ROOT, "c.txt", b"admin", bucket="anns-files").owner == "root"
    for actor, error in ((ANONYMOUS, NotSignedIn), (BOB, AlreadyThere), (ANN, AlreadyThere)):
        with pytest.raises(error):
            create(world, actor, "anns-files")


def test_tickets_know_buckets_too(world: DirectWorld) -> None:
    create(world, ANN, "anns-files")
    ticket = world.begin(ANN, bucket="anns-files")
    world.send(ticket)
    assert world.complete(ANN, ticket).bucket == "anns-files"
    with pytest.raises(BucketMissing):
        world.begin(BOB, bucket="anns-files")


def test_an_admin_sees_all(world: DirectWorld) -> None:
    create(world, ANN, "anns-files")
    drive(world.kist.buckets.own("kept-bucket", "syncano"))
    drive(world.store.make_bucket("from-before"))
    assert names(world, ROOT) == ["anns-files", "from-before", "kept-bucket", BUCKET]
    assert names(world, ANN) == ["anns-files"]
    owners = {bucket.name: bucket.owner for bucket in drive(world.kist.buckets.list(ROOT))}
    assert owners == {"anns-files": "ann", "from-before": "", "kept-bucket": "", BUCKET: ""}
    with pytest.raises(BucketMissing):
        world.put(ANN, "a.txt", b"x", bucket="from-before")
    assert world.put(ROOT, "a.txt", b"x", bucket="from-before").bucket == "from-before"
    with pytest.raises(BucketMissing):
        world.put(ROOT, "a.txt", b"x", bucket="never-made")


@pytest.mark.parametrize("name", ["", "ab", "A-bucket", "-ab", "a_b", "a.b", "../x", "a/b", "x" * 64, "\0ab", "日本語"])
def test_names_that_no_bucket_has(world: DirectWorld, name: str) -> None:
    with pytest.raises(BadName):
        create(world, ANN, name)
    assert (names(world, ANN), held(world)) == ([], [BUCKET])


def test_names_that_are_taken(world: DirectWorld) -> None:
    drive(world.store.make_bucket("from-before"))
    put_object(world, "from-before", "precious")
    for name in (BUCKET, "from-before"):
        with pytest.raises(AlreadyThere):
            create(world, ANN, name)
    assert names(world, ANN) == []
    assert held(world) == ["from-before", BUCKET]


def test_only_admins_may_where_the_operator_says_so() -> None:
    world = DirectWorld(limits=Limits(buckets_by_admins=True))
    with pytest.raises(NotAllowed):
        create(world, ANN, "anns-files")
    create(world, ROOT, "roots-files")
    assert names(world, ANN) == []


def test_an_empty_bucket_goes(world: DirectWorld) -> None:
    create(world, ANN, "anns-files")
    for actor, error in ((ANONYMOUS, NotSignedIn), (BOB, BucketMissing)):
        with pytest.raises(error):
            drive(world.kist.buckets.remove(actor, "anns-files"))
    drive(world.kist.buckets.remove(ANN, "anns-files"))
    assert (names(world, ANN), held(world)) == ([], [BUCKET])
    with pytest.raises(BucketMissing):
        drive(world.kist.buckets.remove(ANN, "anns-files"))
    create(world, BOB, "anns-files")
    drive(world.kist.buckets.remove(ROOT, "anns-files"))
    (entry,) = drive(world.catalogue.audit(10))
    assert (entry.actor, entry.thing, entry.owner) == ("root", "bucket:anns-files", "bob")


@pytest.mark.parametrize("name", [BUCKET, "from-before", "never-made"])
def test_what_was_not_made_here_stays(world: DirectWorld, name: str) -> None:
    drive(world.store.make_bucket("from-before"))
    for actor in (ANN, ROOT):
        with pytest.raises(BucketMissing):
            drive(world.kist.buckets.remove(actor, name))
    assert held(world) == ["from-before", BUCKET]


def test_a_bucket_with_something_in_it_stays(world: DirectWorld) -> None:
    create(world, ANN, "anns-files")

    def refused() -> None:
        with pytest.raises(BucketNotEmpty):
            drive(world.kist.buckets.remove(ANN, "anns-files"))
        assert (names(world, ANN), held(world)) == (["anns-files"], ["anns-files", BUCKET])

    file = world.put(ANN, "a.txt", b"mine", bucket="anns-files")
    refused()
    drive(world.kist.files.remove(ANN, file.id))
    ticket = world.begin(ANN, bucket="anns-files")
    refused()
    drive(world.kist.tickets.abort(ANN, ticket.upload.id))
    put_object(world, "anns-files", "from/elsewhere.txt")
    refused()
    drive(world.kist.objects.remove(ANN, "anns-files", "from/elsewhere.txt"))
    stray = Place("anns-files", "open")
    parts_id = drive(world.store.start_parts(stray, PutRules()))
    refused()
    drive(world.store.drop_parts(stray, parts_id))
    drive(world.kist.buckets.remove(ANN, "anns-files"))
    assert held(world) == [BUCKET], "bytes of removed files do not keep it for an hour"


def test_a_bucket_that_was_cut_off_while_made(world: DirectWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world.store.make_bucket

    async def lost(name: str) -> None:
        await made(name)
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(world.store, "make_bucket", lost)
    with pytest.raises(StoreUnavailable):
        create(world, ANN, "anns-files")
    monkeypatch.undo()
    assert names(world, ANN) == []
    with pytest.raises(AlreadyThere):
        create(world, BOB, "anns-files")
    create(world, ANN, "anns-files")
    assert names(world, ANN) == ["anns-files"]


def test_what_is_refused_leaves_no_row(world: DirectWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(name: str) -> None:
        raise StoreRefused("the key may not make buckets")

    monkeypatch.setattr(world.store, "make_bucket", refuse)
    with pytest.raises(StoreRefused):
        create(world, ANN, "anns-files")
    assert drive(world.catalogue.buckets()) == ()


@pytest.mark.parametrize("error", [StoreUnavailable("down"), BucketNotEmpty("late bytes"), StoreRefused("no")])
def test_a_removal_that_fails_can_be_made_again(
    world: DirectWorld, monkeypatch: pytest.MonkeyPatch, error: KistError
) -> None:
    create(world, ANN, "anns-files")

    async def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(world.store, "drop_bucket", fail)
    with pytest.raises(type(error)):
        drive(world.kist.buckets.remove(ANN, "anns-files"))
    monkeypatch.undo()
    world.put(ANN, "a.txt", b"still usable", bucket="anns-files")


def test_a_removal_that_was_cut_off_goes_on(world: DirectWorld) -> None:
    create(world, ANN, "anns-files")
    bucket = drive(world.catalogue.bucket("anns-files"))
    drive(world.kist.buckets._swap(bucket, BucketState.REMOVING))
    with pytest.raises(BucketMissing):
        world.put(ANN, "a.txt", b"too late", bucket="anns-files")
    drive(world.store.drop_bucket("anns-files"))
    drive(world.kist.buckets.remove(ANN, "anns-files"))
    assert drive(world.catalogue.buckets()) == ()


def test_a_dialect_keeps_a_bucket_for_itself(world: DirectWorld) -> None:
    assert drive(world.kist.buckets.own("kept-bucket", "syncano")) == "kept-bucket"
    assert drive(world.kist.buckets.own("kept-bucket", "syncano")) == "kept-bucket"
    drive(world.store.make_bucket("moved-bucket"))
    put_object(world, "moved-bucket", "from/before")
    assert drive(world.kist.buckets.own("moved-bucket", "syncano")) == "moved-bucket"
    create(world, ANN, "anns-bucket")
    for name, dialect in (("anns-bucket", "syncano"), ("kept-bucket", "other")):
        with pytest.raises(NotAllowed):
            drive(world.kist.buckets.own(name, dialect))
    for actor in (ANN, Actor("", ANN.role)):
        with pytest.raises(BucketMissing):
            world.put(actor, "a.txt", b"x", bucket="kept-bucket")


def test_objects_without_a_row(world: DirectWorld) -> None:
    create(world, ANN, "anns-files")
    keys = ["!first", "a/b.txt", "a/c.txt", "z"]
    for key in keys:
        put_object(world, "anns-files", key)
    file = world.put(ANN, "a.txt", b"a file", bucket="anns-files")
    page = drive(world.kist.objects.page(ANN, "anns-files", limit=2))
    assert ([one.key for one in page.items], page.next) == (["!first", "a/b.txt"], "a/b.txt")
    rest = drive(world.kist.objects.page(ANN, "anns-files", after=page.next or "", limit=2))
    assert ([one.key for one in rest.items], rest.next) == (["a/c.txt", "z"], None)
    below = drive(world.kist.objects.page(ANN, "anns-files", prefix="a/"))
    assert [one.key for one in below.items] == ["a/b.txt", "a/c.txt"]
    assert drive(world.kist.objects.head(ANN, "anns-files", "z")).size == 3
    address = drive(world.kist.objects.address(ANN, "anns-files", "z", timedelta(days=30)))
    assert str(world.clock.now() + timedelta(days=7)).split()[0] in address
    for actor, error in ((ANONYMOUS, NotSignedIn), (BOB, BucketMissing)):
        with pytest.raises(error):
            drive(world.kist.objects.page(actor, "anns-files"))
        with pytest.raises(error):
            drive(world.kist.objects.remove(actor, "anns-files", "z"))
    for key in (file.key, ".kist/objects/x", "absent"):
        with pytest.raises(ObjectMissing):
            drive(world.kist.objects.head(ROOT, "anns-files", key))
    for key in ("", "../x", "a//b", "/a", "a\0b"):
        with pytest.raises(BadName):
            drive(world.kist.objects.head(ANN, "anns-files", key))
    with pytest.raises(ObjectMissing):
        drive(world.kist.objects.remove(ANN, "anns-files", file.key))
    assert world.read(ANN, file.id) == b"a file"


def test_who_may_look_for_files_in_a_bucket(world: DirectWorld) -> None:
    create(world, ANN, "anns-files")
    for actor, bucket in ((ANN, "anns-files"), (ANN, BUCKET), (BOB, BUCKET), (ROOT, "anns-files")):
        drive(world.kist.buckets.check_readable(actor, bucket))
    for actor, bucket in ((BOB, "anns-files"), (ANN, "absent"), (ROOT, "absent"), (ANN, "../x")):
        with pytest.raises(BucketMissing):
            drive(world.kist.buckets.check_readable(actor, bucket))


def test_the_base_bucket_shows_its_objects_to_admins_alone(world: DirectWorld) -> None:
    put_object(world, BUCKET, "from/before")
    with pytest.raises(BucketMissing):
        drive(world.kist.objects.page(ANN, BUCKET))
    assert [one.key for one in drive(world.kist.objects.page(ROOT, BUCKET)).items] == ["from/before"]


def test_files_by_name(world: DirectWorld) -> None:
    create(world, ANN, "anns-files")
    old = world.put(ANN, "a.txt", b"old", bucket="anns-files")
    world.later(seconds=1)
    new = world.put(ANN, "a.txt", b"new", bucket="anns-files")
    world.put(ANN, "a.txt", b"elsewhere")
    assert drive(world.kist.files.named(ANN, "anns-files", "a.txt")) == new
    assert drive(world.kist.files.named(ROOT, "anns-files", "a.txt")) == new
    for actor, name in ((BOB, "a.txt"), (ANN, "A.txt"), (ANN, "b.txt")):
        with pytest.raises(KistError):
            drive(world.kist.files.named(actor, "anns-files", name))
    assert drive(world.kist.files.remove_named(BOB, "anns-files", "a.txt")) == 0
    assert drive(world.kist.files.remove_named(ROOT, "anns-files", "a.txt")) == 0, "none of them is the admin's"
    assert drive(world.kist.files.remove_named(ROOT, "anns-files", "a.txt", owner="ann")) == 2
    assert not drive(world.catalogue.bucket_used("anns-files"))
    assert drive(world.kist.files.named(ANN, BUCKET, "a.txt")).size == 9
    assert old.id != new.id


def test_a_row_of_a_bucket_may_be_gone_already(world: DirectWorld) -> None:
    """Two calls to remove the same bucket: the slower one finds nothing, which is what it wanted."""
    create(world, ANN, "anns-files")
    bucket = drive(world.catalogue.bucket("anns-files"))
    drive(world.kist.buckets.remove(ANN, "anns-files"))
    drive(world.kist.buckets._forget(bucket))
    drive(world.catalogue.commit(Add(bucket)))
    drive(world.kist.buckets._forget(drive(world.kist.buckets._swap(bucket, BucketState.REMOVING))))
    assert drive(world.catalogue.buckets()) == ()
