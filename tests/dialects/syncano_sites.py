"""Servers for the scenarios of Syncano's contract, and how its clients call them."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests.acceptance.direct_sites import direct_site
from tests.acceptance.served import Answer, Client, Site

NONE: Mapping[str, str] = {}
BASE64 = "aGVsbG8="
HELLO = b"hello"
USER = ("user-upload-link", "user-read", "user-upload")
ADMIN = ("make-links", "admin-upload-link", "admin-upload", "create_bucket")
ENDPOINTS = (*USER, *ADMIN)
STRINGS = ("user-upload-link", "user-read")
"""Endpoints whose errors are all bare strings."""
WITH_FILE = ("user-upload", "admin-upload")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Socket:
    """The socket ``aws-storage`` of one instance, as its callers see it."""

    def __init__(self, site: Site, instance: str) -> None:
        self.site = site
        self.instance = instance
        self.bucket = f"{instance}-bucket"

    @property
    def ann(self) -> dict[str, str]:
        """The document's way of saying who is asking."""
        return {"_user_key": str(self.site.ann.key)}

    @property
    def bob(self) -> dict[str, str]:
        return {"_user_key": str(self.site.bob.key)}

    @property
    def admin(self) -> dict[str, str]:
        return {"x_api_key": str(self.site.admin.key)}

    def call(
        self,
        endpoint: str,
        body: Any = None,
        *,
        method: str = "POST",
        query: Mapping[str, Any] | list[tuple[str, str]] | None = None,
        prefix: str = "/aws-storage",
        slash: str = "/",
        headers: Mapping[str, str] = NONE,
    ) -> Answer:
        """Call an endpoint; a dictionary is sent as JSON."""
        asked = f"?{urlencode(query, doseq=True)}" if query else ""
        return self.site.nobody.call(method, f"{prefix}/{endpoint}{slash}{asked}", body, **headers)

    def as_ann(self, endpoint: str, **arguments: Any) -> Answer:
        return self.call(endpoint, {**self.ann, **arguments})

    def as_admin(self, endpoint: str, **arguments: Any) -> Answer:
        return self.call(endpoint, arguments, headers=self.admin)

    def form(self, endpoint: str, fields: Any, headers: Mapping[str, str] = NONE) -> Answer:
        return self.site.nobody.form("POST", f"/aws-storage/{endpoint}/", fields, **headers)

    def put(self, link: str, body: bytes = HELLO, headers: Mapping[str, str] = NONE) -> int:
        """PUT to a link as its holders do: the bytes and nothing else."""
        return int(self.site.nobody.pool.request("PUT", link, body=body, headers=dict(headers)).status)

    def get(self, link: str) -> bytes:
        """What a link leads to."""
        reply = self.site.nobody.pool.request("GET", link)
        assert reply.status == 200, (reply.status, reply.data)
        return bytes(reply.data)

    def link(self, name: str, body: bytes = HELLO) -> str:
        """Put a file of ann's there and return a link to it."""
        answer = self.form("user-upload", {**self.ann, "name": name, "file": ("x", body)})
        assert answer.status == 200, answer.body
        return str(answer.json["link"])

    def made(self, name: str) -> str:
        """What ``make-links`` gives an admin for a name."""
        return str(self.as_admin("make-links", fileNames=[name]).json["files"][name])

    def names(self, client: Client) -> set[tuple[str, str]]:
        """The files that a caller has, as the native API lists them: owner and name."""
        items = client.call("GET", "/v1/files?limit=1000").json["items"]
        return {(item["owner"], item["name"]) for item in items}

    def lives(self, life: timedelta, ask: Callable[[], str]) -> bool:
        """Whether the link that ``ask`` gets is valid for so long from then on; signatures count in whole seconds."""
        asked = datetime.now(UTC)
        link = ask()
        answered = datetime.now(UTC)
        return asked + life - timedelta(seconds=2) < self.end(link) <= answered + life

    def end(self, link: str) -> datetime:
        """Until when a link is valid."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        if "X-Amz-Expires" not in query:
            return self.site.kist.door.verify(link.rpartition("/")[2]).expires_at
        signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return signed + timedelta(seconds=int(query["X-Amz-Expires"]))


@contextlib.contextmanager
def socket_on(
    kind: str, home: Path, request: pytest.FixtureRequest, *, signing_key: bool = True, **more: str
) -> Iterator[Socket]:
    """A socket of a new instance, beside a second one, on a kind of store."""
    instance = f"i{uuid.uuid4().hex[:10]}"
    settings: dict[str, Any] = {
        "KIST_INSTANCES": f"{instance},{instance}b",
        "KIST_INSTANCE_DOMAINS": "syncano.space",
    } | more
    with direct_site(kind, home, request, signing_key=signing_key, in_all=True, **settings) as site:
        yield Socket(site, instance)


def ask(socket: Socket, endpoint: str, **arguments: Any) -> Answer:
    """Call an endpoint as whoever may."""
    return socket.as_ann(endpoint, **arguments) if endpoint in USER else socket.as_admin(endpoint, **arguments)


def said(endpoint: str, answer: Answer) -> str:
    """The message of an error, which must be in the shape of the endpoint and show nothing of the server."""
    shown = answer.json
    for inside in ("Traceback", 'File "', "/src/", "kist-data", "at Object"):
        assert inside not in answer.body.decode()
    if isinstance(shown, str):
        assert endpoint in (*STRINGS, "user-upload", "admin-upload", "admin-upload-link")
        return shown
    assert endpoint not in STRINGS or "detail" in shown, shown
    return str(shown.get("message") or shown["detail"])


@contextlib.contextmanager
def strict_socket(kind: str, home: Path, request: pytest.FixtureRequest) -> Iterator[Socket]:
    """A socket whose server takes files of 100,000 bytes, and no scripts."""
    limits = {"KIST_MAX_UPLOAD_SIZE": "100000", "KIST_TYPES": "text/plain,image/*,application/octet-stream"}
    with socket_on(kind, home, request, signing_key=True, **limits) as found:
        yield found
