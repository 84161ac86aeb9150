"""Ranges against the plainest truth there is: slicing bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kist.errors import BadRange
from kist.model.content import Span
from kist.wire.ranges import parse, still_current

sizes = st.integers(0, 40)
positions = st.integers(0, 60)


def cut(content: bytes, span: Span | None) -> bytes:
    return content if span is None else content[span.start : span.stop]


@given(sizes, positions, positions)
def test_first_to_last_is_a_slice(size: int, first: int, last: int) -> None:
    content = bytes(range(size))
    if last < first:
        assert parse(f"bytes={first}-{last}", size) is None
    elif first >= size:
        with pytest.raises(BadRange) as caught:
            parse(f"bytes={first}-{last}", size)
        assert caught.value.about["size"] == size
    else:
        assert cut(content, parse(f"bytes={first}-{last}", size)) == content[first : last + 1]


@given(sizes, positions)
def test_open_end_is_a_slice(size: int, first: int) -> None:
    content = bytes(range(size))
    if first >= size:
        with pytest.raises(BadRange):
            parse(f"bytes={first}-", size)
    else:
        assert cut(content, parse(f"bytes={first}-", size)) == content[first:]


@given(sizes, positions)
def test_suffix_is_a_slice(size: int, length: int) -> None:
    content = bytes(range(size))
    if length == 0 or size == 0:
        with pytest.raises(BadRange):
            parse(f"bytes=-{length}", size)
    else:
        assert cut(content, parse(f"bytes=-{length}", size)) == content[-length:]


@given(st.integers(1, 1000), st.data())
def test_consecutive_ranges_join_to_the_whole(size: int, data: st.DataObject) -> None:
    content = bytes(i % 251 for i in range(size))
    step = data.draw(st.integers(1, size))
    joined = b"".join(cut(content, parse(f"bytes={at}-{at + step - 1}", size)) for at in range(0, size, step))
    assert joined == content


@given(st.text(max_size=60), sizes)
def test_any_text_is_a_span_inside_or_the_whole_or_a_bad_range(header: str, size: int) -> None:
    try:
        span = parse(header, size)
    except BadRange:
        return
    assert span is None or span.stop <= size


@pytest.mark.parametrize(
    "header",
    [
        None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "items=0-1", "bytes=0-1,3-4", "bytes=0-0,",
        "bytes=--1", "bytes=+1-2", "bytes=1 2-3", "bytes=" + "9" * 21 + "-", "bytes=٣-", "bytes=0-1, bytes=2-3",
    ],
)  # fmt: skip
def test_what_is_no_single_range_means_the_whole(header: str | None) -> None:
    assert parse(header, 10) is None


def test_ten_thousand_ranges_are_no_work() -> None:
    assert parse("bytes=" + "0-," * 10_000, 10) is None


def test_if_range_takes_strong_tags_only() -> None:
    assert still_current(None, "a")
    assert still_current('"a"', "a")
    assert not still_current('W/"a"', "a")
    assert not still_current('"b"', "a")
    assert not still_current("Fri, 20 Nov 2026 11:20:44 GMT", "a")
