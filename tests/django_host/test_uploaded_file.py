"""``UploadedFile``: its states, its methods and what they raise, alone and inside the caller's transactions."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from tests.django_host.llamas.models import Llama
from tests.django_host.projects import got, post, taken_back, user

from kist.django.composition import assembled, kist
from kist.django.models import AWAIT_COMPLETE, COMPLETED, NEW, REMOVED, File, Upload, UploadedFile
from kist.drive import drive
from kist.errors import FileMissing, Incomplete, Invalid, UploadRefused, WrongState
from kist.model.actor import Actor
from kist.model.upload import Declared

HELLO = b"hello, llama\n"


def made(owner: Any, name: str = "a.txt", state: str = NEW) -> UploadedFile:
    """A row of that owner in that state."""
    uploaded = UploadedFile.objects.create(user=owner, filename=name)
    if state == NEW:
        return uploaded
    form = uploaded.get_upload_form()
    if state == COMPLETED:
        assert post(form, HELLO) == (204, "")
        uploaded.completed_upload()
    return uploaded


def stands(uploaded: UploadedFile) -> str:
    """The state as another process would read it."""
    return UploadedFile.objects.get(pk=uploaded.pk).file_upload_state


def test_from_new_to_completed(each_site: Path) -> None:
    ann = user()
    uploaded = UploadedFile.objects.create(user=ann, filename="a.txt")
    assert (uploaded.file_upload_state, stands(uploaded)) == (NEW, NEW)
    form = uploaded.get_upload_form()
    assert list(form) == ["url", "fields"]
    assert (uploaded.file_upload_state, stands(uploaded)) == (AWAIT_COMPLETE, AWAIT_COMPLETE)
    with pytest.raises(Incomplete):
        uploaded.completed_upload()
    assert post(form, HELLO) == (204, "")
    uploaded.completed_upload()
    assert (uploaded.file_upload_state, stands(uploaded)) == (COMPLETED, COMPLETED)
    row = UploadedFile.objects.select_related("row").get(pk=uploaded.pk).row
    assert (row.state, row.size, row.owner, row.name) == ("ready", len(HELLO), str(ann.pk), "a.txt")
    assert got(uploaded.get_view_url()) == got(uploaded.get_download_url()) == HELLO


ALLOWED = {
    ("get_upload_form", NEW): AWAIT_COMPLETE,
    ("get_upload_form", AWAIT_COMPLETE): AWAIT_COMPLETE,
    ("completed_upload", AWAIT_COMPLETE): COMPLETED,
    ("permit_reupload", NEW): AWAIT_COMPLETE,
    ("permit_reupload", COMPLETED): AWAIT_COMPLETE,
}


@pytest.mark.parametrize("state", [NEW, AWAIT_COMPLETE, COMPLETED])
@pytest.mark.parametrize("method", ["get_upload_form", "completed_upload", "permit_reupload"])
def test_moves_of_the_table_are_made_and_no_others(site: Path, method: str, state: str) -> None:
    uploaded = made(user(), state=state)
    if (method, state) == ("completed_upload", AWAIT_COMPLETE):
        assert post(uploaded.get_upload_form(), HELLO) == (204, "")
    call: Callable[[], Any] = getattr(uploaded, method)
    to = ALLOWED.get((method, state))
    if to is None:
        with pytest.raises(WrongState):
            call()
        assert uploaded.file_upload_state == stands(uploaded) == state
        return
    call()
    assert uploaded.file_upload_state == to
    if method == "permit_reupload":
        assert stands(uploaded) == state, "saving is the caller's"
        uploaded.save()
    assert stands(uploaded) == to


def test_a_permitted_reupload_replaces_the_content_and_not_before(each_site: Path) -> None:
    uploaded = made(user(), state=COMPLETED)
    uploaded.permit_reupload()
    uploaded.save()
    again = UploadedFile.objects.get(pk=uploaded.pk)
    form = again.get_upload_form()
    assert post(form, b"other") == (204, "")
    assert got(again.get_view_url()) == HELLO
    again.completed_upload()
    assert got(again.get_view_url()) == b"other"
    assert stands(again) == COMPLETED
    with pytest.raises(WrongState):
        again.get_upload_form()


def test_asking_for_a_form_saves_the_permission(site: Path) -> None:
    uploaded = made(user(), state=COMPLETED)
    uploaded.permit_reupload()
    uploaded.get_upload_form()
    assert stands(uploaded) == AWAIT_COMPLETE


def test_an_earlier_form_counts_no_more(site: Path) -> None:
    uploaded = made(user())
    first = uploaded.get_upload_form()
    second = uploaded.get_upload_form()
    assert post(first, b"first") == (403, "AccessDenied")
    assert post(second, b"second") == (204, "")
    uploaded.completed_upload()
    assert got(uploaded.get_view_url()) == b"second"


def test_a_url_needs_a_complete_file(site: Path) -> None:
    ann = user()
    for state in (NEW, AWAIT_COMPLETE):
        uploaded = made(ann, state=state)
        for ask in (uploaded.get_view_url, uploaded.get_download_url):
            with pytest.raises(FileMissing):
                ask()


def test_what_breaks_a_rule_is_refused(site: Path) -> None:
    uploaded = made(user())
    form = uploaded.get_upload_form()
    assert post(form, b"") == (204, "")
    try:
        uploaded.completed_upload()
    except UploadRefused:
        assert stands(uploaded) == AWAIT_COMPLETE
    with pytest.raises(Invalid):
        made(user("eve")).get_upload_form("nonsense")
    with pytest.raises(Invalid):
        made(user("bob")).get_upload_form(expiry=0)


def test_names_are_kept_and_keys_are_labels(site: Path) -> None:
    uploaded = UploadedFile.objects.create(user=user(), filename="a b.txt", file_key="../label")
    assert uploaded.get_file_key() == "../label"
    assert post(uploaded.get_upload_form(), HELLO) == (204, "")
    uploaded.completed_upload()
    assert File.objects.get(pk=str(uploaded.pk)).key.startswith(".kist/objects/")
    assert UploadedFile(id=uuid.UUID(int=7)).get_file_key() == str(uuid.UUID(int=7))
    assert uploaded.file_path == f"/s3-file-uploads/{uploaded.pk}/"


def test_states_are_filtered_by_and_newest_come_first(site: Path) -> None:
    ann = user()
    rows = {state: made(ann, state=state) for state in (NEW, AWAIT_COMPLETE, COMPLETED)}
    for state, row in rows.items():
        assert list(UploadedFile.objects.filter(file_upload_state=state)) == [row]
    assert list(ann.uploaded_files.all()) == [rows[COMPLETED], rows[AWAIT_COMPLETE], rows[NEW]]


def test_relations_bring_the_state_along(site: Path, django_assert_queries: Callable[[int], Any]) -> None:
    Llama.objects.create(name="Dolly", file=made(user(), state=COMPLETED))
    with django_assert_queries(1):
        llama = Llama.objects.select_related("file", "file__row").get()
        assert (llama.file.filename, llama.file.row.size) == ("a.txt", len(HELLO))
    with django_assert_queries(2):
        assert Llama.objects.get().file.file_upload_state == COMPLETED
    assert Llama.objects.select_related("file").get().file.file_upload_state == COMPLETED
    assert got(Llama.objects.get().file.get_download_url()) == HELLO


def test_deleting_the_row_removes_the_file(site: Path) -> None:
    ann = user()
    complete, open_, new = (made(ann, state=state) for state in (COMPLETED, AWAIT_COMPLETE, NEW))
    for row in (complete, open_, new):
        file_id = str(row.pk)
        row.delete()
        assert not UploadedFile.objects.filter(pk=file_id).exists()
        assert not File.objects.filter(pk=file_id, state="ready").exists()
        assert not Upload.objects.filter(file=file_id, state="open").exists()


def test_a_deletion_that_is_rolled_back_removes_nothing(site: Path) -> None:
    uploaded = made(user(), state=COMPLETED)
    with taken_back():
        UploadedFile.objects.get(pk=uploaded.pk).delete()
    assert got(UploadedFile.objects.get(pk=uploaded.pk).get_view_url()) == HELLO


def test_in_a_transaction_rows_are_written_and_taken_back_together(each_site: Path) -> None:
    ann = user()
    with taken_back():
        uploaded = UploadedFile.objects.create(user=ann, filename="a.txt")
        uploaded.get_upload_form()
        Llama.objects.create(name="Dolly", file=uploaded)
    for kind in (File, Upload, UploadedFile, Llama):
        assert not kind.objects.exists(), kind
    with transaction.atomic():
        uploaded = UploadedFile.objects.create(user=ann, filename="a.txt")
        form = uploaded.get_upload_form()
        Llama.objects.create(name="Dolly", file=uploaded)
    assert post(form, HELLO) == (204, "")
    with taken_back():
        uploaded.completed_upload()
    uploaded.refresh_from_db()
    assert uploaded.file_upload_state == AWAIT_COMPLETE
    uploaded.completed_upload()
    assert got(uploaded.get_view_url()) == HELLO


def test_a_refusal_in_a_transaction_leaves_the_rest_of_it(site: Path) -> None:
    ann = user()
    with transaction.atomic():
        uploaded = made(ann, state=AWAIT_COMPLETE)
        with pytest.raises(Incomplete):
            uploaded.completed_upload()
        UploadedFile.objects.create(user=ann, filename="other.txt")
    assert UploadedFile.objects.count() == 2


def test_expiry_never_removes_a_row_that_something_refers_to(site: Path) -> None:
    uploaded = made(user(), state=AWAIT_COMPLETE)
    llama = Llama.objects.create(name="Dolly", file=uploaded)
    limits, now = assembled().ports.limits, assembled().ports.clock.now
    assembled().ports.catalogue._clock = assembled().ports.clock  # type: ignore[attr-defined]  # by which rows end
    assembled().ports.clock.now = lambda: now() + limits.upload_life + limits.ended_life * 2  # type: ignore[method-assign]
    assert drive(kist().upkeep.end_overdue_uploads()) == 1
    assembled().ports.clock.now = lambda: now() + limits.upload_life + limits.ended_life * 4  # type: ignore[method-assign]
    assert drive(kist().upkeep.forget_ended()) == 1
    assert not File.objects.exists()
    llama.refresh_from_db()
    assert llama.file == uploaded
    assert stands(uploaded) == NEW
    form = llama.file.get_upload_form()
    assert post(form, HELLO) == (204, "")
    llama.file.completed_upload()
    assert stands(uploaded) == COMPLETED


def test_the_file_of_a_user_who_goes_stays(site: Path) -> None:
    ann = user()
    uploaded = made(ann, state=COMPLETED)
    ann.delete()
    uploaded = UploadedFile.objects.get(pk=uploaded.pk)
    assert uploaded.user is None
    assert got(uploaded.get_view_url()) == HELLO
    uploaded.delete()
    assert not File.objects.filter(state="ready").exists()


def test_a_removed_file_says_so(site: Path) -> None:
    uploaded = made(user(), state=COMPLETED)
    from kist.django.lifecycle import owner_of

    drive(kist().files.remove(owner_of(uploaded), str(uploaded.pk)))
    assert stands(uploaded) == REMOVED


def test_without_a_user_the_methods_work(site: Path) -> None:
    uploaded = made(None, state=COMPLETED)
    assert got(uploaded.get_view_url()) == HELLO


def test_the_older_asset_handler(site: Path) -> None:
    uploaded = made(user())
    uploaded.asset_handler.upload_data(b"%PDF-1.7 a")
    assert stands(uploaded) == COMPLETED
    assert uploaded.asset_handler.open_content().read() == b"%PDF-1.7 a"
    assert got(uploaded.asset_handler.get_view_url("a.txt", 60)) == b"%PDF-1.7 a"
    assert got(uploaded.asset_handler.get_download_url("a.txt")) == b"%PDF-1.7 a"


async def test_async_twins(site: Path) -> None:
    from asgiref.sync import sync_to_async

    uploaded = await UploadedFile.objects.acreate(filename="a.txt", user=await sync_to_async(user)())
    form = await uploaded.aget_upload_form()
    assert (await sync_to_async(post)(form, HELLO)) == (204, "")
    await uploaded.acompleted_upload()
    for ask in (uploaded.aget_view_url, uploaded.aget_download_url):
        assert (await sync_to_async(got)(await ask())) == HELLO
    await uploaded.apermit_reupload()
    assert uploaded.file_upload_state == AWAIT_COMPLETE


def test_two_copies_of_a_row_do_not_complete_twice(site: Path) -> None:
    uploaded = made(user(), state=AWAIT_COMPLETE)
    other = UploadedFile.objects.get(pk=uploaded.pk)
    assert post(uploaded.get_upload_form(), HELLO) == (204, "")
    uploaded.completed_upload()
    with pytest.raises((WrongState, FileMissing)):
        other.completed_upload()


def test_life_is_cut_and_checked(site: Path) -> None:
    uploaded = made(user(), state=COMPLETED)
    with pytest.raises(Invalid):
        uploaded.get_view_url(0)
    assert got(uploaded.get_view_url(int(timedelta(days=30).total_seconds()))) == HELLO


def test_deleting_a_row_while_new_content_comes_in_removes_the_file(site: Path) -> None:
    ann = user()
    uploaded = made(ann, state=COMPLETED)
    owner, file_id = Actor(str(ann.pk)), str(uploaded.pk)

    async def coming() -> AsyncIterator[bytes]:
        yield HELLO
        uploaded.delete()

    with pytest.raises(FileMissing):
        drive(kist().uploads.replace(owner, file_id, Declared(), coming()))
    assert File.objects.get(pk=file_id).state == "removed"
    assert not UploadedFile.objects.exists()
