"""How things are shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kist.cli.shown import columns, count_text, escaped, size_text


def test_names_of_any_script_are_shown_as_they_are() -> None:
    for name in ("photo.jpg", "фото.jpg", "写真.jpg", "é", "👩‍👧.png", "a b"):
        assert escaped(name) == name


def test_what_steers_terminals_is_spelled_out() -> None:
    assert escaped("a\x1b[31m\nb\x7f\u202egnp.exe\u2066\u200f\udcff") == (
        "a\\x1b[31m\\x0ab\\x7f\\u202egnp.exe\\u2066\\u200f\\udcff"
    )


@given(st.text(st.characters()))
def test_nothing_that_is_shown_can_begin_a_line_or_an_escape(text: str) -> None:
    shown = escaped(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)


def test_sizes() -> None:
    sizes = {
        0: "0 B",
        999: "999 B",
        1000: "1.0 kB",
        1449: "1.4 kB",
        9_960: "10 kB",
        999_999: "1.0 MB",
        5 * 10**9: "5.0 GB",
    }
    assert {size: size_text(size) for size in sizes} == sizes


def test_counts() -> None:
    assert [count_text(count, "file") for count in (0, 1, 2000)] == ["0 files", "1 file", "2,000 files"]


def test_columns() -> None:
    assert list(columns([("a", "1 B", "x"), ("bbb", "10 B", "long name")], right=frozenset({1}))) == [
        "a     1 B  x",
        "bbb  10 B  long name",
    ]
    assert list(columns([])) == []
