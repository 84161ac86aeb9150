"""What a file may be called, and how names are compared in searches."""

from __future__ import annotations

import unicodedata

from kist.errors import BadName

MAX_CHARACTERS = 255
MAX_BYTES = 1024

# Invisible characters that turn the reading direction: "photo<U+202E>gnp.exe" looks like "photoexe.png".
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(raw: str) -> str:
    """Return ``raw`` in Unicode normal form C, or raise ``BadName`` with the rule that it breaks.

    A name is 1 to 255 characters and at most 1024 bytes of UTF-8. It may hold ``/``, so that folders keep their
    shape, but no empty, ``.`` or ``..`` part; no backslash; no control characters, no lone surrogates and no
    characters that turn the reading direction.
    """
    if not raw:
        raise BadName("a file needs a name: none was given")
    check_characters(raw, "file name")
    name = unicodedata.normalize("NFC", raw)
    if len(name) > MAX_CHARACTERS or len(name.encode()) > MAX_BYTES:
        raise BadName(
            f"the file name is too long: at most {MAX_CHARACTERS} characters and {MAX_BYTES} bytes",
            limit=MAX_CHARACTERS,
        )
    if "\\" in name:
        raise BadName("a file name cannot hold a backslash: use / between folders")
    check_parts(name, "file name")
    return name


def check_characters(text: str, what: str) -> None:
    """Raise ``BadName`` when ``text`` holds control characters, lone surrogates or bidi controls."""
    for character in text:
        if character in _BIDI_CONTROLS:
            raise BadName(f"the {what} holds U+{ord(character):04X}, which turns the reading direction: remove it")
        if unicodedata.category(character) == "Cc":
            raise BadName(f"the {what} holds the control character U+{ord(character):04X}: remove it")
        if unicodedata.category(character) == "Cs":
            raise BadName(f"the {what} is not valid Unicode: it must be UTF-8")


def check_parts(text: str, what: str) -> None:
    """Raise ``BadName`` when a part between slashes is empty, ``.`` or ``..``."""
    for part in text.split("/"):
        if part in ("", ".", ".."):
            raise BadName(f"the {what} holds the part {part!r}: no part between slashes may be empty, '.' or '..'")


def fold(text: str) -> str:
    """The form in which names and searches are compared: NFC, case folded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
