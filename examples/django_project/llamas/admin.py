"""Llamas in the admin, whose files are uploaded straight to the store there as well."""

from django.contrib import admin

from kist.django.admin import DirectUploads
from llamas.models import Llama


@admin.register(Llama)
class LlamaAdmin(DirectUploads, admin.ModelAdmin):
    """A llama, with the file that is uploaded for it."""

    list_display = ("name", "file")
