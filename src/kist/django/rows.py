"""Models over the tables of the catalogue, for the admin, filters and relations. They are read here, never written.

What changes them is the service, whose rules a ``save()`` would pass by: it says so.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from kist.model.file import FileState, Visibility
from kist.model.job import JobState
from kist.model.upload import UploadState, Way


class Unwritten(models.Model):
    """A row that only the service writes."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: rows of Kist are changed by its own verbs."""
        raise TypeError("rows of Kist are changed by the service, not by save(): see kist.django.composition.kist")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: rows of Kist are removed by its own verbs."""
        raise TypeError("rows of Kist are removed by the service, not by delete(): see kist.django.composition.kist")


def _choices(kind: type[FileState] | type[UploadState] | type[JobState] | type[Visibility] | type[Way]) -> Any:
    return [(one.value, one.value.replace("_", " ")) for one in kind]


class File(Unwritten):
    """A file: ``kist.model.file.File``."""

    id = models.CharField(primary_key=True, max_length=36)
    name = models.CharField(max_length=255)
    owner = models.CharField(max_length=255)
    bucket = models.CharField(max_length=63)
    key = models.TextField()
    state = models.CharField(max_length=16, choices=_choices(FileState))
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    size = models.BigIntegerField()
    type = models.CharField(max_length=255)
    detected = models.CharField(max_length=255, null=True)
    sha256 = models.CharField(max_length=64, null=True)
    visibility = models.CharField(max_length=32, choices=_choices(Visibility))
    metadata = models.TextField()
    version = models.BigIntegerField()
    address = models.TextField(null=True)
    folded = models.TextField()

    class Meta:
        managed = False
        db_table = "files"
        ordering = ("-created_at", "id")

    def __str__(self) -> str:
        return self.name


class Upload(Unwritten):
    """An upload: ``kist.model.upload.Upload``."""

    id = models.CharField(primary_key=True, max_length=36)
    file = models.ForeignKey(File, models.DO_NOTHING, db_constraint=False, related_name="uploads")
    owner = models.CharField(max_length=255)
    actor = models.CharField(max_length=255)
    door = models.CharField(max_length=16)
    way = models.CharField(max_length=16, null=True, choices=_choices(Way))
    state = models.CharField(max_length=16, choices=_choices(UploadState))
    name = models.CharField(max_length=255)
    size = models.BigIntegerField(null=True)
    started_at = models.DateTimeField()
    deadline = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    reason = models.TextField(null=True)

    class Meta:
        managed = False
        db_table = "uploads"
        ordering = ("-started_at", "id")

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"


class Share(Unwritten):
    """A share: ``kist.model.share.Share``."""

    pk = models.CompositePrimaryKey("file_id", "actor")
    file = models.ForeignKey(File, models.DO_NOTHING, db_constraint=False, related_name="shares")
    actor = models.CharField(max_length=255)
    granted_by = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    read = models.BooleanField()
    write = models.BooleanField()
    share = models.BooleanField()
    remove = models.BooleanField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "shares"
        ordering = ("file_id", "actor")

    def __str__(self) -> str:
        return f"{self.file_id} to {self.actor}"


class Job(Unwritten):
    """A job: ``kist.model.job.Job``."""

    id = models.CharField(primary_key=True, max_length=36)
    number = models.BigIntegerField(unique=True)
    actor = models.CharField(max_length=255)
    source = models.TextField()
    dest = models.TextField()
    options = models.TextField()
    state = models.CharField(max_length=32, choices=_choices(JobState))
    reason = models.TextField()
    progress = models.TextField()
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "jobs"
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"job {self.number}"
