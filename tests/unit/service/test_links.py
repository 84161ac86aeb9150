"""Links: made, followed, counted, ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.service.world import ANN, BOB, ROOT, World

from kist.drive import drive
from kist.errors import CatalogueBusy, FileMissing, Invalid, LinkMissing, Misconfigured, NotSignedIn, TooMany
from kist.model.actor import ANONYMOUS, Action, Actor
from kist.model.changes import Change
from kist.model.link import Disposition, Link
from kist.service import links
from kist.service.links import LinkTerms
from kist.service.passwords import matches
from kist.service.tokens import link_id, link_token

SECRET = b"s" * 32


def make(world: World, actor: Actor, files: Sequence[str], **terms: Any) -> dict[str, Link]:
    return drive(world.kist.links.make(actor, files, LinkTerms(**terms))).links


def one(world: World, actor: Actor = ANN, **terms: Any) -> tuple[Link, str]:
    file = world.put(ANN, "a.txt", b"linked")
    (link,) = make(world, actor, [file.id], **terms).values()
    return link, world.kist.links.token(link)


def follow(world: World, token: str, **more: Any) -> bytes:
    _, file = drive(world.kist.links.follow(token, **more))

    async def whole() -> bytes:
        opened = await world.kist.downloads.give(file)
        return b"".join([block async for block in opened.body])

    return drive(whole())


def test_a_link_is_all_that_it_takes(world: World) -> None:
    link, token = one(world)
    assert follow(world, token) == b"linked"
    assert len(token) == 43
    assert link.expires_at == world.clock.now() + timedelta(hours=1)


def test_links_of_many_files_with_an_error_for_each_that_has_none(world: World) -> None:
    mine = [world.put(ANN, f"{number}", b"x").id for number in range(3)]
    foreign = world.put(BOB, "b", b"x").id
    made = drive(world.kist.links.make(ANN, [*mine, foreign, "none", mine[0]], LinkTerms()))
    assert list(made.links) == mine
    assert {file_id: type(error) for file_id, error in made.errors.items()} == {
        foreign: FileMissing,
        "none": FileMissing,
    }
    assert str(made.errors[foreign]) == str(made.errors["none"])


@pytest.mark.parametrize("files", [[], ["x"] * 2 + [str(n) for n in range(1000)]])
def test_no_files_or_too_many(world: World, files: list[str]) -> None:
    with pytest.raises(Invalid):
        make(world, ANN, files)
    with pytest.raises(NotSignedIn):
        make(world, ANONYMOUS, ["x"])


def test_lives_are_cut(world: World) -> None:
    link, _ = one(world, life=timedelta(days=400))
    assert link.expires_at == world.clock.now() + timedelta(days=7)
    with pytest.raises(Invalid):
        one(world, life=timedelta(0))
    with pytest.raises(Invalid):
        one(world, max_uses=0)


def test_tokens_that_are_none(world: World) -> None:
    link, token = one(world)
    other = world.ids.uuid()
    wrong = [
        "",
        "x",
        token[:-2],
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        token + "A",
        "é",
        "\0",
        token.lower(),
    ]
    wrong += [link_token(b"t" * 32, link.id), link_token(SECRET, other), link.id]
    for text in wrong:
        with pytest.raises(LinkMissing):
            follow(world, text)


def test_a_token_has_one_spelling(world: World) -> None:
    _, token = one(world)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    for text in (f"{token}!", f"!{token}", f"{token}=", f"{token[:9]}. {token[9:]}", token[:-1] + alphabet[last ^ 1]):
        with pytest.raises(LinkMissing):
            follow(world, text)


def test_a_secret_that_is_none_signs_nothing() -> None:
    for secret in (b"", b"short"):
        with pytest.raises(Misconfigured):
            link_token(secret, "0" * 32)
        with pytest.raises(Misconfigured):
            link_id(secret, link_token(SECRET, "0" * 32))


def test_a_link_ends(world: World) -> None:
    _, expired = one(world, life=timedelta(seconds=30))
    world.clock.advance(30)
    revoked, token = one(world)
    drive(world.kist.links.revoke(ANN, revoked.id))
    removed, lost = one(world)
    drive(world.kist.files.remove(ANN, removed.file_id))
    for text in (expired, token, lost):
        with pytest.raises(LinkMissing) as caught:
            follow(world, text)
        assert str(caught.value) == "there is no such link"
    with pytest.raises(LinkMissing):
        drive(world.kist.links.revoke(ANN, revoked.id))


def test_a_link_does_not_outlive_the_right_of_its_maker(world: World) -> None:
    file = world.put(ANN, "a.txt", b"linked")
    drive(world.kist.shares.grant(ANN, file.id, "bob", [Action.READ]))
    (link,) = make(world, BOB, [file.id]).values()
    token = world.kist.links.token(link)
    assert follow(world, token) == b"linked"
    drive(world.kist.shares.withdraw(ANN, file.id, "bob"))
    with pytest.raises(LinkMissing):
        follow(world, token)
    (link,) = make(world, ROOT, [file.id]).values()
    assert follow(world, world.kist.links.token(link)) == b"linked"


def test_who_may_revoke(world: World) -> None:
    file = world.put(ANN, "a.txt", b"linked")
    drive(world.kist.shares.grant(ANN, file.id, "bob", [Action.READ]))
    (by_bob,) = make(world, BOB, [file.id]).values()
    (by_ann,) = make(world, ANN, [file.id]).values()
    with pytest.raises(LinkMissing):
        drive(world.kist.links.revoke(BOB, by_ann.id))
    drive(world.kist.links.revoke(ANN, by_bob.id))
    drive(world.kist.links.revoke(ROOT, by_ann.id))


def test_a_link_is_used_up(world: World) -> None:
    link, token = one(world, max_uses=2)
    for _ in range(2):
        assert follow(world, token, used=False) == b"linked"
        assert follow(world, token) == b"linked"
    for used in (True, False):
        with pytest.raises(LinkMissing):
            follow(world, token, used=used)
    assert drive(world.catalogue.link(link.id)).uses == 2
    entries = [entry for entry in drive(world.catalogue.audit(10)) if entry.via == f"link:{link.id}"]
    assert [(entry.actor, entry.owner, entry.times) for entry in entries] == [("", "ann", 1)] * 2


def test_uses_are_counted_a_little_later(world: World) -> None:
    link, token = one(world)
    for _ in range(5):
        follow(world, token)
    assert drive(world.catalogue.link(link.id)).uses == 0
    assert drive(world.kist.links.write_down()) == 5
    assert drive(world.kist.links.write_down()) == 0
    (listed,) = drive(world.kist.links.page(ANN, 10)).items
    assert (listed.uses, listed.last_used_at) == (5, world.clock.now())
    (entry,) = drive(world.catalogue.audit(10))
    assert (entry.via, entry.thing, entry.times) == (f"link:{link.id}", f"file:{link.file_id}", 5)


def test_a_revoked_link_keeps_no_other_from_being_counted(world: World) -> None:
    links = [one(world) for _ in range(3)]
    for _, token in links:
        follow(world, token)
    drive(world.kist.links.revoke(ANN, links[1][0].id))
    assert drive(world.kist.links.write_down()) == 2
    assert [drive(world.catalogue.link(link.id)).uses for link, _ in links] == [1, 0, 1]


def test_no_use_is_counted_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the links was revoked, so each is written by itself, and in the middle of that the catalogue goes away."""
    links = [one(world) for _ in range(3)]
    for _, token in links:
        follow(world, token)
    drive(world.kist.links.revoke(ANN, links[2][0].id))
    commit, calls = type(world.catalogue).commit, []

    async def sometimes(catalogue: Any, *changes: Change) -> None:
        calls.append(changes)
        if len(calls) == 3:
            raise CatalogueBusy("the database is locked")
        await commit(catalogue, *changes)

    with monkeypatch.context() as patch:
        patch.setattr(type(world.catalogue), "commit", sometimes)
        with pytest.raises(CatalogueBusy):
            drive(world.kist.links.write_down())
    assert drive(world.kist.links.write_down()) == 1
    assert [drive(world.catalogue.link(link.id)).uses for link, _ in links] == [1, 1, 0]


