"""Rules of the model, for whatever is thrown at them."""

from __future__ import annotations

import contextlib
import unicodedata
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kist.errors import BadName, BadRange, Invalid, WrongState
from kist.model.actor import check_actor_id
from kist.model.changes import FILE_MOVES, UPLOAD_MOVES, Swap
from kist.model.content import Span
from kist.model.file import File, FileState
from kist.model.media import clean_type, contradicts
from kist.model.names import clean_name, fold
from kist.model.place import Place, check_bucket
from kist.model.query import Cursor, FileQuery, Sort
from kist.model.upload import UploadState

TROUBLE = st.text(alphabet=st.sampled_from("a./\\\0\r\n\x7f\x85\u202e\u2066\ud800e\u0301\u00e9 ~%:"), max_size=20)
HOSTILE = st.text(max_size=300) | TROUBLE


@given(HOSTILE)
def test_a_name_that_is_taken_is_safe_and_stays_as_it_is(raw: str) -> None:
    with contextlib.suppress(BadName):
        name = clean_name(raw)
        assert clean_name(name) == name == unicodedata.normalize("NFC", name)
        assert 1 <= len(name) <= 255
        assert len(name.encode()) <= 1024
        assert not {"", ".", ".."} & set(name.split("/"))
        assert not any(unicodedata.category(c) in ("Cc", "Cs") or c in "\\\u202e\u2066" for c in name)


@pytest.mark.parametrize(
    "name", ["a", "a/b", ".hidden", "...", "\u05e9\u05dc\u05d5\u05dd", "\u65e5\u672c.txt", "a" * 255, "a b"]
)
def test_ordinary_names_are_taken(name: str) -> None:
    assert clean_name(name) == name


def test_both_normal_forms_are_one_name() -> None:
    assert clean_name("e\u0301") == clean_name("\u00e9") == "\u00e9"


@given(HOSTILE)
def test_a_place_never_leads_out_of_its_bucket(key: str) -> None:
    with contextlib.suppress(BadName):
        place = Place("bucket", key)
        assert not place.key.startswith("/")
        assert not {"", ".", ".."} & set(place.key.split("/"))
        assert "\0" not in place.key
        assert "\\" not in place.key


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b", "a\nb", "a\\b", "a" * 1025, "\ud800"]
)
def test_keys_that_could_escape_are_refused(key: str) -> None:
    with pytest.raises(BadName):
        Place("bucket", key)


@pytest.mark.parametrize(
    "name", ["", "ab", "A-b", "a/b", "..", "a.b", "-ab", "ab-", "a" * 64, "x?acl", "%2f", "192.168.0.1", "abc\n"]
)
def test_bucket_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(BadName):
        check_bucket(name)


@given(HOSTILE)
def test_an_actor_id_holds_nothing_that_could_be_a_path_or_a_header(raw: str) -> None:
    with contextlib.suppress(BadName):
        assert check_actor_id(raw).isascii()
        assert not set(raw) & set("/\\ \r\n\0:")


@given(st.text())
def test_folding_is_stable_and_ignores_normal_form(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@given(st.integers(-5, 20), st.integers(-5, 20), st.integers(0, 20))
def test_a_span_is_never_empty_and_knows_where_it_fits(start: int, stop: int, size: int) -> None:
    try:
        span = Span(start, stop)
    except BadRange:
        assert start < 0 or stop <= start
        return
    assert span.length > 0
    if stop <= size:
        assert span.within(size) is span
    else:
        with pytest.raises(BadRange):
            span.within(size)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, "application/octet-stream"),
        (" ", "application/octet-stream"),
        ("Image/PNG", "image/png"),
        ("text/plain; charset=x", "text/plain"),
    ],
)
def test_declared_types_are_tidied(raw: str, expected: str | None) -> None:
    assert clean_type(raw) == expected


@pytest.mark.parametrize("raw", ["png", "a/b/c", "text/html\r\nX: y", "/", "\u0131mage/png", "a/" + "b" * 200])
def test_what_is_no_media_type_is_refused(raw: str) -> None:
    with pytest.raises(Invalid):
        clean_type(raw)


def test_what_contradicts_what() -> None:
    assert contradicts("image/png", "application/pdf")
    assert not contradicts("image/png", None)
    assert not contradicts("application/octet-stream", "image/png")
    assert not contradicts("text/csv", "text/plain")


def a_file(**more: object) -> File:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    base = {"id": "1", "name": "n", "owner": "o", "bucket": "b", "key": "k", "created_at": now, "updated_at": now}
    return File(**(base | {"state": FileState.READY} | more))  # type: ignore[arg-type]


@given(st.sampled_from(FileState), st.sampled_from(FileState))
def test_only_allowed_moves_can_be_written_down(before: FileState, after: FileState) -> None:
    first, second = a_file(state=before), a_file(state=after)
    if (before, after) in FILE_MOVES:
        assert Swap(first, second)
    else:
        with pytest.raises(WrongState):
            Swap(first, second)


def test_a_swap_keeps_its_row() -> None:
    with pytest.raises(WrongState):
        Swap(a_file(), a_file(id="2"))


def test_an_ended_upload_can_only_be_started_over() -> None:
    ended = {UploadState.DONE, UploadState.REFUSED, UploadState.ABORTED, UploadState.EXPIRED}
    assert {move for move in UPLOAD_MOVES if move[0] in ended} == {(state, UploadState.OPEN) for state in ended}
    assert FileState.REMOVED not in {before for before, _ in FILE_MOVES}


def test_queries_that_make_no_sense_are_refused() -> None:
    bad: dict[str, Any]
    for bad in ({"limit": 0}, {"limit": 1001}, {"after": Cursor("text", "id"), "sort": Sort.SIZE}):
        with pytest.raises(Invalid):
            FileQuery(**bad)


def test_nobody_sees_anything_by_default() -> None:
    assert FileQuery().visible_to == ""


def test_rows_survive_being_written_down() -> None:
    file = a_file(metadata={"a": "b"})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(file), type=File) == file
