"""What a project relates to files."""

from django.db import models


class Llama(models.Model):
    """A llama with a file."""

    name = models.CharField(max_length=100)
    file = models.OneToOneField("kist.UploadedFile", on_delete=models.CASCADE, related_name="llama")
