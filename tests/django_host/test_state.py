"""The state of an ``UploadedFile`` is that of the file's own row, by whatever query it came."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.django_host.databases import alias_for, in_process

in_process()

from django.contrib.auth.models import User  # noqa: E402
from tests.django_host.llamas.models import Llama  # noqa: E402

from kist.django.models import AWAIT_COMPLETE, COMPLETED, NEW, File, UploadedFile  # noqa: E402
from kist.system import SystemClock  # noqa: E402


@pytest.fixture
def alias(tmp_path: Path) -> Iterator[str]:
    with alias_for(f"sqlite:///{tmp_path / 'db.sqlite3'}", migrated=True) as found:
        yield found


@pytest.fixture
def llama(alias: str) -> Llama:
    """A llama whose file has not come yet."""
    user = User.objects.db_manager(alias).create(username="ann")
    file = UploadedFile(user=user, filename="a.txt")
    file.save(using=alias)
    made: Llama = Llama.objects.using(alias).create(name="Lima", file=file)
    return made


def stand(alias: str, file: UploadedFile, state: str) -> None:
    """Let the row of the file say ``state``."""
    now = SystemClock().now()
    known = {"name": "a.txt", "owner": "1", "bucket": "kist", "key": "k", "created_at": now, "updated_at": now}
    plain = {
        "size": 1,
        "type": "text/plain",
        "visibility": "private",
        "metadata": "{}",
        "version": 1,
        "folded": "a.txt",
    }
    File.objects.using(alias).bulk_create([File(id=str(file.pk), state=state, **known, **plain)])


@pytest.mark.parametrize(("state", "seen"), [(None, NEW), ("pending", AWAIT_COMPLETE), ("ready", COMPLETED)])
def test_the_state_is_the_same_by_every_query(alias: str, llama: Llama, state: str | None, seen: str) -> None:
    if state is not None:
        stand(alias, llama.file, state)
    llamas = Llama.objects.using(alias)
    assert llamas.get().file.file_upload_state == seen
    assert llamas.select_related("file").get().file.file_upload_state == seen
    assert llamas.prefetch_related("file").get().file.file_upload_state == seen
    assert UploadedFile.objects.using(alias).get(file_upload_state=seen) == llama.file
    llama.file.refresh_from_db()
    assert llama.file.file_upload_state == seen
