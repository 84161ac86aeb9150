"""What the older app called the part that talks to the store: one file by its id, with the older names."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

from kist.dialects.dabapps import UNNAMED
from kist.django.composition import kist
from kist.django.lifecycle import owner_of
from kist.django.models import UploadedFile
from kist.drive import drive
from kist.model.content import Opened
from kist.model.upload import Declared
from kist.service.ways import Way
from kist.wire.body import body_of


class S3AssetHandler:
    """The file of that id. Its methods block, and go as the file's owner. ``UploadedFile.DoesNotExist``."""

    UPLOAD_ENDPOINT_EXPIRES = 300
    DOWNLOAD_ENDPOINT_EXPIRES = 300
