"""S3's XML, both ways. What a server sends is hostile until parsed: no document types, so no entities to expand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from kist.errors import StoreRefused

LIMIT = 10 * 1024 * 1024
"""An answer that is read whole may have this many bytes."""

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

Element = tuple[str, Any]
"""A name, and a text or further elements."""


class _Builder(ElementTree.TreeBuilder):
    def doctype(self, *_: str | None) -> None:
        raise StoreRefused("the object store sent XML with a document type: this is no S3 server")


class Node:
    """An element of an answer. Namespaces are left out: servers differ in them."""

    __slots__ = ("_element", "_texts")

    def __init__(self, element: ElementTree.Element) -> None:
        self._element = element
        self._texts: dict[str, str] | None = None

    @property
    def name(self) -> str:
        return _local(self._element)

    def all(self, name: str) -> Iterator[Node]:
        """The children called ``name``."""
        return (Node(child) for child in self._element if _local(child) == name)

    def find(self, name: str) -> str | None:
        """The text of the first child called ``name``, None when there is none."""
        if self._texts is None:  # all of them at once: most elements are asked for several
            self._texts = {}
            for child in self._element:
                self._texts.setdefault(_local(child), child.text or "")
        return self._texts.get(name)

    def text(self, name: str) -> str:
        """The text of the child called ``name``; ``StoreRefused`` when the server left it out."""
        found = self.find(name)
        if found is None:
            raise StoreRefused(f"the object store left {name} out of its answer: it does not speak S3 as documented")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(child.value for child in self.all(name))

    @property
    def value(self) -> str:
        return self._element.text or ""

    def size(self, name: str = "Size") -> int:
        """A number that cannot be negative."""
        text = self.text(name)
        if not (text.isascii() and text.isdigit()):
            raise StoreRefused(f"the object store sent a {name} that is no number")
        return int(text)

    def time(self, name: str) -> datetime:
        try:
            return datetime.fromisoformat(self.text(name)).astimezone(UTC)
        except ValueError as error:
            raise StoreRefused(f"the object store sent a {name} that is no time") from error


def parse(body: bytes) -> Node:
    """The root of an answer; ``StoreRefused`` when it is no well-formed XML without a document type."""
    # The tree builder above refuses document types, without which there is nothing to expand and nothing to fetch.
    parser = ElementTree.XMLParser(target=_Builder())  # noqa: S314
    try:
        parser.feed(body)
        return Node(parser.close())
    except ElementTree.ParseError as error:
        raise StoreRefused("the object store sent an answer that is no XML: this is no S3 server") from error


def parse_root(body: bytes, name: str) -> Node:
    """``parse``, and the root must be called ``name``."""
    root = parse(body)
    if root.name != name:
        raise StoreRefused(f"the object store answered {root.name[:40]} where {name} was due")
    return root


def is_last(root: Node, following: str) -> bool:
    """Whether this page of a list is the last. ``following``: where the answer says that the next one begins.

    What says neither yes nor no is no end: whoever asked would take what lies behind it for absent. ``StoreRefused``.
    """
    truncated = root.find("IsTruncated")
    said = "" if truncated is None else truncated.lower()
    if said == "true" and following:
        return False
    if said == "false" or (truncated is None and not following):
        return True
    raise StoreRefused("the object store's list does not say whether there is more")


def key_decoder(root: Node) -> Callable[[str], str]:
    """How keys in an answer are to be read: servers may ignore that they were asked to encode them."""
    return _decoded if root.find("EncodingType") == "url" else str


def _decoded(key: str) -> str:
    return unquote_plus(key) if "%" in key or "+" in key else key  # most are plain


def build(name: str, content: Iterable[Element]) -> bytes:
    """A request body: elements are pairs of a name and a text or further elements."""
    inner = "".join(_write(element) for element in content)
    return f'<{name} xmlns="{_NAMESPACE}">{inner}</{name}>'.encode()


def _write(element: Element) -> str:
    name, content = element
    inner = escape(content) if isinstance(content, str) else "".join(_write(child) for child in content)
    return f"<{name}>{inner}</{name}>"


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
