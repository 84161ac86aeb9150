"""Kist: the file service that an application's own users put their files into.

What is named here may be imported by applications; everything else may move. ``kist.app.build`` makes a ``Kist`` from
``kist.settings.read_settings()``; ``kist.asgi`` serves it, and its ``KistApp`` is mounted in an application of FastAPI
or Starlette; ``kist.testing`` helps to test what is built on it.
"""

from kist.drive import drive
from kist.errors import KistError
from kist.model.actor import Action, Actor, Role
from kist.model.content import Span
from kist.model.file import File
from kist.model.limits import Limits
from kist.model.place import Place
from kist.model.query import FileQuery, Page, Sort
from kist.model.upload import Intent
from kist.service.kist import Kist

__all__ = [
    "Action",
    "Actor",
    "File",
    "FileQuery",
    "Intent",
    "Kist",
    "KistError",
    "Limits",
    "Page",
    "Place",
    "Role",
    "Sort",
    "Span",
    "drive",
]
