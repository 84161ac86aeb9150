"""The Range and If-Range headers (RFC 9110 §14): one range or none."""

from __future__ import annotations

import re

from kist.errors import BadRange
from kist.model.content import Span

# Twenty digits hold more than any size that exists; longer numbers are not read as ranges at all.
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,20})[ \t]*-[ \t]*([0-9]{0,20})[ \t]*", re.IGNORECASE | re.ASCII)


def parse(header: str | None, size: int) -> Span | None:
    """The span of a content of ``size`` bytes that ``header`` asks for, None for the whole.

    First-last, first- (open-ended) and -last (suffix) are understood. Several ranges, other units and what is
    malformed (last before first among them) mean the whole. ``BadRange`` when no byte of the range is there.
    """
    if header is None:
        return None
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return _suffix(int(last), size) if last else None
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise _outside(size)
    return Span(int(first), min(int(last) + 1, size) if last else size)


def still_current(if_range: str | None, etag: str) -> bool:
    """Whether a Range may be answered, as far as If-Range goes.

    Only a strong tag can say yes. A date cannot: two contents of one second would look alike.
    """
    return if_range is None or if_range.strip() == f'"{etag}"'


def _suffix(length: int, size: int) -> Span:
    if length == 0 or size == 0:
        raise _outside(size)
    return Span(max(0, size - length), size)


def _outside(size: int) -> BadRange:
    return BadRange(f"the range lies outside the content, which has {size} bytes", size=size)
