"""What the probe says of servers that hold to nothing, say yes to everything, or break off."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import md5
from typing import Any

import pytest
from tests.unit.s3.careless import Careless
from tests.unit.s3.stub import GONE, Answer, Stub, found, refused

from kist.drive import drive
from kist.errors import StoreRefused, StoreUnavailable
from kist.model.profile import HELD, NEEDED, Check
from kist.stores.s3.transport import Request

ORIGIN = "https://app.example"
TAKEN = "not enforced: 200"
INFORM = {Check.CLOCK, Check.PRIVATE_ACL, Check.CORS, Check.ETAG_EXPOSED, Check.CHECKSUM_SHA256, Check.SIGNED_MD5}


class SaysYes(Stub):
    """Answers everything with 200, and says of each object what its writer hopes for; keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._last = b""

    async def send(self, request: Request) -> Answer:
        if request.body:
            self._last = bytes(request.body)
        answer = found(0 if request.method == "GET" else len(self._last), md5(self._last).hexdigest())
        self.given.append(answer)
        return answer


def probe(stub: Stub, *origins: str, **settings: Any) -> dict[str, str]:
    """What is found, after which every answer is closed."""
    answers: dict[str, str] = drive(stub.store(**settings).probe("bucket", origins))
    assert all(answer.closed for answer in stub.given)
    assert list(answers) == [check.value for check in Check]
    return answers


def test_a_server_that_says_yes_to_everything_opens_no_way() -> None:
    found = probe(SaysYes())
    assert [check for needed in NEEDED.values() for check in needed if found[check] == HELD] == []


def test_a_server_that_holds_to_nothing() -> None:
    assert probe(careless := Careless(), ORIGIN) == {
        "wrong_signature": f"PUT: {TAKEN}",
        "other_key": f"PUT: {TAKEN}",
        "other_method": f"GET by a URL for PUT: {TAKEN}",
        "expired_url": f"PUT: {TAKEN}",
        "signed_length": f"longer: {TAKEN}",
        "signed_type": f"another type: {TAKEN}",
        "signed_md5": f"other bytes: {TAKEN}",
        "signed_acl": f"public-read: {TAKEN}",
        "put_copy_source": "200: copied another object",
        "put_acl": "200: made public",
        "put_works": HELD,
        "part_works": HELD,
        "part_length": f"longer: {TAKEN}",
        "part_copy_source": "200: copied another object",
        "form_works": HELD,
        "form_signature": "another signature: not enforced: 204",
        "form_size": "longer: not enforced: 204",
        "form_key": "another key: not enforced: 204",
        "form_type": "another type: not enforced: 204",
        "form_acl": "public-read: not enforced: 204",
        "form_extra_field": "x-amz-meta-e: not enforced: 204",
        "form_expired": "an expired form: not enforced: 204",
        "sealing": HELD,
        "private_acl": HELD,
        "checksum_sha256": f"other bytes: {TAKEN}",
        "cors": f"PUT from {ORIGIN}: 404 NoSuchKey",
        "etag_exposed": f"{ORIGIN} may not read the ETag",
        "clock": HELD,
    }
    assert (careless.objects, careless.parts) == ({}, {})


def test_a_server_that_cannot_be_reached() -> None:
    with pytest.raises(StoreUnavailable):
        probe(Careless(lambda request: GONE))


def test_a_server_that_breaks_off_once_is_asked_again() -> None:
    seen: set[str] = set()

    def once(request: Request) -> Exception | None:
        new = request.url not in seen
        seen.add(request.url)
        return GONE if new and "x-amz-copy-source" in request.headers else None

    assert probe(Careless(once))["put_copy_source"] == "200: copied another object"


@pytest.mark.parametrize("answer", [GONE, refused(500, "InternalError"), refused(429, "SlowDown")])
def test_a_question_that_breaks_fails_alone(answer: Any) -> None:
    whole, broken = probe(Careless(_refuses_copies)), probe(Careless(both(_refuses_copies, "x-copy-from", answer)))
    changed = {check for check in Check if whole[check] != broken[check]}
    assert changed == {Check.PUT_COPY_SOURCE, Check.PART_COPY_SOURCE}
    assert broken[Check.PUT_COPY_SOURCE].startswith(("no answer: ", "no clear answer: "))
    assert whole[Check.PUT_COPY_SOURCE] == HELD


def test_everything_breaks_off_after_the_greeting() -> None:
    careless = Careless(
        lambda request: GONE if "/.kist/in/" in request.url or b"/in/" in bytes(request.body or b"") else None
    )
    answers = probe(careless)
    assert answers["put_works"].startswith("no answer: ")
    assert answers["clock"] == HELD


def test_a_refusal_that_keeps_the_bytes_all_the_same() -> None:
    class Pretends(Careless):
        async def send(self, request: Request) -> Answer:
            answer = await super().send(request)
            if "/sha256?" in request.url and request.body == b"wrong":
                self.given[-1] = answer = refused(403, "AccessDenied")
            return answer

    assert probe(Pretends())["checksum_sha256"] == "refused, but kept all the same"


def test_a_server_without_forms() -> None:
    def refuse(request: Request) -> Answer | None:
        form = request.headers.get("content-type", "").startswith("multipart/")
        return refused(412, "PreconditionFailed") if form else None

    answers = probe(Careless(refuse))
    no = "no form is taken here (412 PreconditionFailed)"
    assert answers["form_works"] == no
    assert answers["form_key"] == f"not asked: {no}"
    assert answers["private_acl"] == HELD


