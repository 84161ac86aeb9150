"""``UploadedFile`` by its older name: the same rows as those of ``kist.django``."""

from __future__ import annotations

from kist.django import models as kist


class UploadedFile(kist.UploadedFile):
    """See ``kist.django.models.UploadedFile``."""

    class Meta:
        proxy = True
        ordering = ("-created",)
        base_manager_name = "objects"
        default_manager_name = "objects"