def test_uses_wait_while_the_catalogue_is_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    link, token = one(world)
    follow(world, token)

    async def down(*_: object) -> None:
        raise CatalogueBusy("the database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.catalogue), "commit", down)
        with pytest.raises(CatalogueBusy):
            drive(world.kist.links.write_down())
    follow(world, token)
    assert drive(world.kist.links.write_down()) == 2
    assert drive(world.catalogue.link(link.id)).uses == 2


def test_uses_are_written_down_when_the_service_ends(world: World) -> None:
    link, token = one(world)
    follow(world, token)
    drive(world.kist.close())
    assert drive(world.catalogue.link(link.id)).uses == 1


def test_a_password(world: World) -> None:
    link, token = one(world, password="open sesame")
    assert "sesame" not in str(link.password)
    for password in (None, "", "Open sesame", "x" * 1000):
        with pytest.raises(NotSignedIn):
            follow(world, token, password=password, address="1.2.3.4")
    assert follow(world, token, password="open sesame") == b"linked"
    assert drive(world.catalogue.link(link.id)).uses == 1
    with pytest.raises(Invalid):
        one(world, password="x" * 201)


def test_passwords_cannot_be_tried_for_ever(world: World) -> None:
    _, token = one(world, password="open sesame")
    for _ in range(20):
        with pytest.raises(NotSignedIn):
            follow(world, token, password="wrong", address="1.2.3.4")
    with pytest.raises(TooMany):
        follow(world, token, password="wrong", address="1.2.3.4")
    with pytest.raises(TooMany):  # else the right one would be told from the wrong ones, however many are tried
        follow(world, token, password="open sesame", address="1.2.3.4")
    assert follow(world, token, password="open sesame", address="5.6.7.8") == b"linked"
    _, other = one(world, password="open sesame")
    assert follow(world, other, password="open sesame", address="1.2.3.4") == b"linked"
    world.clock.advance(3)
    assert follow(world, token, password="open sesame", address="1.2.3.4") == b"linked"


def test_passwords_that_are_tried_at_once_are_tries_as_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a host with threads, others come while one is judged."""
    _, token = one(world, password="open sesame")
    judged: list[str] = []
    refused: list[TooMany] = []

    def judging(password: str, kept: str) -> bool:
        judged.append(password)
        try:
            if len(judged) < 100:
                follow(world, token, password="wrong", address="1.2.3.4")
        except TooMany as error:
            refused.append(error)
        except NotSignedIn:
            pass
        return matches(password, kept)

    monkeypatch.setattr(links, "matches", judging)
    with pytest.raises(NotSignedIn):
        follow(world, token, password="wrong", address="1.2.3.4")
    assert (len(judged), len(refused)) == (20, 1)


def test_right_passwords_are_not_counted(world: World) -> None:
    _, token = one(world, password="open sesame")
    for _ in range(25):
        assert follow(world, token, password="open sesame", address="1.2.3.4") == b"linked"
    for _ in range(20):
        with pytest.raises(NotSignedIn):
            follow(world, token, password="wrong", address="1.2.3.4")
    with pytest.raises(TooMany):
        follow(world, token, password="wrong", address="1.2.3.4")


def test_the_addresses_of_one_ipv6_subscriber_count_as_one(world: World) -> None:
    _, token = one(world, password="open sesame")
    for number in range(20):
        with pytest.raises(NotSignedIn):
            follow(world, token, password="wrong", address=f"2001:db8:1:2::{number:x}")
    with pytest.raises(TooMany):
        follow(world, token, password="open sesame", address="2001:db8:1:2:ffff::1")
    for other in ("2001:db8:1:3::1", "::ffff:1.2.3.4", "1.2.3.4", ""):
        assert follow(world, token, password="open sesame", address=other) == b"linked"


def test_my_links(world: World) -> None:
    made = [one(world)[0] for _ in range(3)]
    one(world, actor=ROOT)
    drive(world.kist.links.revoke(ANN, made[0].id))
    assert {link.id for link in drive(world.kist.links.page(ANN, 10)).items} == {made[1].id, made[2].id}
    with pytest.raises(NotSignedIn):
        drive(world.kist.links.page(ANONYMOUS, 10))


def test_old_links_are_forgotten(world: World) -> None:
    link, _ = one(world)
    world.clock.advance(timedelta(days=8).total_seconds())
    assert drive(world.kist.upkeep.forget_ended()) == 1
    with pytest.raises(LinkMissing):
        drive(world.catalogue.link(link.id))


def test_terms_go_into_the_row(world: World) -> None:
    link, _ = one(world, disposition=Disposition.VIEW, max_uses=3)
    assert (link.disposition, link.max_uses, link.uses, link.revoked_at) == (Disposition.VIEW, 3, 0, None)
    assert msgspec.structs.replace(link, uses=1).counted_first
