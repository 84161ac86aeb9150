"""A project with users of its own, behind a server: who they are, and how each calls."""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.served import Client, disk_settings
from tests.django_host.people import PASSWORD
from tests.django_host.served import ROOT, SECRET, django_running, told

from kist.settings import Settings

CSRF = "c" * 32
"""What Django gave to the browser as a cookie; any value of that length will do."""


@dataclass(frozen=True)
class Person:
    """A user of the project."""

    name: str
    pk: int
    session: str
    token: str

    @property
    def cookies(self) -> str:
        """What their browser sends along, also from pages of other sites."""
        return f"sessionid={self.session}; csrftoken={CSRF}"

    @property
    def signed_in(self) -> dict[str, str]:
        """The headers of the project's own page."""
        return {"cookie": self.cookies, "x_csrftoken": CSRF}

    @property
    def basic(self) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(f"{self.name}:{PASSWORD}".encode()).decode()}

    @property
    def by_token(self) -> dict[str, str]:
        return {"authorization": f"Token {self.token}"}


@dataclass(frozen=True)
class Project:
    """A running project."""

    client: Client
    settings: Settings
    ann: Person
    bob: Person
    root: Person
    gone: Person


@contextmanager
def project(under: str, home: Path, *, database: str = "", **changed: Any) -> Iterator[Project]:
    """A project on disk, ``under`` WSGI or ASGI; on SQLite if no database is named. ``changed``: its own settings."""
    where = database or f"sqlite:///{home / 'db.sqlite3'}"
    settings = dataclasses.replace(disk_settings(home / "kist"), database=where, secret=SECRET)
    command = [sys.executable, "-m", "tests.django_host.people"]
    done = subprocess.run(command, env=told(settings, home, **changed), cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    people = {name: Person(name, **known) for name, known in json.loads(done.stdout).items()}
    with django_running(under, settings, home, **changed) as url:
        yield Project(Client(url), settings, **people)
