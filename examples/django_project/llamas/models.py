"""What the farm keeps: a row of its own that refers to a file."""

from django.db import models


class Llama(models.Model):
    """A llama with a file. It goes when its file goes."""

    name = models.CharField(max_length=100)
    file = models.OneToOneField("kist.UploadedFile", on_delete=models.CASCADE, related_name="llama")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name
