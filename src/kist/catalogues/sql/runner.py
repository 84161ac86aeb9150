"""What a database driver has to bring so that the rows can live in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from kist.catalogues.sql.codecs import Codec
from kist.catalogues.sql.statements import Statement

Params = dict[str, Any]


class Runner(Protocol):
    """Runs SQL. Its methods raise ``CatalogueBusy``, ``StoreFull`` or ``Broken``, never the driver's own errors.

    Texts name their parameters ``:name``. Text that cannot be stored (lone surrogates) is found nowhere.
    """

    codec: Codec

    async def find(self, sql: str, params: Params) -> Sequence[Any] | None:
        """The one row with this primary key, if there is one."""

    async def fetch(self, sql: str, params: Params) -> Sequence[Sequence[Any]]:
        """All rows of a query that may have to look at many."""

    async def write(self, statements: Sequence[Statement], *, frees: bool = False) -> int | None:
        """Run all in one transaction, durable before returning None.

        ``frees``: removes rows or leads to removing bytes, so it should still succeed on a full disk if it can.

        When a counted statement does not touch exactly one row, or would break a uniqueness, nothing is changed and
        its index is returned. ``Invalid`` for values that the database cannot hold.
        """

    async def close(self) -> None:
        """Finish what was handed over and free what is held."""
