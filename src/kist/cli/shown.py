"""How names, sizes, times and ids are shown to people, and results to programs."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click

# Marks that turn the reading direction: they belong to no category of their own.
_BIDI_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


def escaped(text: str) -> str:
    """``text`` on one line, with what steers terminals or the reading direction spelled out."""
    if text.isprintable() and not _BIDI_MARKS.intersection(text):
        return text
    return "".join(_spelled(character) for character in text)


def _spelled(character: str) -> str:
    if character in _BIDI_MARKS or unicodedata.category(character) in _UNSEEN:
        code = ord(character)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character


def size_text(size: int) -> str:
    """A size as people read it: ``999 B``, ``1.4 kB``, ``52 MB``."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 999.5 or unit == "PB":
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def time_text(moment: datetime) -> str:
    """A time in the zone of this machine."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def count_text(count: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def columns(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> Iterable[str]:
    """Rows as aligned lines, two spaces between columns; the last column is as long as it likes."""
    if not rows:
        return
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.rjust(width) if at in right else cell.ljust(width)
                 for at, (cell, width) in enumerate(zip(row, widths, strict=False))]  # fmt: skip
        yield "  ".join([*cells, row[-1]]).rstrip()


def print_json(value: Any) -> None:
    """Print one JSON document, in plain ASCII so that any terminal and pipe takes it."""
    click.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None, default=str))
