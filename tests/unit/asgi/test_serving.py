"""A server in a thread."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette

from kist.asgi.serving import in_thread
from kist.errors import Misconfigured


def test_a_start_that_fails_is_told_and_leaves_its_port_free() -> None:
    urls: list[str] = []

    def fail(url: str) -> Starlette:
        urls.append(url)
        raise Misconfigured("no")

    with pytest.raises(Misconfigured), in_thread(fail):
        pass
    (url,) = urls
    socket.create_server(("127.0.0.1", urlsplit(url).port or 0)).close()
