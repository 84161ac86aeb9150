"""``multipart/form-data``, streamed part by part, with the limits of threat T53.

The only file that knows the multipart library.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser  # type: ignore[import-untyped]

from kist.errors import BadName, Invalid, TooLarge, WrongType
from kist.wire.body import Body
from kist.wire.call import Call

FORM_DATA = "multipart/form-data"

MAX_BOUNDARY = 70
MAX_PARTS = 20
MAX_HEADERS = 8
MAX_HEADER = 4096
MAX_FIELD = 64 << 10
MAX_AROUND = 1024
"""What may stand before the first and after the last boundary."""
MAX_SKIPPED = 1 << 20
"""How much of a part that nobody reads is passed over before the form is refused."""

_BOUNDARY = re.compile(r"(?<![^\s;])boundary=(?:\"([^\"]*)\"|([^\s;\",]*))", re.IGNORECASE)
_BOUNDARY_CHARACTERS = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_WORD = r"[\w!#$%&'*+.^`|~-]+"
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_WORD})[ \t]*=[ \t]*(?:"(?:[^"\\]|\\.)*"|{_WORD})', re.ASCII)
_PLAIN_ENCODINGS = frozenset({"binary", "8bit", "7bit"})


class Part:
    """One part of a form: a field, or (with a file name) a file. Read it before asking for the next."""

    __slots__ = ("_form", "filename", "name", "type")

    def __init__(self, form: _Form, name: str, filename: str | None, type: str | None) -> None:
        self._form = form
        self.name = name
        self.filename = filename
        self.type = type

    @property
    def is_file(self) -> bool:
        return self.filename is not None

    @property
    def body(self) -> AsyncIterator[bytes]:
        """The bytes, once. Ends only when the closing boundary was seen; a cut-off form raises."""
        return self._form.body_of(self)

    async def text(self, limit: int = MAX_FIELD) -> str:
        """The whole part as UTF-8 text of at most ``limit`` bytes: ``TooLarge``, ``Invalid``."""
        blocks: list[bytes] = []
        size = 0
        async for block in self.body:
            size += len(block)
            if size > limit:
                raise TooLarge(f"the form field {self.name!r} is larger than {limit} bytes", limit=limit)
            blocks.append(block)
        try:
            return b"".join(blocks).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Invalid(f"the form field {self.name!r} is not valid UTF-8") from error


async def form_parts(call: Call, *, max_field: int = MAX_FIELD) -> AsyncIterator[Part]:
    """The parts of the form in ``call``, in their order, while it arrives.

    What is left of a part when the next one is asked for is passed over, up to a mebibyte. Raises ``WrongType`` when
    the body is no form, ``BadName`` for a file name that is not UTF-8, ``Invalid`` for a broken or unfinished form,
    ``TooLarge`` for a field above ``max_field`` bytes, and what the body raises.
    """
    form = _Form(call.body, form_boundary(call), max_field)
    while (part := await form.next_part()) is not None:
        yield part


def form_boundary(call: Call) -> bytes:
    """The boundary that the Content-Type names: ``WrongType`` where it is no form, ``Invalid`` where it is unusable."""
    if call.content_type != FORM_DATA:
        raise WrongType(f"send this as {FORM_DATA}, not as {call.content_type or 'a body without a type'}")
    found = [quoted or plain for quoted, plain in _BOUNDARY.findall(call.headers.get("content-type") or "")]
    if len(found) != 1 or not _BOUNDARY_CHARACTERS.fullmatch(found[0]):
        raise Invalid(f"the Content-Type of a form names one boundary of 1 to {MAX_BOUNDARY} characters")
    return str(found[0]).encode("ascii")


class _Form:
    """Pulls blocks from the body through the parser, one event at a time."""

    def __init__(self, body: Body, boundary: bytes, max_field: int) -> None:
        self._body = body
        self._max_field = max_field
        self._mark = b"\r\n--" + boundary
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=MAX_HEADER,
            max_header_count=MAX_HEADERS,
            max_segment_count=MAX_PARTS,
            header_charset="latin-1",  # decoded as UTF-8 in file_name, where a failure can be told apart
        )
        self._events: Iterator[MultipartSegment | bytes | None] = iter(())
        self._part: Part | None = None
        self._field_size = 0
        self._block_fed = b""
        self._tail = b""  # what came just before, so that a boundary across two blocks is found
        self._after = -1  # bytes since the last boundary, once it was seen
        self._quiet = -1  # bytes since the last event outside of a part; -1 inside of one

    async def next_part(self) -> Part | None:
        if self._part is not None:
            await self._pass_over()
        elif not self._block_fed:
            self._feed(await self._head())
        event = await self._event()
        if event is None:
            return None
        self._part = self._open(event)
        return self._part

    async def body_of(self, part: Part) -> AsyncIterator[bytes]:
        if part is not self._part:
            return
        while (block := await self._block()) is not None:
            yield block

    async def _pass_over(self) -> None:
        part, skipped = self._part, 0
        while (block := await self._block()) is not None:
            skipped += len(block)
            if skipped > MAX_SKIPPED and part is not None:
                raise Invalid(f"the form's part {part.name!r} is not expected here: leave it out")

    async def _block(self) -> bytes | None:
        """The next block of the open part, None at its end (also when asked again)."""
        part = self._part
        if part is None:
            return None
        event = await self._event()
        if not isinstance(event, bytes):
            self._part = None
            self._quiet = 0
            return None
        if not part.is_file:
            self._field_size += len(event)
            if self._field_size > self._max_field:
                message = f"the form field {part.name!r} is larger than {self._max_field} bytes"
                raise TooLarge(message, limit=self._max_field)
        return event

    async def _event(self) -> MultipartSegment | bytes | None:
        """The next event of the parser. Between parts, None is the end of the form."""
        try:
            while True:
                for event in self._events:
                    return event
                if self._quiet >= 0:
                    self._check_epilogue()
                block = await anext(self._body, b"")
                if not block:
                    self._parser.close()
                    return None
                self._feed(block)
        except MultipartError as error:
            raise Invalid(f"the form cannot be read: {error}") from error

    def _feed(self, block: bytes) -> None:
        keep = len(self._mark) + 2
        self._tail = (self._tail + self._block_fed)[-keep:] if len(self._block_fed) < keep else self._block_fed[-keep:]
        self._block_fed = block
        if self._quiet >= 0:
            self._quiet += len(block)
        if self._after >= 0:
            self._after += len(block)
        self._events = self._parser.parse(block)

    async def _head(self) -> bytes:
        """The first bytes up to the first boundary at least: a long preamble is refused before it is parsed."""
        mark = self._mark[2:]
        room = MAX_AROUND + len(mark)
        head = b""
        while mark not in head[:room]:
            if len(head) >= room:
                raise Invalid(f"the form does not begin with its boundary within {MAX_AROUND} bytes")
            block = await anext(self._body, b"")
            if not block:
                raise Invalid("the form ends before its first boundary" if head else "the form is empty")
            head += block
        return head

    def _check_epilogue(self) -> None:
        if self._after < 0:
            recent = self._tail + self._block_fed
            end = recent.rfind(self._mark + b"--")
            self._after = len(recent) - end - len(self._mark) - 2 if end >= 0 else -1
        if self._after > MAX_AROUND or self._quiet > (MAX_HEADERS + 1) * MAX_HEADER:
            raise Invalid(f"more than {MAX_AROUND} bytes follow the form's last boundary")

    def _open(self, event: MultipartSegment | bytes) -> Part:
        if isinstance(event, bytes):
            raise Invalid("the form cannot be read")
        self._quiet = -1
        self._field_size = 0
        check_headers(event)
        return Part(self, _text(event.name or "", "name"), file_name(event), event.content_type)


def check_headers(segment: MultipartSegment) -> None:
    """``Invalid`` for what two readers would understand differently, and for encodings that need decoding."""
    names = [name for name, _ in segment.headerlist]
    if names.count("Content-Disposition") != 1:
        raise Invalid("each part of a form has one Content-Disposition")
    parameters = _parameters(segment["Content-Disposition"])
    if len(parameters) != len(set(parameters)):
        raise Invalid("a Content-Disposition in the form gives the same parameter twice")
    if any(name.endswith("*") for name in parameters):
        raise Invalid('a form names files by filename="…" in UTF-8: filename* has no place in forms')
    encoding = segment.header("Content-Transfer-Encoding")
    if encoding is not None and encoding.strip().lower() not in _PLAIN_ENCODINGS:
        raise Invalid("a part of the form is encoded: send the bytes as they are, without Content-Transfer-Encoding")


def _parameters(disposition: str) -> list[str]:
    names: list[str] = []
    position = max(0, disposition.find(";"))
    while found := _PARAMETER.match(disposition, position):
        names.append(found[1].lower())
        position = found.end()
    if disposition[position:].strip(" \t;") not in ("", "form-data"):
        raise Invalid("a Content-Disposition in the form cannot be read: put its values in quotes")
    return names


def file_name(segment: MultipartSegment) -> str | None:
    """The file name of a part, None where it has none. ``BadName`` when it is not UTF-8."""
    return None if segment.filename is None else _text(segment.filename, "file name")


def _text(latin: str, what: str) -> str:
    try:
        return latin.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadName(f"the {what} in the form is not valid UTF-8") from error
