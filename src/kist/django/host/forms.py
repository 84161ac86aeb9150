"""A form that Django has already taken apart, as a body again: handlers read forms as they come over the wire.

Reading ``request.POST``, as the CSRF check does, uses the body up. The files lie in memory or in temporary files then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest

from kist.system import SystemIds

FORM_DATA = "multipart/form-data"
BLOCK = 256 << 10


@dataclass(frozen=True)
class Part:
    """One part: its head, and its content block by block."""

    head: bytes
    size: int
    blocks: Iterator[bytes]


class FormAgain:
    """The form of ``request`` as a body: fields first, then the files, each in the order in which they came."""

    def __init__(self, request: HttpRequest) -> None:
        self._mark = SystemIds().token().encode()
        self._parts = [*_fields(request), *_files(request)]
        self.type = f"{FORM_DATA}; boundary={self._mark.decode()}"
        self.size = sum(len(self._before(part)) + part.size + 2 for part in self._parts) + len(self._end())

    def blocks(self) -> Iterator[bytes]:
        """The bytes of the body."""
        for part in self._parts:
            yield self._before(part)
            yield from part.blocks
            yield b"\r\n"
        yield self._end()

    def _before(self, part: Part) -> bytes:
        return b"--" + self._mark + b"\r\n" + part.head + b"\r\n\r\n"

    def _end(self) -> bytes:
        return b"--" + self._mark + b"--\r\n"


def form_again(request: HttpRequest) -> FormAgain | None:
    """The form of ``request``, None where its body can still be read."""
    taken_apart = hasattr(request, "_files") and (request.content_type or "") == FORM_DATA
    return FormAgain(request) if taken_apart and request.method == "POST" else None


def _fields(request: HttpRequest) -> Iterator[Part]:
    for name, values in request.POST.lists():
        for value in values:
            data = value.encode()
            yield Part(_head(name), len(data), iter((data,)))


def _files(request: HttpRequest) -> Iterator[Part]:
    for name, files in request.FILES.lists():
        for file in files:
            head = _head(name, file.name or "") + b"\r\nContent-Type: " + _plain(file.content_type or "").encode()
            yield Part(head, file.size or 0, file.chunks(BLOCK))


def _head(name: str, filename: str | None = None) -> bytes:
    text = f'Content-Disposition: form-data; name="{_quoted(name)}"'
    if filename is not None:
        text += f'; filename="{_quoted(filename)}"'
    return text.encode()


def _quoted(text: str) -> str:
    """As browsers write it (WHATWG, multipart/form-data encoding algorithm)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _plain(text: str) -> str:
    return text.replace("\r", "").replace("\n", "") or "application/octet-stream"
