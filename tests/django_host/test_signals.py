"""Signals come once what they tell of is committed, and not for what is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from tests.django_host.projects import post, taken_back, user

from kist.django.composition import kist
from kist.django.models import UploadedFile
from kist.django.signals import file_completed, file_removed
from kist.drive import drive
from kist.model.actor import Actor
from kist.model.upload import Declared, Intent
from kist.wire.body import body_of


@pytest.fixture
def told() -> Iterator[list[tuple[str, str, int]]]:
    """What the signals said: which, of which file, in which version."""
    seen: list[tuple[str, str, int]] = []

    def completed(sender: type, file: Any, **_: object) -> None:
        assert sender is UploadedFile
        assert not transaction.get_connection().in_atomic_block
        assert UploadedFile.objects.filter(pk=file.id).exists() or not file.owner.isdigit()
        seen.append(("completed", file.id, file.version))

    def removed(sender: type, file: Any, **_: object) -> None:
        seen.append(("removed", file.id, file.version))

    with connected(file_completed, completed), connected(file_removed, removed):
        yield seen


@contextmanager
def connected(signal: Any, receiver: Any) -> Iterator[None]:
    """The receiver hears the signal for the length of the block."""
    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


def posted(owner: Any) -> UploadedFile:
    uploaded = UploadedFile.objects.create(user=owner, filename="a.txt")
    assert post(uploaded.get_upload_form(), b"hello") == (204, "")
    return uploaded


def test_completed_and_removed(site: Path, told: list[tuple[str, str, int]]) -> None:
    uploaded = posted(user())
    file_id = str(uploaded.pk)
    assert told == []
    uploaded.completed_upload()
    assert told == [("completed", file_id, 1)]
    uploaded.delete()
    assert told[1:] == [("removed", file_id, 1)]


def test_after_the_commit_and_not_before(site: Path, told: list[tuple[str, str, int]]) -> None:
    uploaded = posted(user())
    with transaction.atomic():
        uploaded.completed_upload()
        assert told == []
    assert [name for name, *_ in told] == ["completed"]


def test_not_after_a_rollback(site: Path, told: list[tuple[str, str, int]]) -> None:
    uploaded = posted(user())
    with taken_back():
        uploaded.completed_upload()
    assert told == []
    uploaded.refresh_from_db()
    uploaded.completed_upload()
    with taken_back():
        UploadedFile.objects.get().delete()
    assert [name for name, *_ in told] == ["completed"]


def test_for_files_that_come_another_way_and_for_new_content(site: Path, told: list[tuple[str, str, int]]) -> None:
    ann = user()
    for owner, shown in ((Actor(str(ann.pk)), ann), (Actor("somebody"), None)):
        file = drive(kist().uploads.receive(owner, Intent(name="a.txt"), body_of(b"1")))
        drive(kist().uploads.replace(owner, file.id, Declared(), body_of(b"2")))
        drive(kist().files.change(owner, file.id, name="b.txt"))
        assert told[-2:] == [("completed", file.id, 1), ("completed", file.id, 2)]
        assert [row.user for row in UploadedFile.objects.filter(pk=file.id)] == ([ann] if shown else [])


def test_a_receiver_that_fails_stops_nobody(site: Path, told: list[tuple[str, str, int]]) -> None:
    def failing(**_: object) -> None:
        raise ZeroDivisionError

    uploaded = posted(user())
    with connected(file_completed, failing):
        uploaded.completed_upload()
    assert [name for name, *_ in told] == ["completed"]
    assert UploadedFile.objects.get().file_upload_state == "COMPLETED"
