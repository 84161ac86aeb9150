"""A link: a way to read a file without credentials, for a limited time."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Disposition(StrEnum):
    """Whether a browser is to save the bytes or to show them."""

    DOWNLOAD = "download"
    VIEW = "view"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link as the catalogue holds it. Its token is not kept: it is made from the id with the secret.

    ``actor`` made it; it stops working when that actor may no longer read the file. ``uses`` counts reads, up to
    ``max_uses``. ``password``: a slow hash, None when none is asked for. ``last_used_at`` lags behind by seconds.
    """

    id: str
    file_id: str
    actor: str
    admin: bool
    created_at: datetime
    expires_at: datetime
    disposition: Disposition = Disposition.DOWNLOAD
    max_uses: int | None = None
    uses: int = 0
    password: str | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def counted_first(self) -> bool:
        """Whether a use is committed before it is granted."""
        return self.max_uses is not None or self.password is not None
