"""Whatever a file is called, its name makes one safe header and comes back from it."""

from __future__ import annotations

from email.message import Message
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kist.wire.disposition import content_disposition, inline_type

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


def parsed(header: str) -> dict[str, str]:
    """The parameters as the standard library reads them; the extended form wins, as in browsers."""
    message = Message()
    message["content-disposition"] = header
    found: dict[str, str] = {}
    params = cast("list[tuple[str, str | tuple[str, str, str]]]", message.get_params(header="content-disposition"))
    for key, value in params:
        if isinstance(value, tuple):
            found[key] = value[2].encode("latin-1").decode(value[0] or "ascii")
        else:
            found.setdefault(key, value)
    return found


@given(names)
@example('a"b')
@example("a\r\nX: 1")
@example("日本.txt")
@example("a;filename=b.exe")
@example("é" * 255)
@example("\\")
@example("%41.txt")
@example("a%0d%0ab")
@example("'; rm")
def test_every_name_comes_back_from_one_line_of_ascii(name: str) -> None:
    header = content_disposition("attachment", name)
    assert header.isascii()
    assert header.isprintable()
    assert header.startswith('attachment; filename="')
    assert parsed(header)["filename"] == name


@given(st.text(max_size=40))
def test_lone_surrogates_do_no_harm(name: str) -> None:
    assert content_disposition("inline", name).isascii()


@given(names)
def test_the_fallback_holds_nothing_that_ends_it(name: str) -> None:
    fallback = content_disposition("attachment", name).split('"')[1]
    assert not set(fallback) & set('"\\%')


@pytest.mark.parametrize(
    ("detected", "shown_as"),
    [
        ("image/png", "image/png"),
        ("audio/x-wav", "audio/wav"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html", None),
        ("image/svg+xml", None),
        ("application/xml", None),
        ("application/pdf", None),
        ("text/javascript", None),
        ("multipart/related", None),
        (None, None),
    ],
)
def test_only_harmless_types_are_shown_in_place(detected: str | None, shown_as: str | None) -> None:
    assert inline_type(detected) == shown_as
