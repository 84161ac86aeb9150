"""What a caller sends, as typed structs. What is wrong is told field by field, in the words that clients know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.inspect import IntType, Type

from kist.errors import BadName, Invalid, NotAllowed
from kist.model.actor import Actor, check_actor_id

REQUIRED = "This field is required."
_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,18})(?:\.0*)?\s*", re.ASCII)

T = TypeVar("T", bound=msgspec.Struct)


def wrong_fields(wrong: dict[str, list[str]]) -> Invalid:
    """The error for fields that break a rule of form: sentences by the name of their field."""
    return Invalid("; ".join(f"{name}: {' '.join(said)}" for name, said in wrong.items()), fields=wrong)


def read_fields(values: Mapping[str, Any], kind: type[T]) -> T:
    """``values`` as ``kind``. Fields that it does not know are passed over. ``Invalid``, by field."""
    read: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        name = field.encode_name
        try:
            if name in values:
                read[name] = _value(values[name], field.type)
            elif field.required:
                raise ValueError(REQUIRED)
        except ValueError as error:
            wrong[name] = [str(error)]
    if wrong:
        raise wrong_fields(wrong)
    return kind(**read)


def acting(actor: Actor, named: str, field: str) -> Actor:
    """In whose name ``actor`` acts: their own, or as an admin that of the user whom ``field`` names.

    ``NotAllowed`` for another user's, ``Invalid`` for what can be no user's.
    """
    try:
        check_actor_id(named)
    except BadName as error:
        raise wrong_fields({field: [f'Invalid pk "{named[:200]}" - object does not exist.']}) from error
    if named != actor.id and not actor.is_admin:
        raise NotAllowed(f"{field} is not yours: send your own")
    in_their_name: Actor = msgspec.structs.replace(actor, id=named)
    return in_their_name


def _value(given: Any, kind: Type) -> Any:
    """One value as ``kind``, or ``ValueError`` with the sentence that says what is wrong."""
    meta = kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
    if given is None:
        raise ValueError("This field may not be null.")
    return _number(given, meta) if isinstance(meta, IntType) else _text(given, getattr(meta, "max_length", None))


def _text(given: Any, most: int | None) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise ValueError("Not a valid string.")
    text = str(given)
    if not text:
        raise ValueError("This field may not be blank.")
    if "\0" in text:
        raise ValueError("Null characters are not allowed.")
    if most is not None and len(text) > most:
        raise ValueError(f"Ensure this field has no more than {most} characters.")
    return text


def _number(given: Any, kind: IntType) -> int:
    found = None if isinstance(given, bool) else _INTEGER.fullmatch(str(given))
    if found is None:
        raise ValueError("A valid integer is required.")
    number = int(found[1])
    if kind.ge is not None and number < kind.ge:
        raise ValueError(f"Ensure this value is greater than or equal to {kind.ge}.")
    if kind.le is not None and number > kind.le:
        raise ValueError(f"Ensure this value is less than or equal to {kind.le}.")
    return number
