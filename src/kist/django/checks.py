"""System checks: what is wrong with a project's settings, each with what to do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections
from django.urls import NoReverseMatch, reverse

from kist.django.config import read_django_settings
from kist.errors import Misconfigured

DATABASES = ("sqlite", "postgresql")


def check_settings(app_configs: Any = None, **_: object) -> list[CheckMessage]:
    """E001: the settings of Kist; E002: the kind of database; E003: times without a zone."""
    from kist.django.composition import alias

    found: list[CheckMessage] = []
    try:
        read_django_settings()
    except Misconfigured as error:
        found.append(Error(error.message, hint="See KIST in docs/how-to/django.md.", id="kist.E001"))
    vendor = connections[alias()].vendor
    if vendor not in DATABASES:
        found.append(
            Error(
                f"Kist keeps its rows in SQLite or PostgreSQL, not in {vendor}.",
                hint="Add such a database to DATABASES, and a router that sends the app 'kist' there.",
                id="kist.E002",
            )
        )
    if vendor == "postgresql" and not settings.USE_TZ:
        found.append(Error("Kist needs USE_TZ = True.", hint="It is Django's default since 5.0.", id="kist.E003"))
    return found


def check_urls(app_configs: Any = None, **_: object) -> list[CheckMessage]:
    """W001: files on disk, and no URLs at which browsers could upload them."""
    try:
        store = read_django_settings().store
    except Misconfigured:
        return []
    if not store.startswith("disk:"):
        return []
    try:
        reverse("kist-door:door-post")
    except NoReverseMatch:
        hint = "Add path('', include('kist.django.urls.door')) to the project's URLs."
        return [Warning("Files are kept on disk, but no URLs are there to upload them to.", hint=hint, id="kist.W001")]
    return []
