"""Forms made to hurt (T53): each is refused with one of our errors, quickly."""

from __future__ import annotations

import time

import pytest

from kist.errors import BadName, Incomplete, Invalid, KistError, TooLarge, WrongType
from kist.wire.body import Body, body_of
from kist.wire.call import Call, Headers
from kist.wire.parts import MAX_PARTS, form_parts

MB10 = 10 << 20
BLOCK = 64 << 10
CPU_SECONDS = 0.2

DISPOSITION = b'Content-Disposition: form-data; name="file"; filename="a.txt"'


def part(content: bytes = b"x", disposition: bytes = DISPOSITION, *more: bytes) -> bytes:
    return b"--b\r\n" + b"\r\n".join((disposition, *more)) + b"\r\n\r\n" + content + b"\r\n"


def named(value: bytes) -> bytes:
    return part(b"x", b"Content-Disposition: form-data; " + value) + b"--b--\r\n"


HOSTILE: dict[str, tuple[bytes, type[KistError]]] = {
    "preamble of 10 MiB": (b"\r\n" * (MB10 // 2) + part() + b"--b--", Invalid),
    "preamble of 10 MiB without line ends": (b"x" * MB10, Invalid),
    "epilogue of 10 MiB": (part() + b"--b--\r\n" + b"x" * MB10, Invalid),
    "epilogue of 10 MiB of boundaries": (part() + b"--b--\r\n" + b"\r\n--b--" * (MB10 // 7), Invalid),
    "epilogue of 2 KiB": (part() + b"--b--\r\n" + b"x" * 2048, Invalid),
    "100,000 parts": (part(b"") * 100_000 + b"--b--", Invalid),
    "one part too many": (part(b"", b'Content-Disposition: form-data; name="f"') * (MAX_PARTS + 1) + b"--b--", Invalid),
    "header of 1 MiB": (part(b"x", DISPOSITION, b"X-A: " + b"a" * (1 << 20)) + b"--b--", Invalid),
    "header of 1 MiB that never ends": (b"--b\r\nX-A: " + b"a" * MB10, Invalid),
    "nine headers": (part(b"x", DISPOSITION, *(b"X-%d: 1" % n for n in range(9))) + b"--b--", Invalid),
    "100,000 headers": (part(b"x", DISPOSITION, *(b"X: 1" for _ in range(100_000))), Invalid),
    "never closed": (part(b"x" * MB10), Invalid),
    "closed in the middle of the boundary": (part()[:-2] + b"\r\n--b-", Invalid),
    "no header": (b"--b\r\n\r\nx\r\n--b--", Invalid),
    "header without colon": (part(b"x", b"Content-Disposition") + b"--b--", Invalid),
    "boundary look-alikes": (part(b"\r\n--c" * (MB10 // 5))[:-2], Invalid),
    "a line that begins with the boundary": (part(b"\r\n--bb"), Invalid),
    "only carriage returns": (part(b"\r" * MB10)[:-2], Invalid),
    "filename* alone": (named(b"name=\"file\"; filename*=UTF-8''a.txt"), Invalid),
    "filename and filename*": (named(b'name="file"; filename="a"; filename*=UTF-8\'\'b'), Invalid),
    "two filename": (named(b'name="file"; filename="a"; filename="b"'), Invalid),
    "two filename in two cases": (named(b'name="file"; filename="a"; FileName="b"'), Invalid),
    "quote never closed": (named(b'name="file"; filename="' + b'a\\"' * 1300), Invalid),
    "two Content-Disposition": (part(b"x", DISPOSITION, DISPOSITION) + b"--b--", Invalid),
    "attachment instead of form-data": (part(b"x", b'Content-Disposition: attachment; name="f"') + b"--b--", Invalid),
    "base64 with 10 MiB of spaces": (part(b" " * MB10, DISPOSITION, b"Content-Transfer-Encoding: base64"), Invalid),
    "quoted-printable": (part(b"x", DISPOSITION, b"Content-Transfer-Encoding: quoted-printable"), Invalid),
    "length of the part is a lie": (part(b"x" * 50, DISPOSITION, b"Content-Length: 10") + b"--b--", Invalid),
    "file name that is not UTF-8": (named(b'name="file"; filename="\xff\xfe"'), BadName),
    "field of 10 MiB": (part(b"x" * MB10, b'Content-Disposition: form-data; name="f"') + b"--b--", TooLarge),
    "header in UTF-16": ("--b\r\nContent-Disposition: form-data\r\n\r\n".encode("utf-16"), Invalid),
    "empty": (b"", Invalid),
}

BOUNDARIES: dict[str, tuple[bytes, type[KistError]]] = {
    "no form": (b"application/json", WrongType),
    "mixed": (b"multipart/mixed; boundary=b", WrongType),
    "no boundary": (b"multipart/form-data", Invalid),
    "empty boundary": (b"multipart/form-data; boundary=", Invalid),
    "boundary of 71": (b"multipart/form-data; boundary=" + b"b" * 71, Invalid),
    "boundary of 10 KiB": (b"multipart/form-data; boundary=" + b"b" * 10240, Invalid),
    "two boundaries": (b"multipart/form-data; boundary=a; boundary=b", Invalid),
    "boundary with a quote in it": (b'multipart/form-data; boundary="a\\"b"', Invalid),
    "boundary that ends in a space": (b'multipart/form-data; boundary="a "', Invalid),
    "boundary beyond ASCII": (b'multipart/form-data; boundary="\xe9"', Invalid),
}


def form_call(raw: bytes, content_type: bytes = b"multipart/form-data; boundary=b") -> Call:
    blocks = [raw[at : at + BLOCK] for at in range(0, len(raw), BLOCK)]
    return Call(method="POST", path="/", headers=Headers([(b"content-type", content_type)]), body=body_of(*blocks))


async def read_all(call: Call) -> None:
    async for one in form_parts(call):
        async for _ in one.body:
            pass


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_forms_are_refused_quickly(name: str) -> None:
    raw, expected = HOSTILE[name]
    times: list[float] = []
    while len(times) < 5 and not (times and min(times) < CPU_SECONDS):  # garbage may be collected meanwhile
        call = form_call(raw)
        began = time.process_time()
        with pytest.raises(expected):
            await read_all(call)
        times.append(time.process_time() - began)
    assert min(times) < CPU_SECONDS


@pytest.mark.parametrize("name", BOUNDARIES)
async def test_boundaries_that_cannot_be_used(name: str) -> None:
    content_type, expected = BOUNDARIES[name]
    with pytest.raises(expected):
        await read_all(form_call(part() + b"--b--", content_type))


async def test_a_long_preamble_is_refused_after_its_first_kilobytes() -> None:
    call = form_call(b"x" * MB10)
    with pytest.raises(Invalid):
        await read_all(call)
    assert call.body.received <= BLOCK


async def test_an_epilogue_is_measured_wherever_the_last_boundary_is_cut() -> None:
    whole = part(b"content") + b"--b--"
    for cut in range(len(whole) - 12, len(whole) + 1):
        call = form_call(b"")
        call.body = body_of(whole[:cut], whole[cut:] + b"x" * 600, b"x" * 600)
        with pytest.raises(Invalid, match="follow"):
            await read_all(call)


async def test_a_file_part_that_nobody_wants_is_not_passed_over_for_ever() -> None:
    call = form_call(part(b"x" * MB10) + b"--b--")
    with pytest.raises(Invalid, match="not expected"):
        [one async for one in form_parts(call)]
    assert call.body.received < 2 << 20


async def test_a_sender_who_leaves_in_the_middle_shows_in_the_part() -> None:
    async def pull() -> bytes:
        raise Incomplete("left")

    body = body_of(part(b"x" * 100)[:-2])
    first = await body.__anext__()
    waiting: list[bytes] = [first]

    async def then_left() -> bytes:
        return waiting.pop() if waiting else await pull()

    call = form_call(b"")
    call.body = Body(then_left, 500)
    parts = form_parts(call)
    one = await anext(parts)
    with pytest.raises(Incomplete):
        [block async for block in one.body]


async def test_small_things_around_are_fine() -> None:
    raw = b"hello\r\n" + part(b"content") + b"--b--\r\nbye\r\n"
    found = [(one.name, one.filename, one.is_file, await one.text()) async for one in form_parts(form_call(raw))]
    assert found == [("file", "a.txt", True, "content")]


async def test_names_as_clients_send_them() -> None:
    raw = (
        part(b"", 'Content-Disposition: form-data; name="file"; filename="日本 %22x%22.txt"'.encode())
        + part(b"", b'Content-Disposition: form-data; name="file"; filename="a\\"b.txt"')
        + part(b"", b"content-disposition: form-data; name=file; filename=plain.txt", b"Content-Type: Text/CSV; a=b")
        + b"--b--"
    )
    found = [(one.filename, one.type) async for one in form_parts(form_call(raw))]
    assert found == [('日本 "x".txt', None), ('a"b.txt', None), ("plain.txt", "text/csv")]


async def test_text_knows_its_limits() -> None:
    field = b'Content-Disposition: form-data; name="f"'
    one = await anext(form_parts(form_call(part(b"x" * 11, field) + b"--b--")))
    with pytest.raises(TooLarge):
        await one.text(10)
    one = await anext(form_parts(form_call(part(b"\xff", field) + b"--b--")))
    with pytest.raises(Invalid):
        await one.text()


async def test_encodings_that_change_nothing_are_fine() -> None:
    one = await anext(form_parts(form_call(part(b"a\r\n", DISPOSITION, b"Content-Transfer-Encoding: 8bit") + b"--b--")))
    assert await one.text() == "a\r\n"


async def test_a_part_is_read_once() -> None:
    parts = form_parts(form_call(part(b"first") + part(b"second") + b"--b--"))
    first = await anext(parts)
    second = await anext(parts)
    assert [block async for block in first.body] == []
    assert b"".join([block async for block in second.body]) == b"second"
    assert [block async for block in second.body] == []


async def test_a_reader_may_take_larger_fields() -> None:
    body = part(b"x" * 100_000, b'Content-Disposition: form-data; name="f"') + b"--b--\r\n"
    for most, fits in ((100_000, True), (99_999, False)):
        call = Call(
            method="POST",
            path="/",
            headers=Headers([(b"content-type", b"multipart/form-data; boundary=b")]),
            body=body_of(body),
        )
        read = [await each.text(most) async for each in form_parts(call, max_field=most)] if fits else None
        if fits:
            assert read == ["x" * 100_000]
            continue
        with pytest.raises(TooLarge):
            _ = [await each.text(1 << 20) async for each in form_parts(call, max_field=most)]
