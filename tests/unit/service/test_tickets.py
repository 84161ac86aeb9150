"""A file comes in by a ticket, or does not: what is handed out, what is believed, and what is left in the end."""

from __future__ import annotations

from hashlib import md5, sha256
from typing import Any

import pytest
from tests.unit.service.direct import DirectWorld
from tests.unit.service.world import ANN, BOB, BUCKET

from kist.drive import drive
from kist.errors import (
    BadName,
    FileMissing,
    Incomplete,
    Invalid,
    KistError,
    NotSignedIn,
    OverQuota,
    TooLarge,
    TooMany,
    Unsupported,
    UploadRefused,
    WrongType,
)
from kist.model.actor import ANONYMOUS
from kist.model.limits import Limits
from kist.model.upload import UploadState, Way

MIB = 1 << 20
WAYS = (Way.FORM, Way.PUT, Way.PARTS)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture
def world() -> DirectWorld:
    return DirectWorld()


def limited(**limits: Any) -> DirectWorld:
    return DirectWorld(limits=Limits(**limits))


@pytest.mark.parametrize("data", [b"12345", b"", b"x" * (20 * MIB)], ids=["small", "empty", "large"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_sent_is_what_is_read(world: DirectWorld, way: Way, data: bytes) -> None:
    ticket = world.begin(ANN, len(data), way, type="text/plain")
    world.send(ticket, data)
    file = world.complete(ANN, ticket)
    assert (file.id, file.size, file.type, file.version) == (ticket.upload.file_id, len(data), "text/plain", 1)
    assert world.read(ANN, file.id) == data
    assert world.used("ann") == (len(data), 1, 0)
    assert world.complete(ANN, ticket) == file, "a repeat gets the same answer"
    assert world.used("ann") == (len(data), 1, 0)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_where_the_bytes_came_in(world: DirectWorld, way: Way) -> None:
    ticket = world.begin(ANN, 5, way)
    world.send(ticket)
    file = world.complete(ANN, ticket)
    world.later(hours=48)
    world.chores()
    assert world.objects() == {file.key}
    assert drive(_open_parts(world)) == []


@pytest.mark.parametrize("way", [Way.FORM, Way.PUT])
def test_a_used_ticket_changes_nothing(world: DirectWorld, way: Way) -> None:
    ticket = world.begin(ANN, 5, way)
    world.send(ticket, b"12345")
    file = world.complete(ANN, ticket)
    world.send(ticket, b"evil!")
    assert world.read(ANN, file.id) == b"12345"
    assert world.complete(ANN, ticket) == file
    world.later(hours=2)
    world.chores()
    assert world.objects() == {file.key}
    assert world.read(ANN, file.id) == b"12345"


def test_a_form_holds_to_what_was_declared(world: DirectWorld) -> None:
    fields = dict(world.begin(ANN, 5, Way.FORM, type="image/png").fields)
    assert (fields["acl"], fields["Content-Type"], fields["size"]) == ("private", "image/png", "5-5")
    assert fields["key"].startswith(".kist/in/")
    free = dict(world.begin(ANN, None, None).fields)
    assert "Content-Type" not in free
    assert free["size"] == f"0-{5 * 1024**3}"


def test_a_put_holds_to_what_was_declared(world: DirectWorld) -> None:
    digest = md5(b"12345", usedforsecurity=False).hexdigest()
    headers = dict(world.begin(ANN, 5, Way.PUT, type="image/png", md5=digest.upper()).headers)
    assert headers == {
        "Content-Type": "image/png",
        "Content-Length": "5",
        "Content-MD5": "gnzLDuqKcGxMNKFokfhOew==",
        "x-amz-acl": "private",
    }


def test_parts_have_the_sizes_that_the_server_sets(world: DirectWorld) -> None:
    ticket = world.begin(ANN, 8 * MIB * 150 + 1, Way.PARTS)
    assert ticket.upload.part_size == 8 * MIB
    assert [part.number for part in ticket.parts] == list(range(1, 101))
    (last,) = drive(world.kist.tickets.sign(ANN, ticket.upload.id, (151,)))
    assert dict(last.headers) == {"Content-Length": "1"}
    assert "partNumber" in last.url
    for number in (0, 152, 10_001):
        with pytest.raises(Invalid):
            drive(world.kist.tickets.sign(ANN, ticket.upload.id, (number,)))
    with pytest.raises(Invalid):
        drive(world.kist.tickets.sign(ANN, ticket.upload.id, tuple(range(1, 102))))
    huge = world.begin(ANN, 5 * 1024**4, Way.PARTS)
    assert (huge.upload.part_size or 0) * 10_000 >= 5 * 1024**4


def test_the_way_fits_the_size(world: DirectWorld) -> None:
    assert world.begin(ANN, 5, None).upload.way is Way.FORM
    assert world.begin(ANN, 6 * 1024**3, None).upload.way is Way.PARTS
    for way in (Way.FORM, Way.PUT):
        with pytest.raises(Invalid):
            world.begin(ANN, 6 * 1024**3, way)
    for way in (Way.PUT, Way.PARTS):
        with pytest.raises(Invalid):
            world.begin(ANN, None, way)


def test_a_store_that_signs_nothing_takes_no_tickets() -> None:
    from tests.unit.service.world import World

    plain = World()
    with pytest.raises(Unsupported):
        drive(plain.kist.tickets.begin(ANN, _intent(size=1)))


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"name": "../a"}, BadName),
        ({"name": ""}, BadName),
        ({"type": "nonsense"}, Invalid),
        ({"sha256": "abc"}, Invalid),
        ({"md5": "x" * 32}, Invalid),
        ({"size": 6 * 1024**4}, TooLarge),
        ({"metadata": {"": "x"}}, Invalid),
    ],
)
def test_rules_are_those_of_every_door(world: DirectWorld, wrong: dict[str, Any], error: type[KistError]) -> None:
    with pytest.raises(error):
        world.begin(ANN, **({"way": None} | wrong))
    assert world.used("ann") == (0, 0, 0)
    assert not world.objects()


