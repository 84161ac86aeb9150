"""The older place of the serializers."""

from __future__ import annotations

from kist.django import serializers
from kist.django.serializers import AccessControlListSerializer
from s3_file_uploads.models import UploadedFile

__all__ = ["AccessControlListSerializer", "UploadedFileSerializer"]


class UploadedFileSerializer(serializers.UploadedFileSerializer):
    """See ``kist.django.serializers``."""

    class Meta(serializers.UploadedFileSerializer.Meta):
        model = UploadedFile
