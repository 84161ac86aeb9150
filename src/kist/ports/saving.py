"""A folder of the server where files are written for whoever works there."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Protocol


class SavesFiles(Protocol):
    async def save(self, name: str, body: AsyncIterable[bytes]) -> str:
        """Write ``body`` to the file ``name`` of the folder, in place of one that is there, and return its path.

        Whole or not at all: when ``body`` raises, that passes through and the folder is as it was. ``BadName`` for a
        name that is no plain one (a slash, ``.``, ``..``, a leading dot, NUL), ``StoreFull``, ``StoreRefused`` where
        the folder cannot be written.
        """
