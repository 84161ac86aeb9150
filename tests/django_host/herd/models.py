"""What a project relates to the older app's files."""

from django.db import models

from s3_file_uploads.models import UploadedFile


class Sheep(models.Model):
    """A sheep with a file, and others."""

    file = models.OneToOneField(UploadedFile, on_delete=models.CASCADE, related_name="sheep")
    spare = models.ForeignKey(UploadedFile, null=True, on_delete=models.SET_NULL, related_name="spared")
    more = models.ManyToManyField(UploadedFile, related_name="more_sheep")
