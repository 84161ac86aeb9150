"""From what people write to the files they mean: an id, a name, or a folder with a slash at its end."""

from __future__ import annotations

import re
import unicodedata

from kist.cli.backend import Backend
from kist.cli.shown import count_text, escaped, size_text, time_text
from kist.dialects.native.shapes import FileShape
from kist.errors import FileMissing, Refused

_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
SHOWN_CANDIDATES = 20


async def meant(kist: Backend, text: str) -> list[FileShape]:
    """The files that ``text`` means: one, or all those in a folder, by name. ``FileMissing``; ``Refused``: unclear."""
    if text.endswith("/"):
        return await _folder(kist, text)
    return [await one_meant(kist, text)]


async def one_meant(kist: Backend, text: str) -> FileShape:
    """The one file with this id or name. ``FileMissing``; ``Refused``, with the candidates, when there are several."""
    if _ID.fullmatch(text):
        try:
            return await kist.file(text)
        except FileMissing:
            pass  # a name may look like an id
    name = unicodedata.normalize("NFC", text)
    # Newest first, as the candidates are best shown.
    found = [file async for file in kist.files(text=name, sort="-created_at") if file.name == name]
    if len(found) > 1:
        raise Refused(_choice(name, found))
    if not found:
        raise FileMissing(f"there is no file {text!r}" + await _hint(kist, name))
    return found[0]


async def _folder(kist: Backend, text: str) -> list[FileShape]:
    prefix = unicodedata.normalize("NFC", text)
    found = [file async for file in kist.files(text=prefix) if file.name.startswith(prefix)]
    if not found:
        raise FileMissing(f"there are no files in {text!r}")
    return found


def _choice(name: str, found: list[FileShape]) -> str:
    lines = [f"{count_text(len(found), 'file')} are named {escaped(name)}: say which one by its id"]
    for file in found[:SHOWN_CANDIDATES]:
        lines.append(f"  {file.id}  {size_text(file.size):>8}  {time_text(file.updated_at)}  of {file.owner}")
    if len(found) > SHOWN_CANDIDATES:
        lines.append(f"  and {len(found) - SHOWN_CANDIDATES} more")
    return "\n".join(lines)


async def _hint(kist: Backend, name: str) -> str:
    async for file in kist.files(text=f"{name}/", limit=100):
        if file.name.startswith(f"{name}/"):
            return f", but there is a folder: write {name + '/'!r}"
    return ": `kist ls` shows what there is"
