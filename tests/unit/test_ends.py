"""The ends of syncs as text: read, written, and whether they overlap."""

from __future__ import annotations

import pytest

from kist.errors import BadName, EndpointRefused, Invalid
from kist.model.ends import BucketEnd, FolderEnd, ForeignEnd, overlap, read_end


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("/srv//photos/./2026/", "/srv/photos/2026"),
        ("bucket", "bucket"),
        ("bucket/a//", "bucket/a"),
        ("s3+https://S3.Example.com:443/bucket", "s3+https://s3.example.com/bucket"),
        ("s3+http://127.0.0.1:9000/bucket/a/b/", "s3+http://127.0.0.1:9000/bucket/a/b"),
        ("s3+https://[::1]:9000/bucket/é", "s3+https://[::1]:9000/bucket/é"),
    ],
)
def test_each_end_has_one_spelling(text: str, written: str) -> None:
    end = read_end(text)
    assert str(end) == written
    assert read_end(written) == end


def test_which_kind_of_end_is_meant() -> None:
    assert isinstance(read_end("/srv"), FolderEnd)
    assert isinstance(read_end("bucket/a"), BucketEnd)
    end = read_end("s3+https://s3.example.com/bucket/a")
    assert isinstance(end, ForeignEnd)
    assert (end.root, end.bucket, end.prefix) == ("s3+https://s3.example.com", "bucket", "a/")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("./here", Invalid), ("~", Invalid), ("/a/../b", BadName), ("UPPER", BadName), ("bucket/.kist/x", BadName),
        ("s3+https://host/", BadName), ("s3+https://host", BadName), ("s3+https://host/bucket/.kist/objects", BadName),
        ("s3+https://host/bucket/a/../b", BadName), ("s3+https://user:secret@host/bucket", EndpointRefused),
        ("s3+https:///bucket", EndpointRefused), ("s3+https://host:0/bucket", EndpointRefused),
        ("s3+https://host:x/bucket", EndpointRefused), ("s3+ftp://host/bucket", BadName), ("s3://bucket/x", BadName),
        ("s3+https://host%00/bucket", EndpointRefused), ("s3+https://h\\@evil/bucket", EndpointRefused),
    ],
)  # fmt: skip
def test_what_is_no_end(text: str, kind: type[Invalid]) -> None:
    with pytest.raises(kind) as caught:
        read_end(text)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("one", "other", "so"),
    [
        ("s3+https://a/bucket", "s3+https://a:443/bucket/x", True),
        ("s3+https://a/bucket/x", "s3+https://a/bucket/xy", False),
        ("s3+https://a/bucket", "s3+https://b/bucket", False),
        ("s3+https://a/bucket", "s3+http://a:443/bucket", False),
        ("s3+https://a/bucket", "s3+https://a/other", False),
        ("s3+https://a/bucket", "bucket", False),
        ("bucket", "bucket/x", True),
        ("/srv/a", "/srv", True),
    ],
)
def test_whether_two_ends_overlap(one: str, other: str, so: bool) -> None:
    assert overlap(read_end(one), read_end(other)) is so
    assert overlap(read_end(other), read_end(one)) is so
