"""What a caller may attach to a file."""

from __future__ import annotations

from collections.abc import Mapping

from kist.errors import Invalid
from kist.model.names import check_characters

MAX_ENTRIES = 64
MAX_KEY_CHARACTERS = 64
MAX_VALUE_CHARACTERS = 1024
MAX_BYTES = 8 << 10
"""Of all keys and values in UTF-8: a page of a list shows those of a thousand files."""


def check_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return ``metadata`` as a dictionary, or raise ``Invalid`` (``BadName`` for characters that no text may hold).

    At most 64 entries; keys of 1 to 64 characters, values of at most 1024; 8 KiB in all.
    """
    if len(metadata) > MAX_ENTRIES:
        raise Invalid(f"at most {MAX_ENTRIES} metadata entries, not {len(metadata)}", limit=MAX_ENTRIES)
    for key, value in metadata.items():
        if not 1 <= len(key) <= MAX_KEY_CHARACTERS:
            raise Invalid(f"a metadata key has 1 to {MAX_KEY_CHARACTERS} characters: {key[:80]!r} does not")
        if len(value) > MAX_VALUE_CHARACTERS:
            raise Invalid(f"the metadata value of {key!r} is longer than {MAX_VALUE_CHARACTERS} characters")
        check_characters(key, "metadata key")
        check_characters(value, "metadata value")
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > MAX_BYTES:
        raise Invalid(f"the metadata of a file has at most {MAX_BYTES} bytes in all", limit=MAX_BYTES)
    return dict(metadata)
