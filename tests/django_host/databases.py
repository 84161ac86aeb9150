"""Databases of Django's in this process: one for each test, under an alias of its own."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.django_host.site import configure, database


def in_process() -> None:
    """Set Django up in this process, once. Nothing of the default database is ever asked for."""
    from django.conf import settings

    if not settings.configured:
        home = Path(tempfile.mkdtemp(prefix="kist-django-"))
        configure(home, f"sqlite:///{home / 'db.sqlite3'}")


@contextmanager
def alias_for(url: str, *, migrated: bool = False) -> Iterator[str]:
    """The alias of a connection to the database at ``url``; with the tables of all apps if ``migrated``."""
    from django.core.management import call_command
    from django.db import connections

    alias = f"t{uuid.uuid4().hex[:12]}"
    entry = connections["default"].settings_dict | database(url)
    entry["TEST"] = dict(entry["TEST"])
    connections.databases[alias] = entry
    try:
        if migrated:
            call_command("migrate", database=alias, verbosity=0)
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


def with_tables(url: str) -> None:
    """Make the tables of all apps in the database at ``url``."""
    in_process()
    with alias_for(url, migrated=True):
        pass


@cache
def sqlite_template() -> Path:
    """A SQLite file with the empty tables of all apps, to be copied."""
    path = Path(tempfile.mkdtemp(prefix="kist-template-")) / "db.sqlite3"
    with_tables(f"sqlite:///{path}")
    return path
