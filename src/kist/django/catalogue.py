"""The catalogue over Django's connection. What it commits, Django's own rows and signals follow."""

from __future__ import annotations

from django.db import transaction

from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sql.codecs import SQLITE
from kist.django.following import concerned, follow
from kist.django.runner import DjangoRunner
from kist.django.turns import turn
from kist.model.changes import Change
from kist.system import SystemClock


class DjangoCatalogue(SqlCatalogue):
    """Rows in the database of that alias, in the caller's transaction where there is one."""

    def __init__(self, alias: str) -> None:
        runner = DjangoRunner(alias)
        super().__init__(runner, SystemClock() if runner.codec is SQLITE else None)
        self._alias = alias

    async def commit(self, *changes: Change) -> None:
        """As every catalogue; in the same transaction Django's rows about files that begin or end."""
        if not concerned(changes):
            await super().commit(*changes)
            return
        with turn(self._alias), transaction.atomic(using=self._alias):
            await super().commit(*changes)
            follow(self._alias, changes)
