"""The catalogue over Django's connection. What it commits, Django's own rows and signals follow."""

from __future__ import annotations

from collections.abc import Sequence

from kist.catalogues.sql.catalogue import SqlCatalogue
from kist.catalogues.sql.codecs import SQLITE
from kist.catalogues.sql.statements import Statement
from kist.django.following import rows_for, tell
from kist.django.runner import DjangoRunner
from kist.model.changes import Change
from kist.ports.system import Clock


class DjangoCatalogue(SqlCatalogue):
    """Rows in the database of that alias, in the caller's transaction where there is one."""

    def __init__(self, alias: str, clock: Clock) -> None:
        runner = DjangoRunner(alias)
        super().__init__(runner, clock if runner.codec is SQLITE else None)
        self._alias = alias

    async def commit(self, *changes: Change) -> None:
        """As every catalogue; signals follow once the transaction is committed."""
        await super().commit(*changes)
        tell(self._alias, changes)

    def _besides(self, changes: Sequence[Change]) -> Sequence[Statement]:
        """Django's rows of the files that begin or are complete."""
        return rows_for(self._alias, changes)