def test_nobody_is_anonymous(world: DirectWorld) -> None:
    with pytest.raises(NotSignedIn):
        world.begin(ANONYMOUS)


@pytest.mark.parametrize("way", WAYS)
def test_complete_before_the_bytes_are_there(world: DirectWorld, way: Way) -> None:
    ticket = world.begin(ANN, 5, way)
    for _ in range(2):
        with pytest.raises(Incomplete):
            world.complete(ANN, ticket)
        assert world.upload(ticket).state is UploadState.OPEN
    world.send(ticket)
    assert world.complete(ANN, ticket).size == 5


def test_a_part_is_missing_or_of_another_size(world: DirectWorld) -> None:
    ticket = world.begin(ANN, 20 * MIB, Way.PARTS)
    upload = ticket.upload
    for number, size in ((1, 8 * MIB), (3, 4 * MIB)):
        drive(world.store.put_part(upload.place, upload.parts_id or "", number, b"x" * size))
    with pytest.raises(Incomplete) as caught:
        world.complete(ANN, ticket)
    assert caught.value.about["missing"] == [2]
    drive(world.store.put_part(upload.place, upload.parts_id or "", 2, b"x"))
    with pytest.raises(Incomplete):
        world.complete(ANN, ticket)
    assert [ref.number for ref in drive(_arrived(world, upload))] == [1, 2, 3]
    drive(world.store.put_part(upload.place, upload.parts_id or "", 2, b"x" * 8 * MIB))
    with pytest.raises(Incomplete):
        drive(world.kist.tickets.complete(ANN, upload.id, {2: "0" * 32}))
    assert world.complete(ANN, ticket).size == 20 * MIB


@pytest.mark.parametrize("way", [Way.FORM, Way.PUT])
@pytest.mark.parametrize(
    ("declared", "data", "reason"),
    [
        ({"size": 5}, b"123456", "wrong_size"),
        ({"size": 5}, b"", "wrong_size"),
        ({"size": 5, "sha256": sha256(b"12345").hexdigest()}, b"54321", "bad_checksum"),
        ({"size": 5, "md5": md5(b"12345", usedforsecurity=False).hexdigest()}, b"54321", "bad_checksum"),
    ],
)
def test_bytes_that_break_a_rule(
    world: DirectWorld, way: Way, declared: dict[str, Any], data: bytes, reason: str
) -> None:
    ticket = world.begin(ANN, way=way, **declared)
    world.send(ticket, data)
    for _ in range(2):
        with pytest.raises(UploadRefused) as caught:
            world.complete(ANN, ticket)
        assert caught.value.about["reason"] == reason
    assert world.upload(ticket).state is UploadState.REFUSED
    assert world.used("ann") == (0, 0, 0)
    with pytest.raises(FileMissing):
        drive(world.kist.files.get(ANN, ticket.upload.file_id))
    world.later(hours=3)
    world.chores()
    assert not world.objects()


