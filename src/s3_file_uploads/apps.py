"""The app."""

from __future__ import annotations

from django.apps import AppConfig


class S3FileUploadsConfig(AppConfig):
    """``INSTALLED_APPS += ["kist.django", "s3_file_uploads"]``."""

    name = "s3_file_uploads"
    verbose_name = "S3 file uploads"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Rows that are deleted by the older name take their files along as well."""
        from kist.django.apps import follow_deletions

        follow_deletions(self.get_model("UploadedFile"))
