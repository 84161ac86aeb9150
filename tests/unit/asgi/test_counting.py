"""The host counts each request once, when it logs it, and knows at any moment what is under way."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.unit.asgi.toy import SIGNED_IN, Raw, ToyKist, served

from kist.metrics import Prometheus
from kist.system import SystemClock


def counted(kist: ToyKist) -> dict[str, float]:
    """Every sample by its line up to the value."""
    text = kist.measures.shown({}).body.decode()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in re.findall(r"^kist.+$", text, re.M)}


def requests(kist: ToyKist) -> dict[tuple[str, ...], float]:
    """Requests by dialect, method, route and status."""
    return {
        tuple(re.findall(r'"(.*?)"', line)): value
        for line, value in counted(kist).items()
        if line.startswith("kist_requests_total")
    }


def watched() -> ToyKist:
    return ToyKist(measures=Prometheus(SystemClock()))


def ask(url: str, method: str, path: str, body: bytes | None = None) -> int:
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
        connection.request(method, path, body, SIGNED_IN)
        with connection.getresponse() as answer, suppress(Exception):
            answer.read()
            return answer.status
        return answer.status


def soon(true: Callable[[], bool]) -> bool:
    """Whether it comes true within half a minute."""
    ends = time.monotonic() + 30
    while not true() and time.monotonic() < ends:
        time.sleep(0.01)
    return true()


def test_each_request_is_counted_at_its_route() -> None:
    with served(watched()) as (kist, url):
        for method, path, body in (
            ("GET", "/v1/things/one", None),
            ("GET", "/v1/things/two", None),
            ("HEAD", "/v1/things/two", None),
            ("POST", "/v1/files", b"12345"),
            ("GET", "/v1/fail/missing", None),
            ("GET", "/v1/fail/bug", None),
            ("GET", "/l/secret", None),
            ("GET", "/files/x", None),
        ):
            ask(url, method, path, body)
        assert soon(lambda: sum(requests(kist).values()) == 8), "it is counted after the answer"
        assert requests(kist) == {
            ("toy", "GET", "GET /v1/things/{id}", "2xx"): 2,
            ("toy", "HEAD", "GET /v1/things/{id}", "2xx"): 1,
            ("toy", "POST", "POST /v1/files", "2xx"): 1,
            ("toy", "GET", "GET /v1/fail/{kind}", "4xx"): 1,
            ("toy", "GET", "GET /v1/fail/{kind}", "5xx"): 1,
            ("toy", "GET", "GET /l/{token}", "2xx"): 1,
            ("other", "GET", "GET /files/{id}", "2xx"): 1,
        }
        assert counted(kist)["kist_received_bytes_total"] == 5


def test_what_is_at_no_route_is_counted_under_one_label() -> None:
    with served(watched()) as (kist, url):
        for path in ("/secret", "/v1/secret", "/%ff", "/v1/things/%ff", "/files/a/b/secret"):
            ask(url, "GET", path)
        ask(url, "PUT", "/v1/things")
        ask(url, "OPTIONS", "/v1/things")
        ask(url, "PROPFIND", "/v1/things")
        assert soon(lambda: sum(requests(kist).values()) == 8)
        assert {(labels[0], labels[2]) for labels in requests(kist)} == {("toy", "none"), ("other", "none")}
        assert requests(kist)["toy", "other", "none", "4xx"] == 1
        assert "secret" not in kist.measures.shown({}).body.decode().lower()


def test_what_is_under_way_is_known_and_ends_whatever_becomes_of_it() -> None:
    def under_way(kist: ToyKist) -> tuple[float, float]:
        found = counted(kist)
        return found["kist_requests_under_way"], found["kist_uploads_under_way"]

    with served(watched()) as (kist, url):
        with Raw(url) as raw:
            raw.say("POST /v1/files HTTP/1.1", "Host: x", "Authorization: Bearer ann", "Content-Length: 10", body=b"12")
            assert soon(lambda: under_way(kist) == (1, 1))
        assert soon(lambda: under_way(kist) == (0, 0)), "the sender left"
        ask(url, "GET", "/v1/stream?break=1")
        ask(url, "GET", "/v1/fail/bug")
        assert soon(lambda: under_way(kist) == (0, 0)), "what is counted last is counted after the answer"
        assert soon(lambda: sum(requests(kist).values()) == 3)
