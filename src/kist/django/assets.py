"""What the older app called the part that talks to the store: one file by its id, with the older names."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from django.apps import apps

from kist.django import lifecycle


class S3AssetHandler:
    """The file of that id. Its methods block, and go as the file's owner; ``UploadedFile.DoesNotExist``."""

    UPLOAD_ENDPOINT_EXPIRES = 300
    DOWNLOAD_ENDPOINT_EXPIRES = 300

    def __init__(self, id: str) -> None:
        self.id = str(id)

    def get_upload_form(self, acl_type: str, expiry: int = UPLOAD_ENDPOINT_EXPIRES) -> dict[str, Any]:
        """Where to post the bytes."""
        return self._row().get_upload_form(acl_type, expiry)

    def get_view_url(self, filename: str = "", duration: int = DOWNLOAD_ENDPOINT_EXPIRES) -> str:
        """A signed address at which the file is shown; the name is the file's own."""
        return self._row().get_view_url(duration)

    def get_download_url(self, filename: str = "", duration: int = DOWNLOAD_ENDPOINT_EXPIRES) -> str:
        """The same for saving it."""
        return self._row().get_download_url(duration)

    def open_content(self) -> BytesIO:
        """The whole content, to be read from its beginning."""
        return BytesIO(lifecycle.content(self._row()))

    def upload_data(self, content: bytes) -> None:
        """Make ``content`` the file, or its new content, through this process."""
        lifecycle.take(self._row(), content)

    def _row(self) -> Any:
        return apps.get_model("kist", "UploadedFile").objects.get(pk=self.id)
