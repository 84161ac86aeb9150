"""The app."""

from django.apps import AppConfig


class LlamasConfig(AppConfig):
    """Llamas."""

    name = "tests.django_host.llamas"
    label = "llamas"
    default_auto_field = "django.db.models.BigAutoField"
