"""The routes of the dialects for ``docs/reference/api.md``, from the data that they are served by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec
from msgspec import NODEFAULT
from scripts.reference_tables import first_words, status, table

from kist.dialects import crowdbotics, dabapps, filedrop, native, s3sync, syncano
from kist.wire.routes import BodyKind, Dialect, Needs, Route

_BODIES = {
    BodyKind.NONE: "none",
    BodyKind.SMALL: "a small one, at most 1 MiB",
    BodyKind.FILE: "a file, streamed",
}


def native_routes() -> str:
    """The native API's routes, one section each."""
    return _routes(native.DIALECT)


def filedrop_routes() -> str:
    """FILE DROP's routes, one section each."""
    return _routes(filedrop.DIALECT)


def crowdbotics_routes() -> str:
    """The routes of the Crowdbotics uploader, one section each."""
    return _routes(crowdbotics.DIALECT)


def dabapps_routes() -> str:
    """The routes of django-s3-file-upload, one section each."""
    return _routes(dabapps.DIALECT)


def s3sync_routes() -> str:
    """The routes of the S3 Synchronization API, one section each."""
    return _routes(s3sync.DIALECT)


def syncano_routes() -> str:
    """Syncano's endpoints, one section each: all are called by the same methods, at the same places."""
    endpoints = {route.name: route for route in syncano.DIALECT.routes}
    places = "\n".join(f"* `{prefix}/{{endpoint}}`" for prefix in syncano.PREFIXES)
    sections = [
        "\n".join(
            [
                f"### {route.path.rpartition('/')[2]}",
                "",
                f"{route.summary}.",
                "",
                f"* who: {_whose(route)}",
                *_facts(syncano.DIALECT, route)[1:],
            ]
        )
        for route in endpoints.values()
    ]
    return "\n\n".join([f"Methods: {', '.join(f'`{method}`' for method in syncano.METHODS)}.", places, *sections])


def _whose(route: Route) -> str:
    return "a user" if "/user-" in route.path else "admins"


def native_shapes() -> str:
    """The JSON objects that the dialects send and take, field by field."""
    shapes: dict[str, type[msgspec.Struct]] = {}
    dialects = (native, filedrop, crowdbotics, dabapps, syncano, s3sync)
    for dialect in (module.DIALECT for module in dialects):
        for route in dialect.routes:
            for kind in (route.accepts, *_structs(route.answers)):
                if kind is not None:
                    shapes.setdefault(kind.__name__, kind)
    found = list(shapes.values())
    while found:
        for field in _struct_info(found.pop()).fields:
            new = [inner for inner in _inner(field.type) if inner.__name__ not in shapes]
            shapes |= {inner.__name__: inner for inner in new}
            found += new
    return "\n\n".join(f"### {name}\n\n{first_words(kind)}\n\n{_fields(kind)}" for name, kind in sorted(shapes.items()))


def _routes(dialect: Dialect) -> str:
    return "\n\n".join(_section(dialect, route) for route in dialect.routes)


def _section(dialect: Dialect, route: Route) -> str:
    return "\n".join([f"### {route.method} {route.path}", "", f"{route.summary}.", "", *_facts(dialect, route)])


def _facts(dialect: Dialect, route: Route) -> list[str]:
    lines = []
    lines.append(
        f"* who: {route.needs}"
        + (", the gate then judges the file" if "{id}" in route.path and route.needs is not Needs.ADMIN else "")
    )
    if route.body is not BodyKind.NONE:
        taken = f": [{route.accepts.__name__}](#{route.accepts.__name__.lower()})" if route.accepts else ""
        kind = "JSON, with at most 10 MiB of content" if taken and route.body is BodyKind.FILE else _body(route)
        lines.append(f"* body: {kind}{taken}")
    lines.append(f"* answer: {route.status}{_answer(route)}")
    if route.errors:
        named = ", ".join(f"`{kind.code}` ({status(dialect, kind)})" for kind in route.errors)
        lines.append(f"* errors of its own: {named}")
    if route.query is not None:
        lines += ["", _fields(route.query, "parameter")]
    return lines


def _body(route: Route) -> str:
    return _BODIES[route.body] if route.cap is None else f"a small one, at most {route.cap >> 10} KiB"


def _answer(route: Route) -> str:
    if route.answers is bytes:
        return ", the bytes"
    if route.answers is None:
        return ", no body" if route.status == 204 else ""
    if route.answers is str:
        return ", a JSON string"
    names = [f"[{kind.__name__}](#{kind.__name__.lower()})" for kind in _structs(route.answers)]
    return (", a list of " if get_origin(route.answers) is list else ", ") + names[0]


def _structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for inner in get_args(kind):
        yield from _structs(inner)


def _inner(kind: msgspec.inspect.Type) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, msgspec.inspect.StructType):
        yield kind.cls
    if isinstance(kind, msgspec.inspect.VarTupleType):
        yield from _inner(kind.item_type)
    if isinstance(kind, msgspec.inspect.DictType):
        yield from _inner(kind.value_type)
    if isinstance(kind, msgspec.inspect.Metadata):
        yield from _inner(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        for one in kind.types:
            yield from _inner(one)


def _fields(kind: type[msgspec.Struct], word: str = "field") -> str:
    rows = [(f"`{f.encode_name}`", _type(f.type), _default(f), _said(f.type)) for f in _struct_info(kind).fields]
    return table((word, "type", "default", ""), rows)


def _struct_info(kind: type[msgspec.Struct]) -> msgspec.inspect.StructType:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    return info


def _default(field: msgspec.inspect.Field) -> str:
    if field.default is NODEFAULT:
        return "" if field.required else "`{}`"
    if field.default in (None, "", ()):
        return "none"
    return f"`{str(field.default).lower()}`" if isinstance(field.default, bool) else f"`{field.default}`"


def _said(kind: msgspec.inspect.Type) -> str:
    if isinstance(kind, msgspec.inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description", ""))
    if isinstance(kind, msgspec.inspect.UnionType):
        return next((said for one in kind.types if (said := _said(one))), "")
    return ""


def _type(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return _type(inner)
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(_type(one) for one in types)
        case msgspec.inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case msgspec.inspect.EnumType(cls=cls):
            return ", ".join(f"`{one.value}`" for one in cls)
        case msgspec.inspect.IntType(ge=low, le=high) if low is not None:
            return f"number, from {low}" if high is None else f"number, {low} to {high}"
        case msgspec.inspect.StructType(cls=cls):
            return f"[{cls.__name__}](#{cls.__name__.lower()})"
        case msgspec.inspect.VarTupleType(item_type=item):
            return f"list of {_type(item)}"
        case msgspec.inspect.DictType(value_type=value):
            return f"object of {_values(value)}"
    return _PLAIN[type(kind)]


def _values(kind: msgspec.inspect.Type) -> str:
    if isinstance(kind, msgspec.inspect.StructType):
        return _type(kind)
    return "objects" if isinstance(kind, msgspec.inspect.DictType) else "texts"


_PLAIN: dict[type, str] = {
    msgspec.inspect.StrType: "text",
    msgspec.inspect.IntType: "number",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.NoneType: "null",
    msgspec.inspect.DateTimeType: "time",
    msgspec.inspect.BoolType: "true or false",
}
