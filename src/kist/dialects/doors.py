"""The doors that dialects share: a multipart form and a raw body become an intent and a stream of bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from kist.errors import Invalid
from kist.model.media import UNKNOWN
from kist.model.upload import Declared, Door, Intent, Repeat
from kist.service.incoming import Incoming
from kist.wire.call import Call
from kist.wire.declared import declared_sha256
from kist.wire.parts import Part, form_parts

FILE_PART = "file"

Begin = Callable[[Part], AbstractAsyncContextManager[Incoming]]


class Form:
    """What a multipart form brought: the file part, taken in already if there was one, and the other fields."""

    def __init__(self) -> None:
        self.incoming: Incoming | None = None
        self.fields: dict[str, str] = {}

    def file(self) -> Incoming:
        """The file part, for forms that must have one: ``Invalid`` when there was none."""
        if self.incoming is None:
            raise Invalid(f"the form has no file: send it as a part named {FILE_PART}")
        return self.incoming


@asynccontextmanager
async def form_taken(call: Call, begin: Begin, form: Form | None = None) -> AsyncIterator[Form]:
    """Read the form of ``call``; its part ``file`` goes straight through ``begin`` into the store, as it arrives.

    ``form`` is an empty one that is filled on the way, so that ``begin`` may look at the fields before the file.
    Leaving the block without completing the upload takes it away again. ``Invalid`` for a second file part.
    """
    form = form or Form()
    async with AsyncExitStack() as stack:
        async for part in form_parts(call):
            if part.name != FILE_PART or not part.is_file:
                form.fields[part.name] = await part.text()
            elif form.incoming is not None:
                raise Invalid(f"one file at a time: the form has several parts named {FILE_PART!r}")
            else:
                form.incoming = await stack.enter_async_context(begin(part))
                await form.incoming.accept(part.body)
        yield form


def declared_by_part(part: Part) -> Declared:
    """What the headers of a file part say of its bytes."""
    return Declared(type=part.type or UNKNOWN, door=Door.FORM)


def declared_by_call(call: Call) -> Declared:
    """What the headers of a request say of its body."""
    return Declared(
        type=call.headers.get("content-type") or UNKNOWN, size=call.body.length, sha256=declared_sha256(call)
    )


def intent_of(declared: Declared, name: str, *, bucket: str | None = None, repeat: Repeat | None = None) -> Intent:
    """What a caller wants who sends these bytes as a new file."""
    return Intent(
        name=name,
        bucket=bucket,
        repeat=repeat,
        type=declared.type,
        size=declared.size,
        sha256=declared.sha256,
        door=declared.door,
    )
