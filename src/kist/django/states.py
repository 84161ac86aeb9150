"""Where an ``UploadedFile`` stands, in the words of django-s3-file-upload, in SQL and for rows in memory."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, CharField, F, Value, When

from kist.model.file import FileState

NEW = "NEW"
AWAIT_COMPLETE = "AWAIT_COMPLETE"
COMPLETED = "COMPLETED"
REMOVED = "REMOVED"
"""The file was removed, or its bytes are lost: a state that the older app did not know."""

NO_VERSION = 0
"""What ``reupload_of`` is after ``permit_reupload`` of a row that has no content yet: contents count from 1."""

STATE = Case(
    When(row__state__isnull=True, reupload_of=NO_VERSION, then=Value(AWAIT_COMPLETE)),
    When(row__state__isnull=True, then=Value(NEW)),
    When(row__state=FileState.PENDING.value, then=Value(AWAIT_COMPLETE)),
    When(row__state=FileState.READY.value, row__version=F("reupload_of"), then=Value(AWAIT_COMPLETE)),
    When(row__state=FileState.READY.value, then=Value(COMPLETED)),
    default=Value(REMOVED),
    output_field=CharField(max_length=50),
)
"""The state in a query of ``UploadedFile``."""


class ReadState:
    """The state of a row that came without it, as ``select_related`` brings them: out of the file's own row, if that
    came along, else by a query."""

    def __get__(self, uploaded: Any, kind: type | None = None) -> Any:
        if uploaded is None:
            return self
        state = NEW
        if not uploaded._state.adding:
            came = "row" in uploaded._state.fields_cache
            state = _state_of(uploaded) if came else _asked_state(uploaded)
        uploaded.__dict__["file_upload_state"] = state
        return state


def _asked_state(uploaded: Any) -> str:
    rows = type(uploaded)._base_manager.using(uploaded._state.db)
    state: str = rows.filter(pk=uploaded.pk).values_list("file_upload_state", flat=True).first() or NEW
    return state


def _state_of(uploaded: Any) -> str:
    row = uploaded._state.fields_cache["row"]
    if row is None:
        return AWAIT_COMPLETE if uploaded.reupload_of == NO_VERSION else NEW
    match row.state:
        case FileState.PENDING:
            return AWAIT_COMPLETE
        case FileState.READY:
            return AWAIT_COMPLETE if row.version == uploaded.reupload_of else COMPLETED
    return REMOVED
