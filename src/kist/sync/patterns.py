"""Which keys a sync is about: shell patterns on whole keys, as rsync and rclone users know them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kist.errors import Invalid


class Patterns:
    """``include``: only keys that match one of them (all, where there are none). ``exclude``: none that match.

    ``*`` is any text within a folder, ``**`` any text, ``?`` one character, ``[…]`` one of them. A pattern without a
    slash is tried on the last part of the key, one with a slash on the whole, one that ends with a slash on folders.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _joined(include)
        self._exclude = _joined(exclude)

    def excludes(self, folder: str) -> bool:
        """Whether the sync is about nothing below ``folder``, which ends with a slash."""
        return self._exclude is not None and bool(self._exclude.search(folder))

    def wants(self, key: str) -> bool:
        """Whether the sync is about ``key``."""
        if self._exclude is not None and self._exclude.search(key):
            return False
        return self._include is None or bool(self._include.search(key))


def _joined(patterns: Sequence[str]) -> re.Pattern[str] | None:
    try:
        return re.compile("|".join(map(_expression, patterns))) if patterns else None
    except re.error as error:
        raise Invalid(f"one of the patterns cannot be read: {error}") from error


def _expression(pattern: str) -> str:
    start = "^" if "/" in pattern.rstrip("/") else r"(?:^|/)"
    end = "" if pattern.endswith("/") else r"(?:/|\Z)"
    return f"(?:{start}{_translated(pattern.lstrip('/'))}{end})"


def _translated(pattern: str) -> str:
    made, at = [], 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            deep = pattern.startswith("*", at)
            at += deep
            made.append(".*" if deep else "[^/]*")
        elif character == "?":
            made.append("[^/]")
        elif character == "[" and (close := pattern.find("]", at + 1)) > 0:
            inside = pattern[at:close].replace("\\", r"\\")
            made.append(f"[{'^' + inside[1:] if inside.startswith('!') else inside}]")
            at = close + 1
        else:
            made.append(re.escape(character))
    return "".join(made)
