"""The farm's API: llamas of the caller, with addresses at which their files are shown and saved."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import mixins, serializers, viewsets
from rest_framework.validators import UniqueValidator

from kist.django.fields import UploadedFilePrimaryKeyRelatedField
from kist.django.models import COMPLETED
from llamas.models import Llama


class LlamaSerializer(serializers.ModelSerializer):
    """A llama. ``file`` is the id of a finished upload of the caller's; the addresses are good for five minutes."""

    file = UploadedFilePrimaryKeyRelatedField(
        validators=[UniqueValidator(Llama.objects.all(), message="Another llama has this file.")],
    )
    filename = serializers.CharField(source="file.filename", read_only=True)
    size = serializers.IntegerField(source="file.row.size", read_only=True)
    type = serializers.CharField(source="file.row.type", read_only=True)
    view_url = serializers.SerializerMethodField()
    download_url = serializers.SerializerMethodField()

    class Meta:
        model = Llama
        fields = ("id", "name", "file", "filename", "size", "type", "view_url", "download_url")

    def get_view_url(self, llama: Llama) -> str | None:
        """Where the file is shown."""
        return llama.file.get_view_url() if llama.file.file_upload_state == COMPLETED else None

    def get_download_url(self, llama: Llama) -> str | None:
        """Where the file is saved from."""
        return llama.file.get_download_url() if llama.file.file_upload_state == COMPLETED else None


class LlamaViewSet(
    mixins.CreateModelMixin, mixins.ListModelMixin, mixins.DestroyModelMixin, viewsets.GenericViewSet[Any]
):
    """Llamas whose file is the caller's."""

    queryset = Llama.objects.prefetch_related("file__row")
    serializer_class = LlamaSerializer

    def get_queryset(self) -> QuerySet[Llama]:
        """The caller's."""
        return super().get_queryset().filter(file__user=self.request.user)

    def perform_destroy(self, instance: Llama) -> None:
        """The file goes, and the llama with it."""
        instance.file.delete()
