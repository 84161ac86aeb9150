"""Fields of a project's models that hold an uploaded file, and upload it straight to the store in forms.

In the database they are plain foreign keys; ``ForeignKey("kist.UploadedFile")`` does as well, without the upload.
"""

from __future__ import annotations

from typing import Any

from django.db import models

from kist.django.forms import UploadedFileField as FormField

MODEL = "kist.UploadedFile"


class Uploads:
    """What the two fields have in common: the model they lead to, and their field in forms."""

    def __init__(self, to: Any = MODEL, on_delete: Any = models.PROTECT, **kwargs: Any) -> None:
        super().__init__(to, on_delete, **kwargs)  # type: ignore[call-arg]  # of the field it is mixed into

    def formfield(self, **kwargs: Any) -> Any:
        """The form field that uploads."""
        return super().formfield(**{"form_class": FormField, **kwargs})  # type: ignore[misc]


class UploadedFileField(Uploads, models.ForeignKey):
    """A file, which other rows may have as well. A file that is in use cannot be deleted, unless ``on_delete`` says
    otherwise."""


class OneUploadedFileField(Uploads, models.OneToOneField):
    """A file that no other row of the model has."""
