"""The description of a dialect (OpenAPI 3.1), made from its routes and the types that they decode by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from kist.errors import Invalid, KistError, Missing, NotAllowed, NotSignedIn, TooLarge, TooMany
from kist.wire.problems import PROBLEM_JSON
from kist.wire.routes import BodyKind, Dialect, Needs, Route
from kist.wire.statuses import TITLES, status_of

Schema = dict[str, Any]

_PARAMETER = re.compile(r"\{(\w+)(?:\.\.\.)?\}")
_REF = "#/components/schemas/{name}"
_BYTES: Schema = {"type": "string", "format": "binary"}
_PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong (RFC 9457). Further members are facts about it.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable: branch on this"},
        "detail": {"type": "string", "description": "what happened and what to do"},
    },
}


def describe(dialect: Dialect, base_url: str) -> dict[str, Any]:
    """The OpenAPI document of ``dialect``, served at ``base_url``."""
    types = list(dict.fromkeys(_types(dialect)))
    made, components = msgspec.json.schema_components(types, ref_template=_REF)
    schemas = dict(zip(types, made, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in dialect.routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Kist, {dialect.name} API", "version": _version()},
        "servers": [{"url": base_url or "/"}],
        "security": [{"key": []}, {"password": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _PROBLEM},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "a key of Kist, or a JWT where configured"},
                "password": {"type": "http", "scheme": "basic", "description": "any user name, the key as password"},
            },
        },
    }


def _types(dialect: Dialect) -> Iterator[Any]:
    for route in dialect.routes:
        for kind in (route.query, route.accepts, route.answers):
            if kind is not None and kind is not bytes:
                yield kind


def _operation(route: Route, schemas: dict[Any, Schema], components: dict[str, Schema]) -> Schema:
    operation: Schema = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas, components)],
        "responses": {str(route.status): _answer(route, schemas), **_failures(route)},
    }
    if route.needs is Needs.NOTHING:
        operation["security"] = []
    if route.needs is Needs.ADMIN:
        operation["description"] = "For admins."
    if route.body is not BodyKind.NONE:
        operation["requestBody"] = {"required": route.body is BodyKind.SMALL, "content": _bodies(route, schemas)}
    return operation


def _path_parameters(route: Route) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route, schemas: dict[Any, Schema], components: dict[str, Schema]) -> list[Schema]:
    if route.query is None:
        return []
    schema = schemas[route.query]
    schema = components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            **({"description": kind["description"]} if "description" in kind else {}),
            "schema": {key: value for key, value in kind.items() if key != "description"},
        }
        for name, kind in schema.get("properties", {}).items()
    ]


def _bodies(route: Route, schemas: dict[Any, Schema]) -> Schema:
    if route.accepts is not None:
        return {"application/json": {"schema": schemas[route.accepts]}}
    if route.body is BodyKind.SMALL:
        return {media: {"schema": {"type": "string"}} for media in route.accepts_types or ("*/*",)}
    form = {"type": "object", "properties": {"file": _BYTES}, "required": ["file"]}
    return {"multipart/form-data": {"schema": form}, "*/*": {"schema": _BYTES}}


def _answer(route: Route, schemas: dict[Any, Schema]) -> Schema:
    answer: Schema = {"description": HTTPStatus(route.status).phrase}
    if route.answers is bytes:
        answer["content"] = {"*/*": {"schema": _BYTES}}
    elif route.answers is not None:
        answer["content"] = {"application/json": {"schema": schemas[route.answers]}}
    return answer


def _failures(route: Route) -> Schema:
    by_status: dict[int, list[str]] = {}
    for error in (*_usual_errors(route), *route.errors):
        by_status.setdefault(status_of(error), []).append(error.code)
    content = {PROBLEM_JSON: {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {
        str(status): {"description": f"{TITLES[status]}: {', '.join(dict.fromkeys(codes))}", "content": content}
        for status, codes in sorted(by_status.items())
    }


def _usual_errors(route: Route) -> Iterator[type[KistError]]:
    if route.needs is not Needs.NOTHING:
        yield NotSignedIn
        yield TooMany
    if route.needs is Needs.ADMIN:
        yield NotAllowed
    if "{" in route.path:
        yield Missing
    if route.query is not None or route.body is not BodyKind.NONE:
        yield Invalid
    if route.body is not BodyKind.NONE:
        yield TooLarge


def _version() -> str:
    try:
        return version("kist")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"
