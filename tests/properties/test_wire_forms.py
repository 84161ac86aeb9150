"""Forms of any parts, cut into blocks anywhere, come out as they were put together."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kist.errors import Incomplete, Invalid
from kist.wire.body import Body, body_of
from kist.wire.call import Call, Headers
from kist.wire.parts import form_parts

BOUNDARY_CHARACTERS = "abcXYZ019'()+_,-./:=?"

boundaries = st.text(BOUNDARY_CHARACTERS, min_size=1, max_size=70)
plain_names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters='"\\%'), max_size=20
)
contents = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"\r\n", b"\r", b"--", b"\r\n--", b"b", b"-"]), max_size=30).map(b"".join),
)
Piece = tuple[str, str | None, bytes]
pieces = st.lists(st.tuples(plain_names, st.none() | plain_names, contents), max_size=8)


def form_of(boundary: str, parts: list[Piece], end: bytes = b"--\r\n") -> bytes:
    lines = []
    for name, filename, content in parts:
        disposition = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
        lines.append(
            b"--%b\r\nContent-Disposition: %b\r\n\r\n%b\r\n" % (boundary.encode(), disposition.encode(), content)
        )
    return b"".join(lines) + b"--" + boundary.encode() + end


def call_with(boundary: str, body: Body) -> Call:
    return Call(
        method="POST",
        path="/",
        headers=Headers([(b"content-type", f'multipart/form-data; boundary="{boundary}"'.encode())]),
        body=body,
    )


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[start:stop] for start, stop in pairwise(edges)]


async def read(call: Call) -> list[Piece]:
    found = []
    async for part in form_parts(call):
        found.append((part.name, part.filename, b"".join([block async for block in part.body])))
    return found


def is_clean(boundary: str, parts: list[Piece]) -> bool:
    """Whether no content holds the boundary: such a form cannot be said."""
    mark = b"\r\n--" + boundary.encode()
    return not any(mark in b"\r\n" + content + b"\r\n-" for _, _, content in parts)


@given(boundaries, pieces, st.lists(st.integers(0, 5000), max_size=12))
def test_forms_come_out_as_they_were_made(boundary: str, parts: list[Piece], places: list[int]) -> None:
    if not is_clean(boundary, parts):
        return
    blocks = cut(form_of(boundary, parts), places)
    assert asyncio.run(read(call_with(boundary, body_of(*blocks)))) == parts


@given(boundaries, pieces, st.lists(st.integers(0, 5000), max_size=4), st.integers(1, 400))
def test_a_form_that_lacks_its_end_is_never_taken_for_whole(
    boundary: str, parts: list[Piece], places: list[int], missing: int
) -> None:
    raw = form_of(boundary, parts, end=b"--")
    raw = raw[: max(0, len(raw) - missing)]
    try:
        asyncio.run(read(call_with(boundary, body_of(*cut(raw, places)))))
    except (Invalid, Incomplete):
        return
    raise AssertionError("taken for whole")


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=4))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes, places: list[int]) -> None:
    try:
        asyncio.run(read(call_with("b", body_of(*cut(noise, places)))))
    except Invalid:
        return
    assert b"--b--" in noise


@given(pieces)
def test_parts_that_nobody_reads_are_passed_over(parts: list[Piece]) -> None:
    async def names() -> list[str]:
        return [part.name async for part in form_parts(call_with("XbX", body_of(form_of("XbX", parts))))]

    if is_clean("XbX", parts):
        assert asyncio.run(names()) == [name for name, _, _ in parts]
