"""Log lines are lines, whatever names they hold, and hold no secrets (T80)."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.asgi.toy import Raw, served

from kist.asgi.logs import JsonLines, log_to

EVIL = 'a\n{"level":"INFO","message":"admin login"}\r\x1b[31m\x7f\x9b\u2028\U000e0001é'


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    saved = {name: logging.getLogger(name).handlers[:] for name in ("kist", "uvicorn", "asyncio")}
    stream = io.StringIO()
    log_to(stream)
    yield stream
    for name, handlers in saved.items():
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = handlers, True
        logger.setLevel(logging.NOTSET)
    logging.getLogger("kist.access").handlers.clear()


def requests(stream: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line["request"] for line in found if "request" in line]


def test_one_line_for_each_request(lines: io.StringIO) -> None:
    with served() as (_, url), Raw(url) as raw:
        raw.say(
            "POST /v1/files?secret=1 HTTP/1.1", "Host: k", "Authorization: Bearer ann", "Content-Length: 3", body=b"abc"
        )
        raw.answer()
        raw.say("GET /l/verysecret HTTP/1.1", "Host: k")
        raw.answer()
        raw.say("GET /v1/%0a%1b HTTP/1.1", "Host: k")
        raw.answer()
    first, second, third = requests(lines)
    assert first.pop("ms") >= 0
    assert first == {
        "address": "127.0.0.1", "method": "POST", "path": "/v1/files", "status": 201, "received": 3, "sent": 14,
        "dialect": "toy", "route": "POST /v1/files", "actor": "ann",
    }  # fmt: skip
    assert second["path"] == "/l/{token}"
    assert (third["path"], third["status"]) == ("/v1/%0a%1b", 404)
    assert "secret" not in lines.getvalue()
    assert "Bearer" not in lines.getvalue()


def test_a_token_at_a_mistyped_address_is_not_logged(lines: io.StringIO) -> None:
    token = "verysecret" + "x" * 33
    paths = (f"//l/{token}", f"/l/{token}/x", f"/L/{token}", f"/l/{token}%ff", f"/x/../l/{token}")
    with served() as (_, url):
        for path in paths:
            with Raw(url) as raw:
                raw.say(f"GET {path} HTTP/1.1", "Host: k")
                raw.answer()
    assert "verysecret" not in lines.getvalue()
    assert [request["path"] for request in requests(lines)][:2] == ["//l/{…}", "/l/{…}/x"]


def test_a_cut_off_answer_says_so(lines: io.StringIO) -> None:
    with served() as (_, url), Raw(url) as raw:
        raw.say("GET /v1/stream?break=1 HTTP/1.1", "Host: k", "Authorization: Bearer ann")
        raw.rest()
    assert requests(lines)[0]["cut"] is True


def record(message: str, **more: Any) -> logging.LogRecord:
    return logging.LogRecord("kist", logging.ERROR, "f", 1, message, None, **more)


def test_whatever_is_logged_is_one_printable_line() -> None:
    line = JsonLines().format(record(EVIL, exc_info=None))
    assert line.isprintable()
    assert json.loads(line)["message"] == EVIL


def test_what_the_event_loop_says_is_json_too(lines: io.StringIO) -> None:
    logging.getLogger("asyncio").error("Fatal error on transport\nprotocol: x")
    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["message"] == "Fatal error on transport\nprotocol: x"


def test_lines_are_not_longer_than_8_kib() -> None:
    try:
        raise ValueError("é" * 20_000)
    except ValueError as error:
        line = JsonLines().format(record("x" * 20_000, exc_info=(ValueError, error, error.__traceback__)))
    assert len(line) <= 8192
    assert json.loads(line)["trace"].endswith("é")
