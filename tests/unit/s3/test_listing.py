"""Listings: read to their end or refused, whatever the server sends."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

import pytest
from tests.unit.s3.stub import Answer, Stub

from kist.errors import StoreRefused
from kist.model.place import Place
from kist.stores.s3 import S3Store
from kist.testing.ground import MIB

PLACE = Place("bucket", "key")
LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">{}]><ListBucketResult>&l9;</ListBucketResult>"""


def page(*keys: str, after: str = "", encoded: bool = True, size: str = "1", more: str = "") -> Answer:
    write = quote_plus if encoded else str
    contents = "".join(
        f"<Contents><Key>{write(key)}</Key><Size>{size}</Size><ETag>&quot;e&quot;</ETag>"
        "<LastModified>2026-01-01T12:00:00.000Z</LastModified></Contents>"
        for key in keys
    )
    if after:
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{after}</NextContinuationToken>"
    kind = "<EncodingType>url</EncodingType>" if encoded else ""
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    return Answer(body=f"<ListBucketResult {space}>{kind}{contents}{more}</ListBucketResult>".encode())


def listed(*answers: Answer | Exception, prefix: str = "", after: str = "") -> Any:
    stub = Stub(*answers)

    async def act(store: S3Store) -> Any:
        return [each.key async for each in store.list("bucket", prefix, after)]

    return stub.run(act), stub


def test_pages_follow_each_other() -> None:
    keys, stub = listed(page("a", "b c+d", after="t/1="), page("é"), prefix="", after="A")
    assert keys == ["a", "b c+d", "é"]
    assert stub.lines == [
        "GET /bucket?encoding-type=url&list-type=2&start-after=A",
        "GET /bucket?continuation-token=t%2F1%3D&encoding-type=url&list-type=2",
    ]


def test_keys_that_were_not_encoded_are_read_as_they_are() -> None:
    assert listed(page("a%41", "b+c", encoded=False))[0] == ["a%41", "b+c"]


def test_nothing() -> None:
    assert listed(page())[0] == []


TOKEN = "<NextContinuationToken>t</NextContinuationToken>"


@pytest.mark.parametrize("truncated", ["", "<IsTruncated>false</IsTruncated>", "<IsTruncated>False</IsTruncated>"])
def test_what_ends_a_list(truncated: str) -> None:
    assert listed(page("a", more=truncated))[0] == ["a"]


@pytest.mark.parametrize("word", ["true", "True", "TRUE"])
def test_what_goes_on(word: str) -> None:
    more = f"<IsTruncated>{word}</IsTruncated>{TOKEN}"
    assert listed(page("a", more=more), page("b"))[0] == ["a", "b"]


@pytest.mark.parametrize("word", ["1", "", "yes", "tru", None])
def test_what_says_neither_is_no_end(word: str | None) -> None:
    truncated = "" if word is None else f"<IsTruncated>{word}</IsTruncated>"
    with pytest.raises(StoreRefused):
        listed(page("a", more=f"{truncated}{TOKEN}"))


@pytest.mark.parametrize(
    "answers",
    [
        [page("b", "a")],
        [page("a", "a")],
        [page("b", after="t"), page("a")],
        [page("p/a", after="t"), page("p/b", after="t")],
        [page(after=f"t{number}") for number in range(101)],
        [page("p/a", size="-1")],
        [page("p/a", size="")],
        [Answer(body=b"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>")],
        [Answer(body=b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")],
        [Answer(body=b"<SomethingElse/>")],
        [Answer(body=b"no XML at all")],
        [Answer(body=b"")],
        [Answer(body=[b"<ListBucketResult>", *[b" " * MIB] * 11])],
    ],
    ids=range(13),
)
def test_a_server_that_cannot_be_trusted(answers: list[Answer]) -> None:
    with pytest.raises(StoreRefused):
        listed(*answers)


def test_keys_outside_the_prefix() -> None:
    with pytest.raises(StoreRefused, match="not asked for"):
        listed(page("other"), prefix="p/")


def test_keys_not_after_where_it_was_to_begin() -> None:
    with pytest.raises(StoreRefused, match="out of order"):
        listed(page("a"), after="a")


def test_billion_laughs() -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)).replace("&l0;", "&lol;")
    with pytest.raises(StoreRefused, match="document type"):
        listed(Answer(body=LAUGHS.format(entities).encode()))
    with pytest.raises(StoreRefused, match="document type"):
        listed(Answer(body=LAUGHS.format(entities).encode("utf-16")))


