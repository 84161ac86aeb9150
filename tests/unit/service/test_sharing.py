"""Who may do what to whose file: owners, shares, visibilities; and that lists and gate agree."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.service.world import ANN, BOB, ROOT, World

from kist.drive import drive
from kist.errors import BadName, FileMissing, Invalid, KistError, NotAllowed, NotSignedIn, ShareMissing
from kist.model.actor import ANONYMOUS, Action, Actor
from kist.model.file import File, Visibility
from kist.model.limits import Limits
from kist.model.query import FileQuery

CAROL = Actor("carol")
READ, WRITE, SHARE, REMOVE = Action.READ, Action.WRITE, Action.SHARE, Action.REMOVE


def names(world: World, actor: Actor, *, shared: bool = False) -> list[str]:
    return sorted(file.name for file in drive(world.kist.files.page(actor, FileQuery(), shared=shared)).items)


def outcome(world: World, actor: Actor, file: File, action: Action) -> type[KistError] | None:
    try:
        drive(world.kist.files.get(actor, file.id, action))
    except KistError as error:
        return type(error)
    return None


def test_a_share_lets_in_for_just_that(world: World) -> None:
    file, sibling = world.put(ANN, "a", b"a"), world.put(ANN, "b", b"b")
    assert outcome(world, BOB, file, READ) is FileMissing
    share = drive(world.kist.shares.grant(ANN, file.id, "bob", [READ]))
    assert share.actions == (READ,)
    assert world.read(BOB, file.id) == b"a"
    for action in (WRITE, SHARE, REMOVE):
        assert outcome(world, BOB, file, action) is NotAllowed
    assert outcome(world, BOB, sibling, READ) is FileMissing
    assert outcome(world, CAROL, file, READ) is FileMissing
    assert (names(world, BOB), names(world, BOB, shared=True)) == ([], ["a"])
    assert (names(world, ANN), names(world, ANN, shared=True)) == (["a", "b"], [])


def test_what_a_share_grants(world: World) -> None:
    file = world.put(ANN, "a", b"a")
    drive(world.kist.shares.grant(ANN, file.id, "bob", [WRITE, REMOVE]))
    assert drive(world.kist.files.change(BOB, file.id, name="renamed")).name == "renamed"
    with pytest.raises(NotAllowed):
        drive(world.kist.files.change(BOB, file.id, visibility=Visibility.PUBLIC_READ))
    drive(world.kist.files.remove(BOB, file.id))
    assert outcome(world, ANN, file, READ) is FileMissing


def test_a_share_is_replaced_and_withdrawn_at_once(world: World) -> None:
    file = world.put(ANN, "a", b"a")
    drive(world.kist.shares.grant(ANN, file.id, "bob", [WRITE]))
    drive(world.kist.shares.grant(ANN, file.id, "bob", [READ]))
    assert outcome(world, BOB, file, WRITE) is NotAllowed
    drive(world.kist.shares.withdraw(ANN, file.id, "bob"))
    assert outcome(world, BOB, file, READ) is FileMissing
    with pytest.raises(ShareMissing):
        drive(world.kist.shares.withdraw(ANN, file.id, "bob"))


def test_a_share_expires(world: World) -> None:
    file = world.put(ANN, "a", b"a")
    until = world.clock.now() + timedelta(minutes=1)
    drive(world.kist.shares.grant(ANN, file.id, "bob", [READ], expires_at=until))
    assert outcome(world, BOB, file, READ) is None
    world.clock.advance(60)
    assert outcome(world, BOB, file, READ) is FileMissing
    assert names(world, BOB, shared=True) == []
    assert drive(world.kist.shares.of_file(ANN, file.id)) == ()


def test_nobody_passes_on_more_than_they_have(world: World) -> None:
    file = world.put(ANN, "a", b"a")
    grant = world.kist.shares.grant
    until = world.clock.now() + timedelta(hours=1)
    drive(grant(ANN, file.id, "bob", [READ, SHARE], expires_at=until))
    for actions, ends in (([WRITE], until), ([READ], None), ([READ], until + timedelta(seconds=1))):
        with pytest.raises(NotAllowed):
            drive(grant(BOB, file.id, "carol", actions, expires_at=ends))
    drive(grant(BOB, file.id, "carol", [READ], expires_at=until))
    assert outcome(world, CAROL, file, READ) is None
    drive(grant(ANN, file.id, "carol", [READ, WRITE]))
    for call in (
        world.kist.shares.withdraw(BOB, file.id, "carol"),
        grant(BOB, file.id, "carol", [READ], expires_at=until),
        grant(BOB, file.id, "bob", [READ, SHARE, REMOVE], expires_at=until),
        grant(CAROL, file.id, "carol", [REMOVE]),
    ):
        with pytest.raises(NotAllowed):
            drive(call)
    drive(world.kist.shares.withdraw(CAROL, file.id, "carol"))
    assert outcome(world, CAROL, file, READ) is FileMissing


def test_only_whoever_may_share_sees_all_shares(world: World) -> None:
    file = world.put(ANN, "a", b"a")
    for actor in ("bob", "carol"):
        drive(world.kist.shares.grant(ANN, file.id, actor, [READ]))
    assert [share.actor for share in drive(world.kist.shares.of_file(ANN, file.id))] == ["bob", "carol"]
    assert [share.actor for share in drive(world.kist.shares.of_file(BOB, file.id))] == ["bob"]
    with pytest.raises(FileMissing):
        drive(world.kist.shares.of_file(Actor("dave"), file.id))


def test_foreign_files_cannot_be_shared(world: World) -> None:
    file = world.put(ANN, "a", b"a")
    with pytest.raises(FileMissing):
        drive(world.kist.shares.grant(BOB, file.id, "bob", [READ]))
    with pytest.raises(FileMissing):
        drive(world.kist.shares.withdraw(BOB, file.id, "bob"))
    with pytest.raises(NotSignedIn):
        drive(world.kist.shares.grant(ANONYMOUS, file.id, "bob", [READ]))
    drive(world.kist.shares.grant(ROOT, file.id, "bob", [READ]))
    entries = drive(world.catalogue.audit(10))
    assert [(entry.actor, entry.action) for entry in entries] == [("root", "share")]


@pytest.mark.parametrize(
    ("to", "actions", "ends", "error"),
    [
        ("bob", [], None, Invalid),
        ("ann", [READ], None, Invalid),
        ("bob/..", [READ], None, BadName),
        ("", [READ], None, BadName),
        ("bob", [READ], timedelta(0), Invalid),
        ("bob", [READ], timedelta(seconds=-1), Invalid),
    ],
)
def test_shares_that_make_no_sense(
    world: World, to: str, actions: list[Action], ends: timedelta | None, error: type[KistError]
) -> None:
    file = world.put(ANN, "a", b"a")
    until = None if ends is None else world.clock.now() + ends
    with pytest.raises(error):
        drive(world.kist.shares.grant(ANN, file.id, to, actions, expires_at=until))
    with pytest.raises(Invalid):
        drive(world.kist.shares.grant(ANN, file.id, "bob", [READ], expires_at=datetime(2030, 1, 1)))


ALL = Limits(visibilities=tuple(Visibility))


@pytest.mark.parametrize(
    ("visibility", "read_by", "written_by"),
    [
        (Visibility.PRIVATE, set(), set()),
        (Visibility.AUTHENTICATED_READ, {"bob"}, set()),
        (Visibility.PUBLIC_READ, {"", "bob"}, set()),
        (Visibility.PUBLIC_READ_WRITE, {"", "bob"}, {"bob"}),
    ],
)
def test_what_each_visibility_leaves_open(visibility: Visibility, read_by: set[str], written_by: set[str]) -> None:
    world = World(limits=ALL)
    file = world.put(ANN, "a", b"a")
    drive(world.kist.files.change(ANN, file.id, visibility=visibility))
    for actor in (ANONYMOUS, BOB):
        assert (outcome(world, actor, file, READ) is None) is (actor.id in read_by)
        assert (outcome(world, actor, file, WRITE) is None) is (actor.id in written_by)
        for action in (SHARE, REMOVE):
            assert outcome(world, actor, file, action) is not None
    assert names(world, BOB) == names(world, BOB, shared=True) == []


def test_what_is_not_to_be_chosen(world: World) -> None:
    file = world.put(ANN, "a", b"a")
    with pytest.raises(Invalid):
        drive(world.kist.files.change(ANN, file.id, visibility=Visibility.PUBLIC_READ_WRITE))
    with pytest.raises(Invalid):
        world.put(ANN, "b", b"b", visibility=Visibility.PUBLIC_READ_WRITE)


def test_an_anonymous_caller_learns_nothing(world: World) -> None:
    file = world.put(ANN, "a", b"a")
    with pytest.raises(NotSignedIn) as private:
        drive(world.kist.files.get(ANONYMOUS, file.id))
    with pytest.raises(NotSignedIn) as absent:
        drive(world.kist.files.get(ANONYMOUS, "none"))
    assert str(private.value) == str(absent.value)


@settings(max_examples=150, deadline=None)
@given(
    owners=st.lists(st.sampled_from(["ann", "bob", "carol"]), min_size=1, max_size=6),
    grants=st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(["ann", "bob", "carol", "dave"]),
            st.sets(st.sampled_from(list(Action)), min_size=1),
            st.sampled_from([None, 30, 90]),
        ),
        max_size=8,
    ),
)
def test_gate_and_lists_agree(owners: list[str], grants: list[tuple[int, str, set[Action], int | None]]) -> None:
    world = World()
    files = [world.put(Actor(owner), f"{number}", b"x") for number, owner in enumerate(owners)]
    for at, to, actions, seconds in grants:
        file = files[at % len(files)]
        if to != file.owner:
            until = None if seconds is None else world.clock.now() + timedelta(seconds=seconds)
            drive(world.kist.shares.grant(Actor(file.owner), file.id, to, actions, expires_at=until))
    world.clock.advance(60)
    for actor in map(Actor, ("ann", "bob", "carol", "dave", "erin")):
        listed = {*names(world, actor), *names(world, actor, shared=True)}
        assert listed == {file.name for file in files if outcome(world, actor, file, READ) is None}
