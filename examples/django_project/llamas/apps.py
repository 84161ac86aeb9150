"""The app."""

from django.apps import AppConfig


class LlamasConfig(AppConfig):
    """Llamas."""

    name = "llamas"
