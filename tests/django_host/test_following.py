"""Files of users have Django's row, made by the same commit and by no question of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.django_host.projects import user

from kist.django.composition import kist
from kist.django.following import FILE_KEY
from kist.django.models import UploadedFile
from kist.drive import drive
from kist.model.actor import Actor
from kist.model.upload import Intent, Way
from kist.service.tickets import Wish
from kist.wire.body import body_of

FORM = Wish(way=Way.FORM)


@pytest.mark.usefixtures("each_site")
def test_a_file_of_a_user_has_a_row_that_says_what_was_asked_for() -> None:
    ann = user()
    intent = Intent(name="a.txt", metadata={"file_key": "reports/7"})
    began = drive(kist().tickets.begin(Actor(str(ann.pk)), intent, FORM)).upload
    row = UploadedFile.objects.get(pk=began.file_id)
    assert (row.user, row.filename, row.file_key, row.row_id) == (ann, "a.txt", "reports/7", began.file_id)
    assert row.created == row.modified


def test_a_label_that_is_longer_than_its_column_is_cut(site: Path) -> None:
    """PostgreSQL would refuse the file for it, and SQLite hold what no form takes."""
    label = "k" * 256
    intent = Intent(name="n" * 255, metadata={FILE_KEY: label})
    made = drive(kist().uploads.receive(Actor(str(user().pk)), intent, body_of(b"bytes")))
    row = UploadedFile.objects.get(pk=made.id)
    assert (row.filename, row.file_key) == (made.name, label[:255])
    assert made.metadata == {FILE_KEY: label}, "the file itself has it whole"


@pytest.mark.usefixtures("each_site")
@pytest.mark.parametrize("owner", ["guest", "0", "01", "-1", "99999999999999999999", "9223372036854775807"])
def test_files_of_those_who_are_no_users_have_none(owner: str) -> None:
    user()
    made = drive(kist().uploads.receive(Actor(owner), Intent(name="a.txt"), body_of(b"bytes")))
    drive(kist().tickets.begin(Actor(owner), Intent(name="a.txt"), FORM))
    assert drive(kist().files.get(Actor(owner), made.id)).owner == owner
    assert not UploadedFile.objects.exists()


def test_beginning_an_upload_asks_nothing_and_is_one_transaction(
    site: Path, django_assert_queries: Callable[[int], AbstractContextManager[None]]
) -> None:
    ann = Actor(str(user().pk))
    drive(kist().tickets.begin(ann, Intent(name="a.txt"), FORM))
    with django_assert_queries(6):  # BEGIN, the file, the upload, its counters, the row, COMMIT
        drive(kist().tickets.begin(ann, Intent(name="b.txt"), FORM))
