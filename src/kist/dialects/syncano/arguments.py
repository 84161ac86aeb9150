"""What a call asks for: its query and its body taken together, as the platform did, and the keys told apart from it.

The query wins over the body, and the first of several values over the others. Whatever is not listed here is passed
over unread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from kist.errors import Invalid, WrongType
from kist.model.media import UNKNOWN
from kist.wire.base64 import body_cap
from kist.wire.call import Call
from kist.wire.decoding import FORM_URLENCODED, SMALL_BODY, is_json, read_urlencoded
from kist.wire.parts import FORM_DATA, MAX_FIELD, Part, form_parts

FILE = "file"
NAMES = "fileNames"
NAMES_AS_LIST = "fileNames[]"
USER_KEY = "_user_key"
ADMIN_KEY = "_api_key"
TEXTS = ("name", FILE, "bucketName", "bucket_name", "region", USER_KEY, ADMIN_KEY)
"""The arguments that are one text each."""
KEYS = (USER_KEY, ADMIN_KEY)
ALL = (*TEXTS, NAMES, NAMES_AS_LIST)

MOST_ODD = 128 << 10
"""Bytes of JSON that may be anything at all where a list of names belongs."""

AllOf = Callable[[str], Sequence[str]]
"""The values of a field, in their order."""


class Keys(msgspec.Struct, frozen=True):
    """The keys that stand among the arguments: of the user, of an admin. Never shown, not even in a trace."""

    user: str | None = None
    admin: str | None = None

    def __repr__(self) -> str:
        return "Keys(…)"


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """What a call asks for, without its keys.

    ``file`` is the content in base64. ``names`` is whatever was sent as ``fileNames``, None when nothing was.
    """

    name: str | None = None
    file: str | None = None
    bucket: str | None = None
    region: str | None = None
    names: object = None


@dataclass
class FilePart:
    """A file that came as a part of a form. ``size`` None: it is still on its way."""

    type: str
    body: AsyncIterator[bytes] | bytes
    size: int | None = None


@dataclass
class Sent:
    """All that a call brings: the arguments, the keys among them, and the file where it is a part of a form."""

    arguments: Arguments
    keys: Keys
    part: FilePart | None = field(default=None)


Enough = Callable[[Arguments, Keys], bool]
"""Whether a file can begin to go where it belongs, or more of its form has to be read first."""


async def read(call: Call) -> Sent:
    """What a call without a file brings."""
    if call.content_type != FORM_DATA:
        return _sent(call, await _fields(call, call.body.limit or SMALL_BODY))
    texts: dict[str, list[str]] = {}
    async for part in form_parts(call):
        await _take_text(call, part, texts, MAX_FIELD)
    return _sent(call, _of_texts(_all_of(texts)))


async def read_with_file(call: Call, limit: int, enough: Enough) -> Sent:
    """What a call with a file brings; base64 and forms that begin with their file are held, up to ``limit`` bytes.

    Where the fields before a file part are ``enough`` it is not read here but while it is stored.
    """
    if call.content_type != FORM_DATA:
        # In a url-encoded body some characters of base64 take three.
        return _sent(call, await _fields(call, body_cap(limit) * 9 // 8))
    texts: dict[str, list[str]] = {}
    kept: FilePart | None = None
    parts = form_parts(call, max_field=body_cap(limit))
    async for part in parts:
        if part.name != FILE or not part.is_file:
            await _take_text(call, part, texts, body_cap(limit))
            continue
        if kept is not None:
            raise one_file()
        sent = _sent(call, _of_texts(_all_of(texts)))
        if enough(sent.arguments, sent.keys):
            sent.part = FilePart(
                part.type or UNKNOWN, _to_the_end(parts, part, known={*texts, *call.query.names(), *KEYS})
            )
            return sent
        content = await _hold(call, part, limit)
        kept = FilePart(part.type or UNKNOWN, content, len(content))
    sent = _sent(call, _of_texts(_all_of(texts)))
    sent.part = kept
    return sent


async def _fields(call: Call, limit: int) -> Mapping[str, object]:
    if call.content_type == FORM_URLENCODED:
        return _of_texts((await read_urlencoded(call, limit=limit)).all)
    raw = await call.body.read(limit)
    if not raw:
        return {}
    if not is_json(call.content_type):
        raise WrongType(f"send arguments as JSON or as a form, not as {call.content_type[:100]}")
    return _of_json(raw)


def _sent(call: Call, body: Mapping[str, object]) -> Sent:
    both = {**body, **_of_texts(call.query.all)}

    def text(name: str) -> str | None:
        value = both.get(name)
        return value if isinstance(value, str) else None

    arguments = Arguments(
        name=text("name"),
        file=text(FILE),
        bucket=text("bucketName") or text("bucket_name"),
        region=text("region"),
        names=both.get(NAMES),
    )
    return Sent(arguments, Keys(text(USER_KEY), text(ADMIN_KEY)))


def _of_texts(all_of: AllOf) -> dict[str, object]:
    """The arguments among the fields of a query or a form."""
    found: dict[str, object] = {name: values[0] for name in TEXTS if (values := all_of(name))}
    plain, listed = all_of(NAMES), all_of(NAMES_AS_LIST)
    if plain or listed:
        # One name alone is sent as a text; by its brackets a list shows itself even then.
        found[NAMES] = plain[0] if len(plain) == 1 and not listed else [*plain, *listed]
    return found


class _Json(msgspec.Struct, rename={"names": NAMES, "user_key": USER_KEY, "api_key": ADMIN_KEY}):
    """The arguments in a JSON object. What else stands in it is passed over without making anything of it (T52)."""

    name: msgspec.Raw = msgspec.Raw()
    file: msgspec.Raw = msgspec.Raw()
    bucketName: msgspec.Raw = msgspec.Raw()
    bucket_name: msgspec.Raw = msgspec.Raw()
    region: msgspec.Raw = msgspec.Raw()
    user_key: msgspec.Raw = msgspec.Raw()
    api_key: msgspec.Raw = msgspec.Raw()
    names: msgspec.Raw = msgspec.Raw()


def _of_json(raw: bytes) -> dict[str, object]:
    sent = _decoded(raw, _Json, "the body")
    found: dict[str, object] = {}
    for attribute, name in zip(_Json.__struct_fields__, _Json.__struct_encode_fields__, strict=True):
        given: msgspec.Raw = getattr(sent, attribute)
        if bytes(given):
            found[name] = _json_value(name, given)
    return found


def _json_value(name: str, raw: msgspec.Raw) -> object:
    if name == NAMES:
        # Anything may be asked about, and the answer says what it is; but not megabytes of it.
        return _decoded(raw, object if len(bytes(raw)) <= MOST_ODD else list[str] | str, name)
    value = _decoded(raw, str | None, name)
    # No key at all where one belongs is a wrong one: a back end whose user is not signed in must not act as nobody.
    return "" if value is None and name in KEYS else value


def _decoded(raw: bytes | msgspec.Raw, kind: object, what: str) -> object:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"{what} is wrong: {str(error)[:200]}") from error
    except RecursionError as error:
        raise Invalid("the JSON in the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"the body is not valid JSON: {str(error)[:200]}") from error


def _all_of(texts: Mapping[str, list[str]]) -> AllOf:
    return lambda name: texts.get(name, [])


async def _take_text(call: Call, part: Part, texts: dict[str, list[str]], limit: int) -> None:
    """Read a field of a form, where it is an argument; the form passes over the others."""
    if part.name not in ALL:
        return
    text = await part.text(limit)
    if call.body.hold is not None:
        call.body.hold(len(text))
        call.body.held += len(text)
    texts.setdefault(part.name, []).append(text)


async def _hold(call: Call, part: Part, limit: int) -> bytes:
    """The bytes of a file that came before it was known where it belongs."""
    blocks: list[bytes] = []
    size = 0
    async for block in part.body:
        size += len(block)
        if size > limit:
            raise Invalid(f"send name, and keys, before a file of more than {limit} bytes", limit=limit)
        if call.body.hold is not None:
            call.body.hold(len(block))
            call.body.held += len(block)
        blocks.append(block)
    return b"".join(blocks)


async def _to_the_end(parts: AsyncIterator[Part], file: Part, known: set[str]) -> AsyncIterator[bytes]:
    """The bytes of ``file``, whole only when the form ends behind them and says nothing new of where they belong.

    Keys that come behind them are passed over: those that decide stand before.
    """
    async for block in file.body:
        yield block
    async for part in parts:
        if part.name == FILE:
            raise one_file()
        if part.name in TEXTS and part.name not in known:
            raise Invalid(f"send {part.name} before the file")


def one_file() -> Invalid:
    """For calls that bring several."""
    return Invalid("one file at a time: there are several named file")
