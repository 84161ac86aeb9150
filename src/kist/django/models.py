"""The model that projects relate to: a file of one of their users, with the names of django-s3-file-upload."""

from __future__ import annotations

from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import models
from django.urls import reverse

from kist.django import lifecycle
from kist.django.assets import S3AssetHandler
from kist.django.rows import File, Job, Share, Upload
from kist.django.states import AWAIT_COMPLETE, COMPLETED, NEW, REMOVED, STATE, ReadState
from kist.system import new_id

__all__ = ["AWAIT_COMPLETE", "COMPLETED", "NEW", "REMOVED", "File", "Job", "Share", "Upload", "UploadedFile"]


class UploadedFiles(models.Manager["UploadedFile"]):
    """Rows with their ``file_upload_state``, which is read from the file's own row, so it can be filtered by."""

    def get_queryset(self) -> models.QuerySet[UploadedFile]:
        return super().get_queryset().annotate(file_upload_state=STATE)


class UploadedFile(models.Model):
    """A file of a user, one-to-one with the file's own row once there is one; both have the same id.

    ``file_upload_state``: ``NEW`` until a form was asked for, then ``AWAIT_COMPLETE``, then ``COMPLETED``;
    ``AWAIT_COMPLETE`` again after ``permit_reupload``, and ``REMOVED`` in the end. ``reupload_of``: the version of the
    content that may be replaced, 0 where a form was permitted before there was any. Deleting the row removes the file.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    created = models.DateTimeField(auto_now_add=True, db_index=True)
    modified = models.DateTimeField(auto_now=True)
    file_key = models.CharField(max_length=255, blank=True)
    filename = models.CharField(max_length=255, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="uploaded_files"
    )
    row = models.OneToOneField(
        File, models.DO_NOTHING, null=True, editable=False, db_constraint=False, related_name="uploaded_file"
    )
    reupload_of = models.BigIntegerField(null=True, editable=False)

    file_upload_state: Any = ReadState()

    objects: ClassVar[UploadedFiles] = UploadedFiles()

    class Meta:
        ordering = ("-created",)
        base_manager_name = "objects"
        default_manager_name = "objects"

    def __str__(self) -> str:
        return self.filename or str(self.pk)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row. The file's own row is known by its id, also before there is one."""
        self.row_id = str(self.pk)
        super().save(*args, **kwargs)

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Read the row again. The state is read anew when it is next asked for."""
        super().refresh_from_db(*args, **kwargs)
        self.__dict__.pop("file_upload_state", None)

    @property
    def file_path(self) -> str:
        """The path at which the file is fetched, without a host."""
        path: str = reverse("s3_file_uploads:upload-file-fetch", args=[str(self.pk)])
        return f"{path}/"

    @property
    def asset_handler(self) -> S3AssetHandler:
        """What the older app called the part that talks to the store."""
        return S3AssetHandler(str(self.pk))

    def get_file_key(self) -> str:
        """The label that was given, else the id. Where the bytes lie is the service's to choose."""
        return self.file_key or str(self.pk)

    def get_upload_form(self, acl_type: str = "private", expiry: int = 300) -> dict[str, Any]:
        """Where to post the bytes, as ``{"url": …, "fields": {…}}``, good for ``expiry`` seconds.

        Each form takes the place of the one before it. ``WrongState`` when the file is complete: see
        ``permit_reupload``. Raises what the service says of limits and quotas.
        """
        return lifecycle.upload_form(self, acl_type, expiry)

    def completed_upload(self) -> None:
        """Look at what was posted, and make it the file. ``Incomplete`` when nothing has come, ``UploadRefused`` when
        it breaks a rule, ``WrongState`` when nobody waits for it."""
        lifecycle.complete(self)

    def permit_reupload(self) -> None:
        """Let the next form replace the content of a complete file. Not saved: that is the caller's to do."""
        lifecycle.permit_reupload(self)

    def get_view_url(self, duration: int = 300) -> str:
        """A signed address at which the file is shown, for ``duration`` seconds; ``FileMissing`` until then."""
        return lifecycle.read_url(self, duration, inline=True)

    def get_download_url(self, duration: int = 300) -> str:
        """The same for saving it."""
        return lifecycle.read_url(self, duration, inline=False)

    async def aget_upload_form(self, acl_type: str = "private", expiry: int = 300) -> dict[str, Any]:
        """``get_upload_form`` for async code."""
        form: dict[str, Any] = await sync_to_async(self.get_upload_form)(acl_type, expiry)
        return form

    async def acompleted_upload(self) -> None:
        """``completed_upload`` for async code."""
        await sync_to_async(self.completed_upload)()

    async def apermit_reupload(self) -> None:
        """``permit_reupload`` for async code."""
        await sync_to_async(self.permit_reupload)()

    async def aget_view_url(self, duration: int = 300) -> str:
        """``get_view_url`` for async code."""
        url: str = await sync_to_async(self.get_view_url)(duration)
        return url

    async def aget_download_url(self, duration: int = 300) -> str:
        """``get_download_url`` for async code."""
        url: str = await sync_to_async(self.get_download_url)(duration)
        return url
