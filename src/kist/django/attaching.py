"""Which files a user may attach to rows of the project: their own, and only complete ones.

An id proves nothing: whoever sends one may have read it anywhere.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

from django.apps import apps

from kist.django.composition import alias, kist
from kist.django.following import keep
from kist.django.states import COMPLETED
from kist.drive import drive
from kist.errors import FileMissing
from kist.model.actor import Actor

MOST_SHOWN = 100
"""Characters of what was sent that are repeated in an error."""


def attachable(user: Any, among: Any = None) -> Any:
    """The query of the rows that ``user`` may attach, ``among`` these if given; of none for nobody."""
    rows = apps.get_model("kist", "UploadedFile").objects.all() if among is None else among.all()
    if user is None or not user.is_authenticated or user.pk is None:
        return rows.none()
    return rows.filter(user=user.pk, file_upload_state=COMPLETED)


def attached(user: Any, given: object, among: Any = None) -> Any:
    """The row that ``user`` means by the id ``given``; None for everything that they may not attach.

    For a file of theirs that was uploaded by another way than Django, the row is made now.
    """
    key = _id_in(given)
    if key is None:
        return None
    rows = attachable(user, among).filter(pk=key)
    found = rows.first()
    if found is None and _adopted(user, str(key)):
        found = rows.first()
    return found


def shown(given: object) -> str:
    """What was sent, cut to what an error repeats."""
    return str(given)[:MOST_SHOWN]


def _id_in(given: object) -> uuid.UUID | None:
    """An id as it is written everywhere here; other spellings are none."""
    if isinstance(given, uuid.UUID):
        return given
    if not isinstance(given, str):
        return None
    try:
        key = uuid.UUID(given)
    except ValueError:
        return None
    return key if str(key) == given.lower() else None


def _adopted(user: Any, file_id: str) -> bool:
    """Whether a row was made for a file of ``user`` that is complete and had none."""
    if user is None or not user.is_authenticated or user.pk is None:
        return False
    with suppress(FileMissing):
        file = drive(kist().files.get(Actor(str(user.pk)), file_id))
        if file.owner == str(user.pk):
            keep(alias(), [file])
            return True
    return False
