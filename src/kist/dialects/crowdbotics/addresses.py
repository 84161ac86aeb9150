"""Where the module is mounted."""

from __future__ import annotations

MODULE = "/modules/s3-file-uploader"
SERVICE = f"{MODULE}/service"
