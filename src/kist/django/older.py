"""The table of django-s3-file-upload: its rows become rows of ``UploadedFile``, its objects files where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kist.dialects.dabapps import UNNAMED, type_of
from kist.django.following import FILE_KEY
from kist.errors import BadName
from kist.model.names import clean_name
from kist.model.upload import Intent

TABLE = "s3_file_uploads_uploadedfile"
PAGE = 500

_PARTS = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
_DASHED = " || '-' || ".join(f"substr(id, {start}, {length})" for start, length in _PARTS)
_ID_TEXT = {"sqlite": _DASHED, "postgresql": "CAST(id AS varchar)"}
"""An id as the catalogue has it."""


class OlderRow(NamedTuple):
    """A row whose object is there, as far as it says."""

    id: str
    user: Any
    filename: str
    file_key: str
    created: datetime

    @property
    def key(self) -> str:
        """Where the older app has put the object."""
        return self.file_key or self.id

    def intent(self) -> Intent:
        """What the file is to be."""
        try:
            name = clean_name(self.filename or UNNAMED)
        except BadName:
            name = UNNAMED
        metadata = {FILE_KEY: self.file_key} if self.file_key else {}
        return Intent(file_id=self.id, name=name, type=type_of(self.filename), metadata=metadata)


def is_there(connection: Any) -> bool:
    """Whether the database has the older table, with its columns."""
    with connection.cursor() as cursor:
        if TABLE not in connection.introspection.table_names(cursor):
            return False
        return "file_upload_state" in {
            column.name for column in connection.introspection.get_table_description(cursor, TABLE)
        }


def copy_rows(connection: Any) -> int:
    """Make a row of ``UploadedFile`` of each older one, with its id. Those that have one are left. How many."""
    columns = "id, created, modified, file_key, filename, user_id"
    given = f"SELECT {columns}, {_ID_TEXT[connection.vendor]} FROM {TABLE}"  # noqa: S608 - names of ours alone
    unknown = "WHERE id NOT IN (SELECT id FROM kist_uploadedfile)"
    sql = " ".join((f"INSERT INTO kist_uploadedfile ({columns}, row_id)", given, unknown))
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.rowcount)


def completed_rows(connection: Any) -> Iterator[OlderRow]:
    """The older rows that say that their object has come, by id."""
    text, after = _ID_TEXT[connection.vendor], ""
    asked = f"SELECT {text}, user_id, filename, file_key, created FROM {TABLE}"  # noqa: S608 - names of ours alone
    sql = f"{asked} WHERE file_upload_state = 'COMPLETED' AND {text} > %s ORDER BY 1 LIMIT {PAGE}"
    while True:
        with connection.cursor() as cursor:
            cursor.execute(sql, [after])
            found = [_row(*cells) for cells in cursor.fetchall()]
        yield from found
        if len(found) < PAGE:
            return
        after = found[-1].id


def _row(id_: str, user: Any, filename: str, file_key: str, created: Any) -> OlderRow:
    return OlderRow(id_, user, filename, file_key, _time(created))


def _time(cell: Any) -> datetime:
    """A time as the driver gives it: SQLite's has no zone, and may be text."""
    time = datetime.fromisoformat(cell) if isinstance(cell, str) else cell
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
