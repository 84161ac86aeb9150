"""Who Kist is at the server: fixed keys, or a source of keys that change."""

from __future__ import annotations

from typing import Protocol

from kist.stores.s3.signer import Signer


class Identity(Protocol):
    def signer(self) -> Signer:
        """The signer to use now."""

    async def renew(self) -> None:
        """Called before each request: get new keys when the present ones will soon expire."""


class FixedIdentity:
    """Keys from the settings: they never change."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def signer(self) -> Signer:
        return self._signer

    async def renew(self) -> None:
        """Nothing to do."""
