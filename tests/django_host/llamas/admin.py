"""Llamas in the admin."""

from django.contrib import admin
from tests.django_host.llamas.models import Llama

from kist.django.admin import DirectUploads


@admin.register(Llama)
class LlamaAdmin(DirectUploads, admin.ModelAdmin):
    """With their file."""
