"""The settings of Kist as a Django project writes them: ``KIST = {…}``, and the names of the older apps.

A name in ``KIST`` is that of a setting with or without its ``KIST_``. Values may be what Python has for them: numbers,
flags, paths, spans of time, lists, and dictionaries where the text would hold ``name=value`` pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from kist.errors import Misconfigured
from kist.setting_list import OLDER_NAMES
from kist.settings import Settings, read_settings_over

PREFIX = "KIST_"


def read_django_settings() -> Settings:
    """What the project's settings say of Kist, over the process's environment. ``Misconfigured`` as ``read_settings``,
    and for anonymous callers that nobody has said may come from everywhere.

    The home is ``kist-data`` beside ``manage.py`` (in ``BASE_DIR``). Without ``SECRET`` links and tickets are signed
    with a key made from Django's own ``SECRET_KEY``. The database is Django's: ``KIST_DATABASE`` says nothing here.
    """
    base = Path(getattr(settings, "BASE_DIR", "."))
    given = {name: as_text(name, value) for name, value in _given().items()}
    made = salted_hmac("kist.django", "secret", algorithm="sha256").hexdigest()
    found = read_settings_over(given, {"KIST_HOME": str(base / "kist-data"), "KIST_SECRET": made}, base)
    if found.anonymous and not found.anonymous_public:
        raise Misconfigured(
            "KIST_ANONYMOUS lets callers in without a key, and whoever reaches the site could be one: set "
            "KIST_ANONYMOUS_PUBLIC=1 if that is what you want, else write 'ANONYMOUS': {} into KIST",
            settings="KIST_ANONYMOUS KIST_ANONYMOUS_PUBLIC",
        )
    return found


def as_text(name: str, value: object) -> str:
    """A value as the environment would have it. ``Misconfigured`` for one that has no such text."""
    match value:
        case bool():
            return "1" if value else "0"
        case str() | int() | Path():
            return str(value)
        case timedelta():
            return f"{int(value.total_seconds())}s"
        case Mapping():
            return ",".join(f"{key}={as_text(name, one)}" for key, one in value.items())
        case Iterable():
            return ",".join(as_text(name, one) for one in value)
    raise Misconfigured(f"KIST: {name} cannot be {type(value).__name__}: write text, a number or a list", settings=name)


def _given() -> dict[str, Any]:
    """What the project sets, by the names that the environment has for it; ``KIST`` goes before the older names.

    An empty value in ``KIST`` is kept, and hides what the environment says; of an older name it says nothing.
    """
    own = getattr(settings, "KIST", {})
    if not isinstance(own, Mapping):
        raise Misconfigured("KIST is a dictionary of settings, like {'STORE': 's3://bucket'}", settings="KIST")
    older = {name: getattr(settings, name, None) or None for name in OLDER_NAMES}
    named = {name if name.startswith(PREFIX) else PREFIX + name: value for name, value in own.items()}
    return {name: value for name, value in (older | named).items() if value is not None}
