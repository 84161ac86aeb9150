"""Django and the server of Kist on the same tables and the same store, at the same time (the issue's item 4)."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from tests.acceptance.holder import Holder, begin, complete
from tests.acceptance.served import Answer, Client, Serve, Site, disk_settings
from tests.dialects.dabapps_holder import Uploader
from tests.django_host.served import postgres_tables, under_asgi, under_wsgi
from tests.servers.pauses import postgres_may_pause
from tests.servers.server import PostgresServer

Both = tuple[Client, Client]


@pytest.fixture(scope="module", params=["wsgi-sqlite", "asgi-sqlite", "wsgi-postgres"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both servers, on each kind of database."""
    under, rows = request.param.split("-")
    serve: Serve = under_wsgi if under == "wsgi" else under_asgi
    more = {"KIST_OPEN_UPLOADS": "1000"}
    home = tmp_path_factory.mktemp("home")
    if rows == "sqlite":
        with serve(disk_settings(home, **more)) as found:
            yield found
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    secret = "a secret of both kinds of servers alike"
    with (
        postgres_may_pause(),  # Django waits for it as well
        postgres_tables(server.url) as url,
        serve(disk_settings(home, KIST_DATABASE=url, KIST_SECRET=secret, **more)) as found,
    ):
        yield found


@pytest.fixture
def both(site: Site) -> Both:
    return site.ann, Client(site.twin, site.ann.key)


def at_once(*asks: Callable[[], Answer]) -> list[Answer]:
    """Ask all at the same moment."""
    start = threading.Barrier(len(asks))

    def one(ask: Callable[[], Answer]) -> Answer:
        start.wait(60)
        return ask()

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(one, asks))


def test_what_one_has_taken_the_other_gives_out(both: Both) -> None:
    for here, there in (both, both[::-1]):
        file = here.put("a.txt", b"data", "text/plain")
        assert there.content(file["id"]) == b"data"
        assert there.call("PATCH", f"/v1/files/{file['id']}", {"name": "b.txt"}).status == 200
        assert here.call("GET", f"/v1/files/{file['id']}").json["name"] == "b.txt"
        assert there.call("DELETE", f"/v1/files/{file['id']}").status == 204
        assert here.call("GET", f"/v1/files/{file['id']}").status == 404


def test_one_begins_and_the_other_completes(both: Both) -> None:
    for here, there in (both, both[::-1]):
        made = Uploader(here).create(filename="photo.png")
        assert Uploader(there).post(made, b"data").status == 204
        assert Uploader(there).complete(made).json == {"status": "COMPLETED"}
        assert Uploader(here).read(made).body == b"data"


@pytest.mark.parametrize("way", ["form", "put", "parts"])
def test_both_complete_one_upload(both: Both, way: str) -> None:
    for _ in range(5):
        ticket = begin(both[0], 4, way)
        assert Holder(both[0].pool).send(ticket, b"data").status in (200, 204)
        first, second = at_once(*(partial(complete, client, ticket) for client in both))
        assert (first.status, second.status) == (200, 200), (first.body, second.body)
        assert first.json == second.json
        assert both[1].content(first.json["id"]) == b"data"


def test_a_retried_upload_is_one_file_whoever_is_asked(both: Both) -> None:
    for here, there in (both, both[::-1]):
        sent: dict[str, Any] = {"idempotency_key": uuid.uuid4().hex, "content_type": "text/plain"}
        first = here.call("POST", "/v1/files?name=once.txt", b"data", **sent)
        second = there.call("POST", "/v1/files?name=once.txt", b"data", **sent)
        assert (first.status, second.status) == (201, 201)
        assert first.json == second.json
        other = there.call("POST", "/v1/files?name=other.txt", b"data", **sent)
        assert other.status == 422
        ticket, key = {"name": "t.bin", "size": 4, "way": "put"}, uuid.uuid4().hex
        begun = [client.call("POST", "/v1/uploads", dict(ticket), idempotency_key=key) for client in (here, there)]
        assert begun[0].json["id"] == begun[1].json["id"]


def test_a_retry_at_the_same_moment_is_one_file(both: Both) -> None:
    name = f"{uuid.uuid4().hex}.txt"
    sent: dict[str, Any] = {"idempotency_key": uuid.uuid4().hex, "content_type": "text/plain"}
    answers = at_once(
        *(lambda client=client: client.call("POST", f"/v1/files?name={name}", b"data", **sent) for client in both * 4)
    )
    assert {answer.status for answer in answers} <= {201, 409}
    assert 201 in {answer.status for answer in answers}
    assert len(both[0].call("GET", f"/v1/files?q={name}").json["items"]) == 1


def test_links_of_one_lead_to_files_at_the_other_and_each_use_is_counted(site: Site, both: Both) -> None:
    file = both[0].put("linked.txt", b"data", "text/plain")
    link = both[0].call("POST", "/v1/links", {"files": [file["id"]]}).json["links"][file["id"]]
    token = link["url"].rpartition("/")[2]
    for client in both:
        answer = Client(client.url).call("GET", f"/l/{token}")
        assert answer.status in (200, 302), answer.body
    before = site.run(site.kist._ports.catalogue.link(link["id"])).uses
    uses = 32
    at_once(*(lambda: Client(site.url).call("GET", f"/l/{token}") for _ in range(uses)))
    assert site.run(site.kist._ports.catalogue.link(link["id"])).uses == before + uses, "written down with the read"


def test_many_threads_at_once(site: Site) -> None:
    """A server of 16 threads, asked by 16: nothing is mixed up, and nothing fails."""
    names = [f"{number}-{uuid.uuid4().hex}" for number in range(16)]

    def round_trip(name: str) -> None:
        client = Client(site.url, site.ann.key if name[0] in "13579" else site.bob.key)
        for turn in range(5):
            data = f"{name} {turn}".encode() * 1000
            file = client.put(name, data)
            assert client.content(file["id"]) == data
            made = Uploader(client).upload(data, filename=name)
            assert Uploader(client).read(made).body == data
            assert client.call("DELETE", f"/v1/files/{file['id']}").status == 204

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(round_trip, names))
