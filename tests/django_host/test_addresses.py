"""Signed addresses of files on disk lead to the site as whoever asks has found it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.test import RequestFactory, override_settings
from tests.django_host.projects import user

from kist.django.addresses import asked_at
from kist.django.composition import kist
from kist.drive import drive
from kist.model.actor import Actor
from kist.model.upload import Intent
from kist.wire.body import body_of

MINUTE = timedelta(minutes=1)
HALF = timedelta(seconds=30)


@override_settings(ALLOWED_HOSTS=["*"])
def test_nobody_is_sent_to_where_another_has_found_the_site(site: Path) -> None:
    file = drive(kist().uploads.receive(Actor(str(user().pk)), Intent(name="a.txt"), body_of(b"bytes")))

    def address(host: str, *, secure: bool = False) -> str:
        with asked_at(RequestFactory().get("/", headers={"host": host}, secure=secure)):
            found = kist().downloads.address(file, MINUTE, shown_as=("text/plain", "inline"), window=HALF)
        assert found is not None
        return found

    assert address("farm.example").startswith("http://farm.example/door/")
    assert address("farm.example", secure=True).startswith("https://farm.example/door/")
    assert address("elsewhere.example").startswith("http://elsewhere.example/door/")
