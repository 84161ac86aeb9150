"""Secrets that have to be kept for a while, and only so that whoever reads the database learns nothing."""

from __future__ import annotations

from typing import Protocol


class Vault(Protocol):
    def seal(self, plain: bytes, about: str) -> bytes:
        """``plain`` encrypted, never twice alike. It opens only together with ``about``: whose it is, and for what."""

    def open(self, sealed: bytes, about: str) -> bytes:
        """What was sealed. ``Corrupt`` for what was changed, belongs to something else, or was sealed with another
        secret.
        """
