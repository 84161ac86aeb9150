"""What a signed URL or form allows, for stores that answer such requests themselves."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kist.model.content import FormLimits
from kist.model.place import Place

Pairs = tuple[tuple[str, str], ...]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was signed. ``form`` holds the limits where it is a form, which is always posted.

    ``headers`` (names in lower case) must be sent exactly so; ``query`` is what was signed into the URL, such as
    ``partNumber`` and ``uploadId`` of a part, or ``response-content-disposition`` of a read.
    """

    method: str
    place: Place
    expires_at: datetime
    headers: Pairs = ()
    query: Pairs = ()
    form: FormLimits | None = None

    def header(self, name: str) -> str | None:
        """The value that the header of this (lower-case) name must have, None when any will do."""
        return next((value for key, value in self.headers if key == name), None)

    def asked(self, name: str) -> str | None:
        """What was signed into the URL under ``name``."""
        return next((value for key, value in self.query if key == name), None)
