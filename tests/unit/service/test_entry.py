"""Keys, tokens, anonymous callers, acting for others, and limits on wrong keys."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.service.world import World

from kist.drive import drive
from kist.errors import BadName, Invalid, KeyMissing, NotAllowed, NotSignedIn, TooMany
from kist.model.actor import ANONYMOUS, Actor, Role
from kist.model.rows import Key
from kist.service.allowances import MOST_KNOWN as MAX_ADDRESSES
from kist.service.attempts import Attempts
from kist.service.entry import Entry
from kist.testing.clock import FakeClock

ANN, ROOT = Actor("ann"), Actor("root", Role.ADMIN)


def admit(
    world: World,
    token: str | None,
    act_as: str | None = None,
    address: str = "10.0.0.1",
    dialect: str = "native",
) -> Actor:
    return drive(world.kist.entry.admit(token, act_as=act_as, address=address, dialect=dialect))


def make(world: World, actor: str = "ann", **more: Any) -> tuple[Key, str]:
    return drive(world.kist.keys.create(ROOT, actor, **more))


def test_a_key_lets_its_actor_in(world: World) -> None:
    row, text = make(world)
    assert text.startswith(f"kist_{row.id}_")
    assert admit(world, text) == ANN
    assert text.rpartition("_")[2] not in repr(row)


def test_a_wrong_key_is_told_the_same_whatever_is_wrong_with_it(world: World) -> None:
    row, text = make(world, expires_at=world.clock.now() + timedelta(hours=1))
    revoked, revoked_text = make(world)
    drive(world.kist.keys.revoke(ROOT, revoked.id))
    world.clock.advance(3600)
    wrong = (text, revoked_text, f"kist_{row.id}_x", "kist_0_x", "nonsense", "", "kist_", "\ud800", "a.b.c")
    messages = set()
    for each in wrong:
        with pytest.raises(NotSignedIn) as caught:
            admit(world, each)
        messages.add(caught.value.message)
    assert len(messages) == 1


def test_only_admins_make_list_and_revoke_keys(world: World) -> None:
    row, _ = make(world)
    for attempt in (
        lambda by: world.kist.keys.create(by, "x"),
        world.kist.keys.page,
        lambda by: world.kist.keys.revoke(by, row.id),
    ):
        with pytest.raises(NotAllowed):
            drive(attempt(ANN))
        with pytest.raises(NotSignedIn):
            drive(attempt(ANONYMOUS))
    assert drive(world.kist.keys.page(ROOT)) == (row,)
    drive(world.kist.keys.revoke(ROOT, row.id))
    assert drive(world.kist.keys.page(ROOT)) == ()
    with pytest.raises(KeyMissing):
        drive(world.kist.keys.revoke(ROOT, row.id))


def test_keys_that_make_no_sense_are_refused(world: World) -> None:
    for actor in ("a b", ""):
        with pytest.raises(BadName):
            make(world, actor)
    more: dict[str, Any]
    for more in ({"role": Role.ANONYMOUS}, {"label": "x" * 201}, {"expires_at": world.clock.now()}):
        with pytest.raises(Invalid):
            make(world, **more)


def test_nobody_is_anonymous_unless_the_dialect_says_as_whom(world: World) -> None:
    assert admit(world, None) is ANONYMOUS
    assert admit(world, None, dialect="filedrop") == Actor("guest")
    with pytest.raises(NotSignedIn):
        admit(world, "wrong", dialect="filedrop")


def test_an_admin_acts_for_a_user_and_nobody_else_does(world: World) -> None:
    _, admins = make(world, "app", role=Role.ADMIN)
    _, users = make(world, "bob")
    assert admit(world, admins, act_as="ann") == Actor("ann", Role.USER, via="app")
    with pytest.raises(NotAllowed):
        admit(world, users, act_as="ann")
    with pytest.raises(NotSignedIn):
        admit(world, None, act_as="ann")
    with pytest.raises(Invalid):
        admit(world, admins, act_as="no such id!")


def test_tokens_of_an_identity_provider_are_recognised(world: World) -> None:
    entry = Entry(world.kist.keys, world.clock, recognise_token=lambda text: ANN if text == "jwt" else None)
    assert drive(entry.admit("jwt", act_as=None, address="", dialect="native")) == ANN
    _, key = make(world, "bob")
    assert drive(entry.admit(key, act_as=None, address="", dialect="native")) == Actor("bob")


def test_wrong_keys_from_one_address_are_limited_and_good_ones_are_not(world: World) -> None:
    _, good = make(world)
    answers = []
    for _ in range(50):
        with pytest.raises((NotSignedIn, TooMany)) as caught:
            admit(world, "kist_0_wrong", address="10.9.9.9")
        answers.append(type(caught.value))
    assert TooMany in answers[:21]
    assert answers[20:] == [TooMany] * 30
    assert admit(world, good, address="10.0.0.2") == ANN
    assert admit(world, good, address="10.9.9.9") == ANN
    world.clock.advance(4)
    with pytest.raises(NotSignedIn):
        admit(world, "kist_0_wrong", address="10.9.9.9")


def test_the_limiter_forgets_addresses_rather_than_grow() -> None:
    attempts = Attempts(FakeClock())
    for n in range(100_000):
        attempts.count(f"2001:db8:{n >> 16:x}:{n & 0xFFFF:x}::1")
    known = attempts._buckets._left
    assert len(known) == MAX_ADDRESSES
    assert sys.getsizeof(known) + MAX_ADDRESSES * 300 < 20 << 20
