"""What owners, strangers and admins may see and do; renaming, listing, removing, reading."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.service.world import World, blocks

from kist.drive import drive
from kist.errors import BadName, BadRange, Clash, Corrupt, FileMissing, Invalid, NotSignedIn, StoreRefused
from kist.model.actor import ANONYMOUS, Action, Actor, Role
from kist.model.changes import Change
from kist.model.content import PutRules, Span
from kist.model.place import Place
from kist.model.query import FileQuery, Sort
from kist.model.rows import Usage

ANN, BOB, ROOT = Actor("ann"), Actor("bob"), Actor("root", Role.ADMIN)


def test_a_foreign_file_looks_exactly_like_none(world: World) -> None:
    file = world.put(ANN, "x", b"1")
    answers = []
    for file_id in (file.id, "00000000-0000-4000-8000-000000000000", "nonsense", "' or 1=1 --"):
        for attempt in (
            lambda i: world.kist.files.get(BOB, i),
            lambda i: world.kist.files.change(BOB, i, name="y"),
            lambda i: world.kist.files.remove(BOB, i),
        ):
            with pytest.raises(FileMissing) as caught:
                drive(attempt(file_id))
            answers.append((caught.value.message, caught.value.about))
    assert len({str(answer) for answer in answers}) == 1
    assert world.read(ANN, file.id) == b"1"


def test_the_gate_is_asked_again_when_bytes_are_opened(world: World) -> None:
    file = world.put(ANN, "x", b"1")
    with pytest.raises(FileMissing):
        drive(world.kist.downloads.open(BOB, file))


def test_nobody_anonymous_reads_or_lists(world: World) -> None:
    file = world.put(ANN, "x", b"1")
    with pytest.raises(NotSignedIn):
        drive(world.kist.files.get(ANONYMOUS, file.id))
    with pytest.raises(NotSignedIn):
        drive(world.kist.files.page(ANONYMOUS, FileQuery()))


def test_lists_show_what_the_actor_may_see_whatever_the_query_says(world: World) -> None:
    mine, other = world.put(ANN, "x", b"1"), world.put(BOB, "y", b"1")

    def listed(actor: Actor, **more: Any) -> set[str]:
        return {file.id for file in drive(world.kist.files.page(actor, FileQuery(**more))).items}

    assert listed(ANN) == {mine.id}
    assert listed(ANN, visible_to=None) == {mine.id}
    assert listed(ANN, owner="bob", visible_to="bob") == set()
    assert listed(ROOT) == {mine.id, other.id}
    assert listed(ROOT, owner="bob") == {other.id}


def test_what_a_list_shows_is_what_the_gate_lets_read(world: World) -> None:
    files = [world.put(actor, f"{actor.id}-{n}", b"1") for actor in (ANN, BOB, ROOT) for n in range(2)]
    for actor in (ANN, BOB, ROOT):
        shown = {file.id for file in drive(world.kist.files.page(actor, FileQuery())).items}
        readable = {file.id for file in files if world.ports.gate.allows(actor, Action.READ, file)}
        assert shown == readable


def test_search_ignores_case_and_normal_form(world: World) -> None:
    file = world.put(ANN, "Stra\u00dfe/Cafe\u0301.TXT", b"1")
    for text in ("STRASSE", "caf\u00e9", "cafe\u0301.t", "txt"):
        assert [f.id for f in drive(world.kist.files.page(ANN, FileQuery(text=text))).items] == [file.id]
    assert file.name == "Stra\u00dfe/Caf\u00e9.TXT"


def test_pages_follow_each_other(world: World) -> None:
    names = [world.put(ANN, f"n{n:02}", b"1").name for n in range(7)]
    found, after = [], None
    while True:
        page = drive(world.kist.files.page(ANN, FileQuery(sort=Sort.NAME, descending=False, limit=3, after=after)))
        found += [file.name for file in page.items]
        if (after := page.next) is None:
            break
    assert found == names


def test_a_change_keeps_what_it_does_not_name(world: World) -> None:
    file = world.put(ANN, "x", b"1", metadata={"a": "b"})
    world.clock.advance(1)
    renamed = drive(world.kist.files.change(ANN, file.id, name="e\u0301"))
    assert (renamed.name, renamed.metadata, renamed.updated_at > file.updated_at) == ("\u00e9", {"a": "b"}, True)
    assert drive(world.kist.files.change(ANN, file.id, metadata={})).metadata == {}
    assert drive(world.kist.files.change(ANN, file.id)) == drive(world.kist.files.get(ANN, file.id))


@pytest.mark.parametrize("name", ["", "a" * 256, "a\0b", "a/../b", "/a", "a//b", "\u202egnp.exe", "a\\b", "\ud800"])
def test_names_that_break_the_rules_are_refused(world: World, name: str) -> None:
    file = world.put(ANN, "x", b"1")
    with pytest.raises(BadName):
        drive(world.kist.files.change(ANN, file.id, name=name))
    assert drive(world.kist.files.get(ANN, file.id)).name == "x"


def test_metadata_is_limited(world: World) -> None:
    file = world.put(ANN, "x", b"1")
    for metadata in ({"k" * 65: "v"}, {"k": "v" * 1025}, {str(n): "v" for n in range(65)}, {"k": "a\nb"}):
        with pytest.raises(Invalid):
            drive(world.kist.files.change(ANN, file.id, metadata=metadata))


def test_a_lost_race_is_run_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file = world.put(ANN, "x", b"1")
    commit, losses = world.catalogue.commit, [1, 1]

    async def loses_twice(*changes: Change) -> None:
        if losses and losses.pop():
            raise Clash("somebody was quicker", change=0)
        await commit(*changes)

    monkeypatch.setattr(world.catalogue, "commit", loses_twice)
    assert drive(world.kist.files.change(ANN, file.id, name="y")).name == "y"


def test_a_removed_file_is_gone_at_once_and_its_bytes_later(world: World) -> None:
    file = world.put(ANN, "x", b"123")
    drive(world.kist.files.remove(ANN, file.id))
    with pytest.raises(FileMissing):
        drive(world.kist.files.get(ANN, file.id))
    with pytest.raises(FileMissing):
        drive(world.kist.files.remove(ANN, file.id))
    assert drive(world.catalogue.usage("ann")) == Usage(owner="ann")
    assert world.objects() == {file.key}
    world.clock.advance(3601)
    assert drive(world.kist.upkeep.erase_doomed()) == 1
    assert world.objects() == set()


def test_spans_are_read_exactly(world: World) -> None:
    file = world.put(ANN, "x", b"0123456789")

    async def part(span: Span) -> bytes:
        opened = await world.kist.downloads.open(ANN, file, span)
        return b"".join([block async for block in opened.body])

    assert drive(part(Span(2, 5))) == b"234"
    with pytest.raises(BadRange):
        drive(part(Span(5, 11)))


def test_lost_bytes_are_told_as_broken_not_as_missing(world: World) -> None:
    file = world.put(ANN, "x", b"1")
    drive(world.store.erase(file.place))
    with pytest.raises(Corrupt):
        world.read(ANN, file.id)


def test_wrong_bytes_never_make_a_whole_download(world: World) -> None:
    file = world.put(ANN, "x", b"right" * 1000)
    drive(world.store.put(file.place, blocks(b"wrong" * 500, b"wrong" * 500), PutRules()))
    received = []

    async def download() -> None:
        opened = await world.kist.downloads.open(ANN, file)
        async for block in opened.body:
            received.append(block)

    with pytest.raises(Corrupt):
        drive(download())
    assert sum(map(len, received)) < file.size


def test_what_an_admin_does_to_others_is_audited_and_only_that(world: World) -> None:
    file = world.put(ANN, "x", b"1")
    world.read(ANN, file.id)
    world.read(ROOT, file.id)
    drive(world.kist.files.change(Actor("app", Role.ADMIN, via="key1"), file.id, name="y"))
    drive(world.kist.files.remove(ROOT, file.id))
    entries = drive(world.catalogue.audit(10))
    assert sorted(entry.action for entry in entries) == ["read", "remove", "write"]
    assert {entry.via for entry in entries} == {None, "key1"}


def test_what_an_admin_is_about_to_be_given_is_audited(world: World) -> None:
    theirs, own = world.put(ANN, "x", b"1"), world.put(ROOT, "y", b"1")
    drive(world.kist.downloads.note_read(ANN, theirs))
    drive(world.kist.downloads.note_read(ROOT, own))
    assert drive(world.catalogue.audit(10)) == ()
    drive(world.kist.downloads.note_read(ROOT, theirs, own))
    (entry,) = drive(world.catalogue.audit(10))
    assert (entry.actor, entry.action, entry.owner) == ("root", "read", "ann")


def test_one_place_that_cannot_be_erased_does_not_keep_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:

    kept, gone = world.put(ANN, "a", b"1"), world.put(ANN, "b", b"1")
    for file in (kept, gone):
        drive(world.kist.files.remove(ANN, file.id))
    world.clock.advance(3601)
    erase = world.store.erase

    async def refuses_one(*places: Place) -> None:
        if kept.place in places:
            raise StoreRefused("not this one")
        await erase(*places)

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "erase", refuses_one)
        with pytest.raises(StoreRefused):
            drive(world.kist.upkeep.erase_doomed())
    assert world.objects() == {kept.key}
    assert drive(world.kist.upkeep.erase_doomed()) == 1
    assert world.objects() == set()
