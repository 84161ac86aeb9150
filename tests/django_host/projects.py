"""A Django project in this process, with a database and a store of its own for each test."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import urllib3
from asgiref.sync import SyncToAsync
from tests.django_host.databases import in_process
from tests.django_host.site import database
from tests.servers.server import S3Server

in_process()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections, transaction  # noqa: E402
from django.test import Client, override_settings  # noqa: E402

from kist.django import composition  # noqa: E402

BOUNDARY = "only-for-tests"
_templates: dict[str, Path] = {}


@contextmanager
def project(home: Path, url: str, kist: dict[str, Any]) -> Iterator[None]:
    """The default database is at ``url``, with the tables of all apps, and Kist is set up as ``kist`` says."""
    before = connections.databases["default"]
    _use(before | database(url))
    try:
        with override_settings(KIST={"HOME": home / "kist-data"} | kist):
            _fill(url, home)
            yield
    finally:
        composition.forget()
        _use(before)


def on_disk(home: Path) -> dict[str, Any]:
    """Settings for bytes in a folder."""
    return {"STORE": f"disk:{home / 'objects'}"}


def on_s3(server: S3Server, bucket: str) -> dict[str, Any]:
    """Settings for bytes in a bucket."""
    return {
        "STORE": f"s3://{bucket}?endpoint={server.endpoint}&region={server.region}&style=path",
        "S3_KEY": server.key,
        "S3_SECRET": server.secret,
    }


def user(name: str = "ann", **more: Any) -> Any:
    """A user of the project."""
    return get_user_model().objects.create_user(name, password=name, **more)


def post(form: dict[str, Any], data: bytes, name: str = "a.txt") -> tuple[int, str]:
    """Post a form as a browser would, to the store or to the door of this site; the status and S3's code."""
    body = b"".join(_field(name, value.encode()) for name, value in form["fields"].items())
    body += _field("file", data, f'; filename="{name}"') + f"--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    if _is_elsewhere(form["url"]):
        answer: Any = urllib3.request("POST", form["url"], body=body, headers={"content-type": kind}, timeout=30)
        status, text = answer.status, answer.data
    else:
        answer = Client().generic("POST", form["url"], body, content_type=kind)
        status, text = answer.status_code, b"".join(answer) if answer.streaming else answer.content
    return status, "" if status < 300 else ElementTree.fromstring(text).findtext("Code") or ""


def got(url: str) -> bytes:
    """What a signed address gives, from the store or from this site."""
    if _is_elsewhere(url):
        answer = urllib3.request("GET", url, timeout=30)
        assert answer.status == 200, answer.data
        return answer.data
    response = Client().get(url)
    assert response.status_code == 200, response
    return response.getvalue()


def _is_elsewhere(url: str) -> bool:
    """Whether an address leads to a server, rather than to the site in this process."""
    return urlsplit(url).netloc not in ("", "testserver")


class _Undone(Exception):
    pass


@contextmanager
def taken_back() -> Iterator[None]:
    """A transaction that is rolled back at its end."""
    with suppress(_Undone), transaction.atomic():
        yield
        raise _Undone


def _field(name: str, value: bytes, more: str = "") -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


def _use(entry: dict[str, Any]) -> None:
    """Have this thread, and that in which async code asks Django, connect to that database from now on."""
    connections.databases["default"] = entry
    _forget()
    SyncToAsync.single_thread_executor.submit(_forget).result()


def _forget() -> None:
    connections["default"].close()
    del connections["default"]


def _fill(url: str, home: Path) -> None:
    """Make the tables; on SQLite by a copy of those that the first test of this process has made."""
    if not url.startswith("sqlite"):
        call_command("migrate", verbosity=0)
        return
    target = Path(url.removeprefix("sqlite:///"))
    made = _templates.get("sqlite")
    if made is None:
        call_command("migrate", verbosity=0)
        connections["default"].close()
        made = Path(connections.databases["default"]["NAME"]).with_suffix(".template")
        _copy(target, made)
        _templates["sqlite"] = made
        return
    _copy(made, target)


def _copy(source: Path, target: Path) -> None:
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
    old.close()
    new.close()
