"""The older place of the field."""

from __future__ import annotations

from typing import Any

from kist.django import fields
from s3_file_uploads.models import UploadedFile


class UploadedFilePrimaryKeyRelatedField(fields.UploadedFilePrimaryKeyRelatedField):
    """See ``kist.django.fields``. Takes complete files alone, which the older one did not ask for."""

    def __init__(self, **kwargs: Any) -> None:
        if not kwargs.get("read_only"):
            kwargs.setdefault("queryset", UploadedFile.objects.all())
        super().__init__(**kwargs)
