"""JSON bodies, queries and url-encoded forms into typed structs. Whatever is wrong becomes ``Invalid`` (T52, T54)."""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from typing import Any, NoReturn, TypeVar

import msgspec

from kist.errors import Invalid, WrongType
from kist.wire.call import Call, Query

SMALL_BODY = 1 << 20
"""What a body that is no file may weigh, unless its route says otherwise."""
FORM_URLENCODED = "application/x-www-form-urlencoded"

_SHORT = 128 << 10
"""``json`` says best what is wrong with a document, and makes little of one this short."""
_MAX_COLONS = 200_000
"""More than any document of ours has, in fields and in texts."""
_MAX_DIGITS = 19
_MAX_BITS = 63
_WHERE = re.compile(r" - at `\$\.?(.*)`$", re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

T = TypeVar("T")


async def decode_body(call: Call, kind: type[T], *, limit: int | None = None) -> T:
    """The JSON body of ``call`` as ``kind``. ``WrongType`` for another media type, ``TooLarge``, ``Invalid``."""
    if not is_json(call.content_type):
        raise WrongType(f"send this as application/json, not as {call.content_type}")
    return decode_json(await call.body.read(limit or call.body.limit or SMALL_BODY), kind)


def is_json(content_type: str) -> bool:
    """Whether a body of that media type is read as JSON. A body without a type is."""
    return content_type in ("", "application/json") or content_type.endswith("+json")


def decode_json(raw: bytes, kind: type[T]) -> T:
    """``raw`` as ``kind``, or ``Invalid`` with the path to what is wrong."""
    if not raw:
        raise Invalid("the body is empty: send JSON")
    if len(raw) > _SHORT:
        _check_shape(raw, kind)
    try:
        value = _decoder().decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Invalid("the body is not valid UTF-8") from error
    except RecursionError as error:
        raise Invalid("the JSON in the body is nested too deeply") from error
    except ValueError as error:
        raise Invalid(f"the body is not valid JSON: {error}") from error
    if _SURROGATE.search(raw):
        _refuse_lone_surrogates(value)
    return _convert(value, kind, "the field", strict=True)


def _check_shape(raw: bytes, kind: type[T]) -> None:
    """Refuse what is no ``kind`` at its first wrong byte, before ``json`` makes millions of objects out of it."""
    if raw.count(b":") > _MAX_COLONS:
        raise Invalid("the JSON in the body has too many fields")
    try:
        msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise Invalid(_sentence(str(error), "the field")) from error
    except RecursionError as error:
        raise Invalid("the JSON in the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"the body is not valid JSON: {error}") from error


def decode_query(query: Query, kind: type[T], what: str = "the query parameter") -> T:
    """A query as ``kind``: text becomes numbers and booleans where the type says so, lists take repeated fields."""
    lists = _list_fields(kind)  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name in query.names():
        texts = query.all(name)
        if name in lists:
            values[name] = texts
        elif len(texts) > 1:
            raise Invalid(f"{what} {name!r} is given {len(texts)} times: give it once")
        else:
            values[name] = texts[0]
    return _convert(values, kind, what, strict=False)


async def read_urlencoded(call: Call, *, limit: int | None = None) -> Query:
    """The fields of a url-encoded form body."""
    if call.content_type != FORM_URLENCODED:
        raise WrongType(f"send this as {FORM_URLENCODED}, not as {call.content_type or 'a body without a type'}")
    query = Query(await call.body.read(limit or call.body.limit or SMALL_BODY))
    query.names()  # reads it now, so that what is wrong shows here
    return query


def _convert(value: Any, kind: type[T], what: str, *, strict: bool) -> T:
    try:
        made = msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise Invalid(_sentence(str(error), what)) from error
    except RecursionError as error:
        raise Invalid("the JSON in the body is nested too deeply") from error
    if isinstance(made, msgspec.Struct):
        _refuse_huge_numbers(made, what)
    return made


def _refuse_huge_numbers(made: msgspec.Struct, what: str) -> None:
    # A query's digits become ints of any size; no column and no size of ours is that large.
    for name in made.__struct_fields__:
        value = getattr(made, name)
        if type(value) is int and value.bit_length() > _MAX_BITS:
            raise Invalid(f"{what} {name!r} is wrong: the number is too large")


def _sentence(message: str, what: str) -> str:
    found = _WHERE.search(message)
    if found is None or not found[1]:
        return message[:500] if found is None else message[: found.start()][:500]
    return f"{what} '{found[1][:100]}' is wrong: {message[: found.start()][:500]}"


@cache
def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_small_int)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Invalid(f"the field {twice[:100]!r} is given twice: give it once")
    return fields


def _no_constant(text: str) -> NoReturn:
    raise Invalid(f"{text} is no JSON number")


def _small_int(text: str) -> int:
    if len(text) > _MAX_DIGITS + 1:
        raise Invalid(f"a number in the JSON has more than {_MAX_DIGITS} digits")
    return int(text)


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Invalid("the JSON in the body holds half a character (a lone surrogate)") from error


@lru_cache(maxsize=256)
def _list_fields(kind: type[Any]) -> frozenset[str]:
    """The names of those fields that take several values."""
    return frozenset(
        field.encode_name
        for field in msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]
        if _takes_several(field.type)
    )


def _takes_several(kind: msgspec.inspect.Type) -> bool:
    several = (msgspec.inspect.CollectionType, msgspec.inspect.VarTupleType)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(isinstance(one, several) for one in kind.types)
    return isinstance(kind, several)
