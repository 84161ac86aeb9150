"""Serializers of Django REST framework for views of a project's own, with the fields of django-s3-file-upload."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from kist.django.models import UploadedFile
from kist.django.states import AWAIT_COMPLETE, COMPLETED, NEW
from kist.model.file import Visibility
from kist.model.upload import UploadState


class AccessControlListSerializer(serializers.Serializer):
    """The ``acl`` of an upload."""

    acl = serializers.ChoiceField([one.value for one in Visibility], default=Visibility.PRIVATE.value)


class UploadedFileSerializer(serializers.ModelSerializer):
    """A file of a user.

    Makes rows for the user in the context's request, whatever the body says. ``upload_form`` is given out where none
    is out yet, with the context's ``acl``; else it is null, because a new form ends the one before it. ``file`` is a
    signed address of a complete file, and before that where it will be fetched.
    """

    file = serializers.SerializerMethodField()
    upload_form = serializers.SerializerMethodField()
    complete_url = serializers.SerializerMethodField()

    class Meta:
        model = UploadedFile
        fields = ("id", "created", "modified", "complete_url", "file", "file_key", "file_path", "filename",
                  "upload_form", "user")  # fmt: skip
        read_only_fields = ("id", "created", "modified", "file_key", "file_path", "user")

    def create(self, validated_data: dict[str, Any]) -> UploadedFile:
        """A new row of the user who asks."""
        user = getattr(self.context.get("request"), "user", None)
        known = user is not None and user.is_authenticated
        return UploadedFile.objects.create(**{"user": user if known else None, **validated_data})

    def get_file(self, uploaded: UploadedFile) -> str:
        """Where the bytes are."""
        if uploaded.file_upload_state == COMPLETED:
            return uploaded.get_download_url()
        return self._absolute(uploaded.file_path)

    def get_upload_form(self, uploaded: UploadedFile) -> dict[str, Any] | None:
        """Where to post them, unless a form is out."""
        out = uploaded.file_upload_state == AWAIT_COMPLETE and _has_form(uploaded)
        if out or uploaded.file_upload_state not in (NEW, AWAIT_COMPLETE):
            return None
        return uploaded.get_upload_form(self.context.get("acl", Visibility.PRIVATE.value))

    def get_complete_url(self, uploaded: UploadedFile) -> str:
        """Where to say that they are there."""
        path = reverse("s3_file_uploads:upload-file-complete", args=[str(uploaded.pk)])
        return self._absolute(f"{path}/")

    def _absolute(self, path: str) -> str:
        request = self.context.get("request")
        return path if request is None else str(request.build_absolute_uri(path))


def _has_form(uploaded: UploadedFile) -> bool:
    running = (UploadState.OPEN.value, UploadState.SEALING.value)
    return uploaded.row is not None and uploaded.row.uploads.filter(state__in=running).exists()
