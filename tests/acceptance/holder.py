"""Whoever holds a ticket: does to the store what a browser would do, or what an attacker would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from tests.acceptance.served import Answer, Client

Ticket = dict[str, Any]


@dataclass
class Holder:
    """Sends bytes by tickets, with no credential of its own."""

    pool: urllib3.PoolManager

    def request(self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request, to wherever the URL leads."""
        reply = self.pool.request(method, url, body=body, headers=dict(headers or {}), redirect=False)
        return Answer(reply.status, reply.headers, reply.data)

    def send(self, ticket: Ticket, data: bytes, **wrong: Any) -> Answer:
        """Do what the ticket says. ``wrong`` changes a field, a header, or (``after``) adds a field after the file."""
        match ticket["way"]:
            case "form":
                return self.form(ticket, data, **wrong)
            case "put":
                return self.put(ticket["url"], ticket["headers"], data, **wrong)
        answer = None
        size = ticket["part_size"]
        for part in ticket["parts"]:
            start = (part["number"] - 1) * size
            answer = self.put(part["url"], part["headers"], data[start : start + size], **wrong)
            if answer.status != 200:
                return answer
        assert answer is not None
        return answer

    def form(self, ticket: Ticket, data: bytes, *, after: Mapping[str, str] | None = None, **wrong: Any) -> Answer:
        """Post the form as a browser does: the fields in their order, then the file."""
        fields = {**ticket["fields"], **{name.replace("_", "-"): value for name, value in wrong.items()}}
        parts: list[Any] = [(name, value) for name, value in fields.items() if value is not None]
        parts.append(("file", ("as the user calls it.bin", data, "application/octet-stream")))
        parts += (after or {}).items()
        body, content_type = urllib3.encode_multipart_formdata(parts)
        return self.request("POST", ticket["url"], body, {"content-type": content_type})

    def put(self, url: str, headers: Mapping[str, str], data: bytes, **wrong: Any) -> Answer:
        """Put the bytes with just those headers."""
        sent = {name.lower(): value for name, value in headers.items() if name.lower() != "content-length"}
        sent |= {name.replace("_", "-"): value for name, value in wrong.items()}
        return self.request("PUT", url, data, {name: value for name, value in sent.items() if value is not None})


def begin(client: Client, size: int | None, way: str, **more: Any) -> Ticket:
    """A ticket, by the native API."""
    asked = {"name": "photo.png", "way": way, **({} if size is None else {"size": size}), **more}
    answer = client.call("POST", "/v1/uploads", asked)
    assert answer.status == 201, answer.body
    ticket: Ticket = answer.json
    return ticket


def complete(client: Client, ticket: Ticket) -> Answer:
    """Complete an upload."""
    return client.call("POST", f"/v1/uploads/{ticket['id']}/complete", b"")
