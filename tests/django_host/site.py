"""A Django project around the app, as the tests need it: in this process, or in a server of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECRET = "only for tests, and long enough to sign with"
APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "rest_framework",
    "kist.django",
    "tests.django_host.llamas",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"log": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["log"], "level": "INFO"},
}


def database(url: str) -> dict[str, Any]:
    """The entry of ``DATABASES`` for a URL as Kist writes it."""
    if url.startswith("sqlite:///"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:///")}
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
    }


def configure(home: Path, url: str, kist: dict[str, Any] | None = None, **changed: Any) -> None:
    """Set Django up in this process, which can be done once."""
    import django
    from django.conf import settings

    own: dict[str, Any] = {
        "BASE_DIR": home,
        "SECRET_KEY": SECRET,
        "ALLOWED_HOSTS": ["127.0.0.1", "localhost", "testserver"],
        "INSTALLED_APPS": APPS,
        "MIDDLEWARE": MIDDLEWARE,
        "TEMPLATES": TEMPLATES,
        "ROOT_URLCONF": "tests.django_host.urls",
        "DATABASES": {"default": database(url)},
        "USE_TZ": True,
        "STATIC_URL": "static/",
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "LOGGING": LOGGING,
        "KIST": kist or {},
    }
    own["DATABASES"]["default"]["ATOMIC_REQUESTS"] = changed.pop("ATOMIC_REQUESTS", False)
    settings.configure(**(own | changed))
    django.setup()


def from_environment() -> None:
    """Set Django up as the variables of a test server say."""
    import json

    given = json.loads(os.environ["TEST_SITE"])
    configure(Path(given["home"]), given["database"], given["kist"], **given.get("changed", {}))