def test_a_bucket_that_takes_no_other_acl_than_its_owners() -> None:
    def refuse(request: Request) -> Answer | None:
        private = request.headers.get("x-amz-acl") == "private" or b"\r\nprivate\r\n" in bytes(request.body or b"")
        return refused(400, "AccessControlListNotSupported") if private else None

    answers = probe(Careless(refuse))
    assert answers["private_acl"] == "private: 400 AccessControlListNotSupported"
    assert {answers[check] for check in (Check.PUT_WORKS, Check.PART_WORKS, Check.FORM_WORKS)} == {HELD}


def test_forms_that_take_no_other_acl_than_the_owners() -> None:
    def refuse(request: Request) -> Answer | None:
        return refused(403, "AccessDenied") if b"\r\nprivate\r\n" in bytes(request.body or b"") else None

    answers = probe(Careless(refuse))
    assert answers["private_acl"] == "forms: 403 AccessDenied, bucket-owner-full-control is taken"
    assert answers["form_works"] == HELD


def test_what_cannot_be_removed_is_said() -> None:
    answers = probe(Careless(lambda request: refused(403, "AccessDenied") if "?delete" in request.url else None))
    assert answers["put_works"].startswith("no answer: the object store refused POST")
    assert answers["part_works"].startswith("no answer: ")
    assert answers["sealing"] == HELD


def test_a_server_whose_objects_can_be_removed_only_later() -> None:
    deletions = []

    def refuse(request: Request) -> Answer | None:
        if "?delete" in request.url and bytes(request.body or b"").count(b"<Key>") > 2:
            deletions.append(request)
            return refused(403, "AccessDenied")
        return None

    answers = probe(Careless(refuse))
    assert len(deletions) == 1
    assert answers["put_works"].startswith("objects cannot be removed again: ")


def test_what_was_written_is_removed_also_on_errors() -> None:
    def breaks(request: Request) -> Answer | None:
        if request.method == "OPTIONS":
            raise ZeroDivisionError  # not one that a question may raise
        return None

    careless = Careless(breaks)
    with pytest.raises(ZeroDivisionError):
        probe(careless, ORIGIN)
    assert (careless.objects, careless.parts) == ({}, {})


def test_a_multipart_upload_whose_beginning_got_no_answer_is_dropped_too() -> None:
    class Loses(Careless):
        async def send(self, request: Request) -> Answer:
            answer = await super().send(request)
            if "?uploads" in request.url and request.method == "POST" and self._begun % 2:
                self.given.pop()
                raise GONE
            return answer

    loses = Loses()
    assert probe(loses)["part_works"] == HELD
    assert (loses._begun, loses.parts) == (6, {})


def test_a_main_key_that_may_not_write() -> None:
    def refuse(request: Request) -> Answer | None:
        return refused(403, "AccessDenied") if request.method == "PUT" and "/objects/" in request.url else None

    with pytest.raises(StoreRefused):
        probe(Careless(refuse))


def test_all_keys_lie_where_the_probe_may_write() -> None:
    careless = Careless()
    probe(careless)
    paths = {
        request.url.partition("?")[0].removeprefix("http://store/bucket").lstrip("/") for request in careless.asked
    }
    assert {path.partition("/probe-")[0] for path in paths} == {"", ".kist/in", ".kist/parts", ".kist/objects"}
    assert max(len(request.body or b"") for request in careless.asked) < 10_000


@pytest.mark.parametrize("date", [{}, {"date": "yesterday"}])
def test_a_server_that_does_not_tell_its_time(date: dict[str, str]) -> None:
    class Timeless(Careless):
        async def send(self, request: Request) -> Answer:
            answer = await super().send(request)
            answer.headers = {**{name: each for name, each in answer.headers.items() if name != "date"}, **date}
            return answer

    assert probe(Timeless())["clock"] == "the server does not tell its time"


def test_requests_go_to_the_public_endpoint_and_unsigned_by_headers() -> None:
    careless = Careless()
    probe(careless, public_endpoint="http://public")
    public = [request for request in careless.asked if request.url.startswith("http://public/")]
    assert len(public) > 25
    assert [request for request in public if "authorization" in request.headers] == []


def test_another_endpoint_bucket_or_key_needs_another_probe() -> None:
    def name(bucket: str = "bucket", **settings: Any) -> str:
        return Stub().store(**settings).profile_id(bucket)

    signing = {"signing_key": "S", "signing_secret": "s"}
    names = [name(), name("other-bucket"), name(public_endpoint="http://public"), name(**signing), name(style="host")]
    assert len(set(names)) == len(names)
    assert name() == name(secret="changed") == name(endpoint="http://inside", public_endpoint="http://store")
    assert {len(each) for each in names} == {32}


def again(answer: Any) -> Any:
    """An answer can be read once."""
    return answer if isinstance(answer, Exception) else Answer(answer.status, list(answer._blocks))


def both(first: Callable[[Request], Answer | None], header: str, answer: Any) -> Callable[[Request], Any]:
    """``first``, and ``answer`` for requests with ``header``."""
    return lambda request: again(answer) if header in request.headers else first(request)


def _refuses_copies(request: Request) -> Answer | None:
    smuggled = {"x-amz-copy-source", "x-copy-from"} & set(request.headers) and "authorization" not in request.headers
    return refused(403, "AccessDenied") if smuggled else None