@pytest.mark.parametrize("way", WAYS)
def test_declared_digests_are_compared(world: DirectWorld, way: Way) -> None:
    digests = {"sha256": sha256(b"12345").hexdigest(), "md5": md5(b"12345", usedforsecurity=False).hexdigest()}
    ticket = world.begin(ANN, 5, way, **digests)
    world.send(ticket)
    assert world.complete(ANN, ticket).sha256 == digests["sha256"]
    undeclared = world.begin(ANN, 5000, way)
    world.send(undeclared, b"x" * 5000)
    assert world.complete(ANN, undeclared).sha256 is None, "nobody has seen all of the bytes"


def test_more_than_is_allowed() -> None:
    world = limited(max_direct_size=10)
    with pytest.raises(TooLarge):
        world.begin(ANN, 11)
    ticket = world.begin(ANN, None, None)
    world.send(ticket, b"x" * 11)
    with pytest.raises(UploadRefused) as caught:
        world.complete(ANN, ticket)
    assert caught.value.about["reason"] == "too_large"


def test_types_that_are_not_taken() -> None:
    world = limited(types=("image/*", "text/plain"))
    with pytest.raises(WrongType):
        world.begin(ANN, 5, type="application/pdf")
    with pytest.raises(WrongType):
        world.put(ANN, "a", b"x", type="application/pdf")
    ticket = world.begin(ANN, len(PNG), type="text/plain")
    world.send(ticket, PNG)
    assert world.complete(ANN, ticket).detected == "image/png"
    pdf = world.begin(ANN, 9, type="text/plain")
    world.send(pdf, b"%PDF-1.7\n")
    with pytest.raises(UploadRefused) as caught:
        world.complete(ANN, pdf)
    assert caught.value.about["reason"] == "wrong_type"


def test_a_mismatch_may_be_refused() -> None:
    world = limited(refuse_mismatch=True)
    ticket = world.begin(ANN, len(PNG), type="text/html")
    world.send(ticket, PNG)
    with pytest.raises(UploadRefused) as caught:
        world.complete(ANN, ticket)
    assert caught.value.about["reason"] == "wrong_type"


def test_quotas_are_reserved_before_a_byte_moves() -> None:
    world = limited(quota_bytes=10, quota_files=3)
    first = world.begin(ANN, 6)
    with pytest.raises(OverQuota) as caught:
        world.begin(ANN, 5)
    assert caught.value.about == {"limit": 10, "quota": "bytes"}
    with pytest.raises(OverQuota):
        world.put(ANN, "a", b"12345", size=5)
    drive(world.kist.tickets.abort(ANN, first.upload.id))
    second = world.begin(ANN, 10)
    world.send(second, b"x" * 10)
    world.complete(ANN, second)
    for _ in range(2):
        world.begin(ANN, 0)
    with pytest.raises(OverQuota) as caught:
        world.begin(ANN, 0)
    assert caught.value.about == {"limit": 3, "quota": "files"}
    world.begin(BOB, 10)


def test_unknown_sizes_are_charged_at_the_end() -> None:
    world = limited(quota_bytes=10)
    tickets = [world.begin(ANN, None, None) for _ in range(2)]
    for ticket in tickets:
        world.send(ticket, b"x" * 6)
    world.complete(ANN, tickets[0])
    with pytest.raises(UploadRefused) as caught:
        world.complete(ANN, tickets[1])
    assert caught.value.about["reason"] == "over_quota"
    assert world.used("ann") == (6, 1, 0)
    with pytest.raises(OverQuota):
        world.put(ANN, "a", b"12345")
    assert world.used("ann") == (6, 1, 0)


def test_a_form_of_unknown_size_takes_no_more_than_the_whole_quota() -> None:
    world = limited(quota_bytes=10)
    assert dict(world.begin(ANN, None, None).fields)["size"] == "0-10"


def test_so_many_uploads_may_be_open() -> None:
    world = limited(open_uploads=2)
    first, _ = world.begin(ANN), world.begin(ANN)
    with pytest.raises(TooMany) as caught:
        world.begin(ANN)
    assert caught.value.about == {"limit": 2, "after": 60}
    world.send(first)
    world.complete(ANN, first)
    world.begin(ANN)


def _intent(**more: Any) -> Any:
    from kist.model.upload import Intent

    return Intent(**({"name": "a.txt"} | more))


async def _open_parts(world: DirectWorld) -> list[Any]:
    return [each async for each in world.store.open_parts(BUCKET)]


async def _arrived(world: DirectWorld, upload: Any) -> list[Any]:
    return [ref async for ref in world.kist.tickets.arrived(upload)]
