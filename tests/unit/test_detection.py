"""What the first bytes show: the types that may be shown inline, and above all those that must never be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kist.detection import detect

ZEROS = b"\0" * 60


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n" + ZEROS, "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + ZEROS, "image/jpeg"),
        (b"GIF89a" + ZEROS, "image/gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + ZEROS, "image/webp"),
        (b"\0\0\0\x1cftypavif" + ZEROS, "image/avif"),
        (b"\0\0\0\x18ftypmp42" + ZEROS, "video/mp4"),
        (b"\x1aE\xdf\xa3" + ZEROS, "video/webm"),
        (b"ID3\x03\0\0\0\0\0\x0f" + ZEROS, "audio/mpeg"),
        (b"OggS\0\x02" + ZEROS, "application/ogg"),
        (b"RIFF\x24\0\0\0WAVEfmt " + ZEROS, "audio/wave"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"PK\x03\x04" + ZEROS, "application/zip"),
        (b"hello", "text/plain"),
        ("gr\u00fc\u00dfe \u65e5".encode()[:-1], "text/plain"),
        (b"BMW is no bitmap", "text/plain"),
        (b"", None),
        (bytes(range(256)), None),
        (b"\x1b[31mred", None),
    ],
)
def test_types_are_recognised(head: bytes, expected: str | None) -> None:
    assert detect(head) == expected


@pytest.mark.parametrize(
    "head",
    [
        b"<!DOCTYPE html><script>1</script>",
        b"<html><body>",
        b"  \n\t<script>alert(1)</script>",
        b"\xef\xbb\xbf<svg onload=alert(1)>",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        b'<?xml version="1.0"?><svg/>',
        b"<anything",
    ],
)
def test_markup_is_never_plain_text(head: bytes) -> None:
    assert detect(head) not in (None, "text/plain")


@given(st.binary(max_size=5000))
def test_it_never_fails_and_answers_a_media_type(head: bytes) -> None:
    found = detect(head)
    assert found is None or "/" in found


@given(st.text(min_size=1, max_size=500))
def test_text_beginning_like_markup_is_never_plain(text: str) -> None:
    assert detect(("<" + text).encode("utf-8", "surrogatepass")) != "text/plain"
