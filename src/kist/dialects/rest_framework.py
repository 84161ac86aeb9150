"""Bodies as Django REST framework reads them, and what it says of those that it cannot."""

from __future__ import annotations

from typing import Any

from kist.errors import Invalid, WrongType
from kist.wire.call import Call, Query
from kist.wire.decoding import FORM_URLENCODED, decode_json, is_json, read_urlencoded
from kist.wire.parts import FORM_DATA, form_parts

MOST_SHOWN = 100
"""Characters of what the caller sent that are repeated to them."""


async def sent_fields(call: Call) -> dict[str, Any]:
    """The fields of a small body: JSON, or a form of either kind. No body has none; of a field that is sent twice the
    last counts. ``Invalid``, ``WrongType``.
    """
    if call.body.length == 0:
        return {}
    if call.content_type == FORM_URLENCODED:
        return last_values(await read_urlencoded(call))
    if call.content_type == FORM_DATA:
        return {part.name: await part.text() async for part in form_parts(call) if not part.is_file}
    if not is_json(call.content_type):
        raise WrongType(f'Unsupported media type "{call.content_type[:MOST_SHOWN]}" in request.')
    return _fields_of(await call.body.read(call.body.limit or 0))


def last_values(query: Query) -> dict[str, Any]:
    """The fields of a query, the last of those that have one name."""
    return {name: query.all(name)[-1] for name in query.names()}


def _fields_of(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        document: Any = decode_json(raw, object)
    except Invalid as error:
        raise Invalid(f"JSON parse error - {error.message}") from error
    if not isinstance(document, dict):
        found = f"Invalid data. Expected a dictionary, but got {type(document).__name__}."
        raise Invalid(found, fields={"non_field_errors": [found]})
    return document
