"""What the disk store signs: only with a good secret, the same for the same question, and quickly."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kist.drive import right_here
from kist.errors import Expired, Invalid, Misconfigured, NotAllowed
from kist.model.content import FormLimits
from kist.model.place import Place
from kist.ports.wiring import Wiring
from kist.stores.disk import DiskStore, connect
from kist.system import SystemIds
from kist.testing.clock import START, FakeClock

ONE = Place("some-bucket", "folder/one")
MINUTE = timedelta(minutes=1)
SECRET = b"s" * 32


def store_with(tmp_path: Path, clock: FakeClock | None = None, **changed: Any) -> DiskStore:
    given = {"token_secret": SECRET, "public_url": "https://files.example/kist/"} | changed
    return connect(Wiring(f"disk:{tmp_path}", clock or FakeClock(), SystemIds(), right_here, **given))


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.parametrize("secret", [b"", b"s" * 31])
def test_no_secret_no_signature(tmp_path: Path, secret: bytes) -> None:
    token = token_of(store_with(tmp_path).sign("GET", ONE, MINUTE).url)
    weak = store_with(tmp_path, token_secret=secret)
    with pytest.raises(Misconfigured):
        weak.sign("GET", ONE, MINUTE)
    with pytest.raises(Misconfigured):
        weak.sign_form(ONE, MINUTE, FormLimits(max_size=1))
    for sent in (token, "", "."):
        with pytest.raises(Misconfigured):
            weak.verify(sent)


def test_no_address_no_signature(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="KIST_PUBLIC_URL"):
        store_with(tmp_path, public_url="").sign("GET", ONE, MINUTE)


def test_urls_lead_to_the_door(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    signed = store.sign("PUT", ONE, MINUTE, headers=[("Content-Type", "text/plain")])
    assert signed.url.startswith("https://files.example/kist/door/")
    assert signed.headers == (("Content-Type", "text/plain"),)
    assert token_of(signed.url).count(".") == 1
    assert token_of(signed.url).replace(".", "").replace("-", "").replace("_", "").isalnum()
    form = store.sign_form(ONE, MINUTE, FormLimits(max_size=1, fields=(("acl", "private"),)))
    assert form.url == "https://files.example/kist/door"
    assert [name for name, _ in form.fields] == ["key", "acl", "policy"]


def test_one_question_has_one_answer_for_a_while(tmp_path: Path) -> None:
    clock = FakeClock()
    store = store_with(tmp_path, clock)
    first = store.sign("GET", ONE, MINUTE, since=START)
    clock.advance(20.5)
    assert store.sign("GET", ONE, MINUTE, since=START) == first
    assert store.sign("GET", ONE, MINUTE).expires_at == START + MINUTE + timedelta(seconds=20)
    assert store_with(tmp_path, clock).verify(token_of(first.url)).expires_at == START + MINUTE


def test_it_ends(tmp_path: Path) -> None:
    clock = FakeClock()
    store = store_with(tmp_path, clock)
    token = token_of(store.sign("GET", ONE, MINUTE).url)
    clock.advance(59.999)
    store.verify(token)
    clock.advance(0.001)
    with pytest.raises(Expired):
        store.verify(token)


def test_another_secret_is_another_signer(tmp_path: Path) -> None:
    token = token_of(store_with(tmp_path).sign("GET", ONE, MINUTE).url)
    with pytest.raises(NotAllowed):
        store_with(tmp_path, token_secret=b"t" * 32).verify(token)


@pytest.mark.parametrize(
    "limits",
    [
        FormLimits(max_size=1, fields=(("policy", "x"),)),
        FormLimits(max_size=1, fields=(("KEY", "x"),)),
        FormLimits(max_size=1, fields=(("acl", "private"), ("ACL", "private"))),
        FormLimits(max_size=1, fields=(("acl", "${filename}"),)),
        FormLimits(max_size=1, min_size=2),
        FormLimits(max_size=1, min_size=-1),
    ],
)
def test_forms_that_are_not_signed(tmp_path: Path, limits: FormLimits) -> None:
    with pytest.raises(Invalid):
        store_with(tmp_path).sign_form(ONE, MINUTE, limits)
    with pytest.raises(Invalid):
        store_with(tmp_path).sign_form(Place("some-bucket", "a/${filename}"), MINUTE, FormLimits(max_size=1))


def test_queries_that_are_not_signed(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        store_with(tmp_path).sign("GET", ONE, MINUTE, query=[("X-Amz-Date", "x")])


def test_the_secret_does_not_show(tmp_path: Path) -> None:
    store = store_with(tmp_path, token_secret=b"canary" * 6)
    assert "canary" not in f"{store!r} {vars(store)!r} {store.sign('GET', ONE, MINUTE)!r}"


def test_a_thousand_urls_take_no_time(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    places = [Place("some-bucket", f".kist/objects/{number}") for number in range(1000)]
    took = []
    for _ in range(5):
        before = time.perf_counter()
        for place in places:
            store.sign("GET", place, MINUTE, query=[("response-content-type", "text/plain")])
        took.append(time.perf_counter() - before)
    assert min(took) < 0.2, "some 20 ms even where others run"
