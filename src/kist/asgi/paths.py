"""Which endpoint answers at a path: a tree of segments, because a list of patterns is walked through for each request.

Starlette's own router tries one regular expression after another; with the trailing slash that every path accepts
there would be two for each route.
"""

from __future__ import annotations

from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from kist.errors import Invalid, Misconfigured

T = TypeVar("T")


class _Node(Generic[T]):
    __slots__ = ("any", "literals", "methods", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.any: _Node[T] | None = None
        self.rest: _Node[T] | None = None
        self.methods: dict[str, tuple[T, tuple[str, ...]]] = {}


class Paths(Generic[T]):
    """Things found by method and path. A literal segment goes before a parameter, a parameter before the rest."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, template: str, thing: T) -> None:
        """Put ``thing`` at a template such as ``/v1/files/{id}`` or ``/b/{name}/{key...}``.

        ``Misconfigured`` when the place is taken, as by two dialects that want the same address.
        """
        node, names = self._root, []
        for segment in template.strip("/").split("/"):
            if not segment.startswith("{"):
                node = node.literals.setdefault(segment, _Node())
            elif segment.endswith("...}"):
                names.append(segment[1:-4])
                node.rest = node = node.rest or _Node()
            else:
                names.append(segment[1:-1])
                node.any = node = node.any or _Node()
        if method in node.methods:
            raise Misconfigured(f"{method} {template} is claimed twice: leave one of the dialects out of KIST_DIALECTS")
        node.methods[method] = (thing, tuple(names))

    def find(self, raw_path: str) -> tuple[dict[str, tuple[T, tuple[str, ...]]], list[str]]:
        """What stands at a path (still percent-encoded), by method, and the values of its parameters, decoded once.

        Empty when there is nothing. ``Invalid`` when the path is not UTF-8.
        """
        segments = raw_path[1:].split("/")
        if "%" in raw_path:
            segments = [_decode(segment) for segment in segments]
        if len(segments) > 1 and segments[-2] and not segments[-1]:
            slashless = self._walk(self._root, segments[:-1], 0, [])
            if slashless is not None:
                return slashless
        return self._walk(self._root, segments, 0, []) or ({}, [])

    def _walk(
        self, node: _Node[T], segments: list[str], at: int, values: list[str]
    ) -> tuple[dict[str, tuple[T, tuple[str, ...]]], list[str]] | None:
        if at == len(segments):
            return (node.methods, values) if node.methods else None
        segment = segments[at]
        literal = node.literals.get(segment)
        if literal is not None:
            found = self._walk(literal, segments, at + 1, values)
            if found is not None:
                return found
        if node.any is not None and segment:
            found = self._walk(node.any, segments, at + 1, [*values, segment])
            if found is not None:
                return found
        if node.rest is not None:
            return node.rest.methods, [*values, "/".join(segments[at:])]
        return None


def _decode(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid("the path is not valid UTF-8 in percent-encoding") from error
