"""A Django project around the app behind a real server, beside a Kist of the other kind on the same tables and store.

So every scenario that is told of one host can be told of the other, and what a test does to ``site.kist`` directly is
done by an event loop's Kist to rows that Django has made.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.acceptance.served import Client, Prepare, Serve, Site, serving
from tests.django_host.databases import sqlite_template, with_tables
from tests.servers.daemon import free_port, listens, running, wait_until
from tests.servers.databases import dropped, made

from kist.asgi.options import HostOptions
from kist.django.config import as_text
from kist.setting_texts import Secret
from kist.settings import Settings

ROOT = Path(__file__).parents[2]
SECRET = Secret("the same for both kinds of servers, and long")
THREADS = 16
APPLICATION = "tests.django_host.application"
QUIET = ("--keep-alive=60", "--graceful-timeout=1", "--no-control-socket")
SERVERS = {
    "wsgi": ("gunicorn", f"{APPLICATION}:wsgi", "--worker-class=gthread", f"--threads={THREADS}", *QUIET),
    "asgi": ("uvicorn", f"{APPLICATION}:asgi", "--lifespan=off", "--no-access-log", "--timeout-keep-alive=60"),
}
"""How each kind is served, without where."""


@contextmanager
def django_serving(
    under: str,
    settings: Settings,
    options: HostOptions | None = None,
    prepare: Prepare | None = None,
    **changed: Any,
) -> Iterator[Site]:
    """As ``serving``, by Django ``under`` WSGI or ASGI. ``changed``: settings of the project's own.

    The rows are in SQLite, in the home, or in the PostgreSQL that the settings name, which has to have its tables.
    ``options`` belong to the other host, which nobody is sent to.
    """
    settings = dataclasses.replace(settings, database=_tables(settings), secret=settings.secret or SECRET)
    with (
        serving(settings, options, prepare) as kist,
        django_running(under, settings, settings.home.with_name(f"{settings.home.name}-{under}"), **changed) as url,
    ):
        yield dataclasses.replace(
            kist,
            url=url,
            host=f"django {under}",
            twin=kist.url,
            ann=Client(url, kist.ann.key),
            bob=Client(url, kist.bob.key),
            admin=Client(url, kist.admin.key),
            nobody=Client(url),
        )


@contextmanager
def django_running(under: str, settings: Settings, folder: Path, **changed: Any) -> Iterator[str]:
    """A server of the project for the length of the block, and its URL. Its log is kept in ``folder``."""
    folder.mkdir(exist_ok=True)
    module, *arguments = SERVERS[under]
    port, log = free_port(), folder / f"{under}.log"
    where = [f"--bind=127.0.0.1:{port}"] if under == "wsgi" else [f"--port={port}"]
    env = told(settings, folder, **changed)
    with running([sys.executable, "-m", module, *arguments, *where], log, env) as process:
        wait_until(partial(listens, port), process, log)
        yield f"http://127.0.0.1:{port}"


def told(settings: Settings, folder: Path, **changed: Any) -> dict[str, str]:
    """The environment of a process of the project."""
    said = {"home": str(folder), "database": settings.database, "kist": _said(settings), "changed": changed}
    return os.environ | {"TEST_SITE": json.dumps(said), "PYTHONPATH": str(ROOT)}


@contextmanager
def postgres_tables(server: str) -> Iterator[str]:
    """The URL of a database on ``server`` with the tables that Django's migrations make."""
    name = f"kist_{uuid.uuid4().hex[:12]}"
    url = made(server, name)
    try:
        with_tables(url)
        yield url
    finally:
        dropped(server, name)


under_wsgi: Serve = partial(django_serving, "wsgi")
under_asgi: Serve = partial(django_serving, "asgi")
HOSTS: Mapping[str, Serve] = {"asgi": serving, "django-wsgi": under_wsgi, "django-asgi": under_asgi}


def _tables(settings: Settings) -> str:
    if settings.database.startswith("postgresql:"):
        return settings.database
    path = settings.home / "db.sqlite3"
    settings.home.mkdir(exist_ok=True)
    shutil.copyfile(sqlite_template(), path)
    return f"sqlite:///{path}"


def _said(settings: Settings) -> dict[str, str]:
    """The settings as a project says them in ``KIST``."""
    given: dict[str, Any] = {name.upper(): value for name, value in vars(settings).items() if value is not None}
    del given["DATABASE"]
    if settings.anonymous:
        given["ANONYMOUS_PUBLIC"] = True  # only this machine reaches the site, which a project cannot know
    secrets = {f"S3_{name.upper()}": value for name, value in given.pop("S3_SECRETS").items()} | {
        "SECRET": given.pop("SECRET")
    }
    revealed = {name: secret.reveal() for name, secret in secrets.items()}
    return {name: as_text(name, value) for name, value in (given | revealed).items()}
