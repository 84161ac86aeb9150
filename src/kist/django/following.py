"""What Django's side does about files that begin, are completed or are removed, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import connections, transaction

from kist.catalogues.sql.statements import Statement
from kist.django.runner import DjangoRunner
from kist.django.signals import file_completed, file_removed
from kist.drive import drive
from kist.model.changes import Add, Change, Swap
from kist.model.file import File, FileState
from kist.model.upload import Upload

FILE_KEY = "file_key"


# The user is looked for by the statement itself. A row that is there already stays as it is.
_ROW = """
    INSERT INTO {table} (id, created, modified, file_key, filename, user_id, row_id)
    SELECT :id, :created, :created, :file_key, :filename, {user}, :row FROM {users} WHERE {user} = :user
    ON CONFLICT DO NOTHING
"""
_LARGEST = (1 << 63) - 1
"""Of the numbers that a database holds."""


def rows_for(alias: str, changes: Sequence[Change]) -> list[Statement]:
    """The statements that make the row of each file of a user that ``changes`` begin by a ticket or complete."""
    added = [change.row for change in changes if isinstance(change, Add)]
    handed_out = {row.file_id for row in added if isinstance(row, Upload) and row.way is not None}
    made = [row for row in added if isinstance(row, File) and row.id in handed_out]
    ready = [file for signal, file in _ended(changes) if signal is file_completed]
    return [statement for file in (*made, *ready) for statement in _row(alias, file)]


def tell(alias: str, changes: Sequence[Change]) -> None:
    """Have signals sent once the transaction in which ``changes`` were made is committed."""
    for signal, file in _ended(changes):
        transaction.on_commit(partial(_tell, signal, file), using=alias, robust=True)


def keep(alias: str, files: Sequence[File]) -> None:
    """Make the rows of those of ``files`` whose owner is a user and that have none yet."""
    drive(DjangoRunner(alias).write([statement for file in files for statement in _row(alias, file)]))


def user_key(owner: str) -> Any:
    """The primary key that the user whose actor id is ``owner`` would have, None where it can be none."""
    try:
        key = get_user_model()._meta.pk.to_python(owner)
    except ValidationError:
        return None
    return None if str(key) != owner or (isinstance(key, int) and abs(key) > _LARGEST) else key


def _row(alias: str, file: File) -> Iterator[Statement]:
    user = user_key(file.owner)
    if user is None:
        return
    connection, fields = connections[alias], apps.get_model("kist", "UploadedFile")._meta
    values = {
        "id": file.id,
        "created": file.created_at,
        FILE_KEY: _cut(fields, FILE_KEY, file.metadata.get(FILE_KEY, "")),
        "filename": _cut(fields, "filename", file.name),
        "user": user,
        "row": file.id,
    }
    params = {name: fields.get_field(name).get_db_prep_save(value, connection) for name, value in values.items()}
    yield Statement(_insert(alias), params, counted=False)


def _cut(fields: Any, name: str, text: str) -> str:
    """As much of ``text`` as its column holds: what is longer is no reason to lose a file."""
    cut: str = text[: fields.get_field(name).max_length]
    return cut


@cache
def _insert(alias: str) -> str:
    users, quoted = get_user_model()._meta, connections[alias].ops.quote_name
    table = apps.get_model("kist", "UploadedFile")._meta.db_table
    return _ROW.format(table=quoted(table), users=quoted(users.db_table), user=quoted(users.pk.column))


def _ended(changes: Sequence[Change]) -> Iterator[tuple[Any, File]]:
    """The files that have come to an end of some kind by ``changes``, each with its signal."""
    for change in changes:
        if not isinstance(change, Swap) or not isinstance(change.before, File) or not isinstance(change.after, File):
            continue
        before, after = change.before, change.after
        if after.state is FileState.READY and (before.state is not FileState.READY or before.version != after.version):
            yield file_completed, after
        elif after.state is FileState.REMOVED and before.state is not FileState.REMOVED:
            yield file_removed, after


def _tell(signal: Any, file: File) -> None:
    signal.send_robust(apps.get_model("kist", "UploadedFile"), file=file)
