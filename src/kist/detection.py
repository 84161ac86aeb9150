"""The media type that the first bytes of a content show.

The signatures are puremagic's, looked up by one byte each: asking the library itself takes a quarter of a
millisecond for each upload (docs/decisions/0007-detecting-types.md).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import puremagic

TEXT = "text/plain"
MARKUP = "text/html"

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SURE = 4
"""From how many bytes on a signature outweighs that the content reads as text."""


class Signature(NamedTuple):
    """What gives a type away: ``lead`` at the beginning (may be empty) and ``pattern`` at ``offset``."""

    lead: bytes
    pattern: bytes
    offset: int
    type: str

    @property
    def rank(self) -> tuple[int, int, int]:
        """The longer, the surer; then the one that looks further in; then the plainer type (zip before docx)."""
        return len(self.lead) + len(self.pattern), self.offset, -len(self.type)

    def fits(self, head: bytes) -> bool:
        """Whether ``head`` shows this signature."""
        return head.startswith(self.pattern, self.offset) and head.startswith(self.lead)


def detect(head: bytes) -> str | None:
    """The media type of a content that begins with ``head`` (its first 4 KiB are enough), None if nothing shows it.

    Text that begins like markup is never called plain text, so that no browser is ever told to show it.
    """
    if not head:
        return None
    fitting = [
        signature
        for offset in _OFFSETS
        if offset < len(head)
        for signature in _BY_BYTE.get((offset, head[offset]), ())
        if signature.fits(head)
    ]
    if not fitting:
        return _textual(head)
    best = max(fitting, key=lambda each: each.rank)
    return best.type if best.rank[0] >= _SURE else _textual(head) or best.type


def _textual(head: bytes) -> str | None:
    """Plain text or markup, when the bytes are UTF-8 without control characters; a cut last character is fine."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return None
        text = head[: error.start].decode("utf-8")
    if not text or _CONTROL.search(text):
        return None
    return MARKUP if text.lstrip("\ufeff \t\n\r\f").startswith("<") else TEXT


def _signatures() -> Iterator[Signature]:
    """The library's signatures that name a media type and look at the beginning of the content."""
    for row in puremagic.magic_header_array:
        if "/" in row.mime_type and row.offset >= 0:
            yield Signature(b"", row.byte_match, row.offset, row.mime_type)
    for lead, rows in puremagic.multi_part_dict.items():
        for row in rows:
            if "/" in row.mime_type and row.offset >= 0:
                yield Signature(lead, row.byte_match, row.offset, row.mime_type)


def _index(signatures: Iterable[Signature]) -> dict[tuple[int, int], tuple[Signature, ...]]:
    """Signatures by the offset and the value of the first byte that they look at."""
    index = defaultdict(list)
    for signature in signatures:
        at = (0, signature.lead[0]) if signature.lead else (signature.offset, signature.pattern[0])
        index[at].append(signature)
    return {at: tuple(group) for at, group in index.items()}


_BY_BYTE = _index(_signatures())
_OFFSETS = sorted({offset for offset, _ in _BY_BYTE})
