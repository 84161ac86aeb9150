"""Media types: what a declared one may look like, and when a detected one contradicts it."""

from __future__ import annotations

import re

from kist.errors import Invalid

UNKNOWN = "application/octet-stream"

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}", re.ASCII)
_PARAMETERS = re.compile(r"[\x20-\x7e]*", re.ASCII)
_TEXTUAL = ("text/", "application/json", "application/xml", "application/javascript")


def clean_type(raw: str | None) -> str:
    """Return a declared media type without its parameters, lower-cased; ``application/octet-stream`` for none.

    Raises ``Invalid`` for text that is no media type (RFC 9110 §8.3.1, names as in RFC 6838 §4.2).
    """
    if raw is None or not raw.strip():
        return UNKNOWN
    essence = raw.split(";", 1)[0].strip().lower()
    if not _MEDIA_TYPE.fullmatch(essence) or not _PARAMETERS.fullmatch(raw):
        raise Invalid(f"{raw[:100]!r} is no media type: write it like image/png")
    return essence


def contradicts(declared: str, detected: str | None) -> bool:
    """Whether the first bytes show something else than what was declared.

    Nothing recognised, nothing declared, and one textual type for another do not contradict.
    """
    if detected is None or declared in (UNKNOWN, detected):
        return False
    return not (declared.startswith(_TEXTUAL) and detected.startswith(_TEXTUAL))
