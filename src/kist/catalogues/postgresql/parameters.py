"""Named parameters as PostgreSQL numbers them: ``:owner`` becomes ``$1``, and ``$1`` again wherever it comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

# Literals and casts are passed over; a name begins with a letter.
_TOKEN = re.compile(r"'(?:[^']|'')*'|::|:([a-z]\w*)")


@lru_cache(maxsize=2048)
def numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """The text with numbers, and the names in the order of their numbers."""
    names: dict[str, int] = {}

    def number(token: re.Match[str]) -> str:
        name = token[1]
        return token[0] if name is None else f"${names.setdefault(name, len(names) + 1)}"

    text = _TOKEN.sub(number, sql)
    return text, tuple(names)


def prefixed(sql: str, prefix: str) -> str:
    """The text with ``prefix`` before each name, so that it can stand beside others."""
    return _TOKEN.sub(lambda token: token[0] if token[1] is None else f":{prefix}{token[1]}", sql)


def bound(sql: str, params: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The text with numbers, and the values in their order."""
    text, names = numbered(sql)
    return text, [params[name] for name in names]
