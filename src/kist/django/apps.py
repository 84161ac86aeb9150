"""The app: its checks, and what happens when a row is deleted. Nothing is opened before it is first asked for."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.signals import setting_changed
from django.db.models.signals import post_delete


class KistConfig(AppConfig):
    """``INSTALLED_APPS += ["kist.django"]``."""

    name = "kist.django"
    label = "kist"
    verbose_name = "Kist"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and follow deletions."""
        from kist.django.checks import check_settings, check_urls

        checks.register(check_settings, "kist")
        checks.register(check_urls, "kist")
        follow_deletions(self.get_model("UploadedFile"))
        setting_changed.connect(_changed, dispatch_uid="kist.changed")


def follow_deletions(model: type) -> None:
    """Remove the file of each row of ``model`` that is deleted: ``UploadedFile``, or a proxy of it."""
    post_delete.connect(_deleted, sender=model, dispatch_uid=f"kist.deleted.{model.__module__}")


def _deleted(sender: type, instance: Any, **_: object) -> None:
    from kist.django import lifecycle

    lifecycle.remove(instance)


def _changed(sender: object, setting: str, **_: object) -> None:
    """Tests override settings: the next call makes a Kist by what they say then."""
    from kist.django import composition
    from kist.setting_list import OLDER_NAMES

    if setting in ("KIST", "DATABASES", "SECRET_KEY", *OLDER_NAMES):
        composition.forget()