def test_an_external_entity() -> None:
    body = b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><ListBucketResult/>'
    with pytest.raises(StoreRefused, match="document type"):
        listed(Answer(body=body))


def test_very_deep_nesting() -> None:
    with pytest.raises(StoreRefused):
        listed(Answer(body=b"<a>" * 300_000))


def parts_page(*numbers: int, following: int | None = None) -> Answer:
    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>e</ETag><Size>1</Size></Part>" for n in numbers)
    more = f"<IsTruncated>true</IsTruncated><NextPartNumberMarker>{following}</NextPartNumberMarker>"
    return Answer(body=f"<ListPartsResult>{parts}{more if following is not None else ''}</ListPartsResult>".encode())


def parts(*answers: Answer) -> list[int]:
    async def act(store: S3Store) -> Any:
        return [part.number async for part in store.parts(PLACE, "u")]

    found: list[int] = Stub(*answers).run(act)
    return found


def test_parts_in_pages() -> None:
    assert parts(parts_page(1, 2, following=2), parts_page(7)) == [1, 2, 7]


@pytest.mark.parametrize(
    "answers",
    [
        [parts_page(2, 1)],
        [parts_page(1, following=1), parts_page(1)],
        [parts_page(following=0)],
        [parts_page(1, following=9)],
    ],
    ids=range(4),
)
def test_parts_that_cannot_be_trusted(answers: list[Answer]) -> None:
    with pytest.raises(StoreRefused):
        parts(*answers)


@pytest.mark.parametrize("word", ["1", "", "yes"])
def test_the_other_lists_have_to_say_whether_there_is_more_as_well(word: str) -> None:
    truncated = f"<IsTruncated>{word}</IsTruncated>"
    with pytest.raises(StoreRefused):
        parts(Answer(body=f"<ListPartsResult>{truncated}</ListPartsResult>".encode()))
    with pytest.raises(StoreRefused):
        uploads(Answer(body=f"<ListMultipartUploadsResult>{truncated}</ListMultipartUploadsResult>".encode()))


def uploads_page(*keys: str, following: tuple[str, str] | None = None) -> Answer:
    body = "".join(
        f"<Upload><Key>{key}</Key><UploadId>u-{key}</UploadId><Initiated>2026-01-01T12:00:00Z</Initiated></Upload>"
        for key in keys
    )
    if following is not None:
        marker = f"<NextKeyMarker>{following[0]}</NextKeyMarker><NextUploadIdMarker>{following[1]}</NextUploadIdMarker>"
        body += f"<IsTruncated>true</IsTruncated>{marker}"
    return Answer(body=f"<ListMultipartUploadsResult>{body}</ListMultipartUploadsResult>".encode())


def uploads(*answers: Answer) -> list[str]:
    async def act(store: S3Store) -> Any:
        return [each.parts_id async for each in store.open_parts("bucket", "k")]

    found: list[str] = Stub(*answers).run(act)
    return found


def test_open_uploads_in_pages() -> None:
    assert uploads(uploads_page("k1", "other", following=("k1", "u-k1")), uploads_page("k2")) == ["u-k1", "u-k2"]


@pytest.mark.parametrize("second", [("k2", "u"), ("k1", "z")])
def test_open_uploads_that_repeat_themselves(second: tuple[str, str]) -> None:
    with pytest.raises(StoreRefused, match="repeats"):
        uploads(uploads_page("k", following=("k2", "u")), uploads_page("k", following=second))
