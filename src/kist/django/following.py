"""What Django's side does about files that begin, are completed or are removed, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction

from kist.django.signals import file_completed, file_removed
from kist.model.changes import Add, Change, Swap
from kist.model.file import File, FileState
from kist.model.upload import Upload

FILE_KEY = "file_key"


def concerned(changes: Sequence[Change]) -> bool:
    """Whether some of ``changes`` make a file, or change its state or content."""
    return any(_new(change) or _ended(change) is not None for change in changes)


def follow(alias: str, changes: Sequence[Change]) -> None:
    """Make the row of each file of a user that was begun by a ticket or is complete, and have signals sent once the
    transaction is committed."""
    added = [change.row for change in changes if isinstance(change, Add)]
    handed_out = {row.file_id for row in added if isinstance(row, Upload) and row.way is not None}
    made = [row for row in added if isinstance(row, File) and row.id in handed_out]
    for change in changes:
        signal = _ended(change)
        if signal is None or not isinstance(change, Swap) or not isinstance(change.after, File):
            continue
        if signal is file_completed:
            made.append(change.after)
        transaction.on_commit(partial(_tell, signal, change.after), using=alias, robust=True)
    if made:
        keep(alias, made)


def user_of(alias: str, owner: str) -> Any:
    """The primary key of the user whose actor id is ``owner``, None where no user has it."""
    users = get_user_model()
    try:
        key = users._meta.pk.to_python(owner)
    except ValidationError:
        return None
    return key if str(key) == owner and users._base_manager.using(alias).filter(pk=key).exists() else None


def keep(alias: str, files: list[File]) -> None:
    """Make the rows of those of ``files`` whose owner is a user and that have none yet."""
    uploaded_file = apps.get_model("kist", "UploadedFile")
    rows = []
    for file in files:
        key = user_of(alias, file.owner)
        if key is not None:
            known = {"filename": file.name, "file_key": file.metadata.get(FILE_KEY, ""), "row_id": file.id}
            rows.append(uploaded_file(id=file.id, user_id=key, **known))
    uploaded_file._base_manager.using(alias).bulk_create(rows, ignore_conflicts=True)


def _new(change: Change) -> bool:
    return isinstance(change, Add) and isinstance(change.row, File)


def _ended(change: Change) -> Any:
    """The signal that a change calls for, None for most."""
    if not isinstance(change, Swap) or not isinstance(change.before, File) or not isinstance(change.after, File):
        return None
    before, after = change.before, change.after
    if after.state is FileState.READY and (before.state is not FileState.READY or before.version != after.version):
        return file_completed
    return file_removed if after.state is FileState.REMOVED and before.state is not after.state else None


def _tell(signal: Any, file: File) -> None:
    signal.send_robust(apps.get_model("kist", "UploadedFile"), file=file)
