"""The app."""

from django.apps import AppConfig


class HerdConfig(AppConfig):
    """Sheep."""

    name = "tests.django_host.herd"
    label = "herd"
    default_auto_field = "django.db.models.BigAutoField"
