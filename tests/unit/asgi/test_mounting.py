"""A Kist that is mounted in FastAPI or Starlette: how it starts, whom it believes, what its addresses begin with."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from tests.acceptance.served import disk_settings, memory_settings
from tests.unit.asgi.asking import ask

from kist import Actor, Intent, Kist, KistError, Role
from kist.app import Assembled, assemble
from kist.asgi import KistApp, life, show_problem
from kist.errors import FileMissing, Misconfigured, NotStarted, StoreRefused
from kist.settings import Settings

ANN = Actor("ann")


async def by_header(connection: HTTPConnection) -> Actor | None:
    """How this application knows its users."""
    name = connection.headers.get("x-user")
    return Actor(name) if name else None


def mounted(settings: Settings, path: str = "/files") -> tuple[KistApp, FastAPI]:
    files = KistApp(settings, actor=by_header)
    app = FastAPI(lifespan=files.lifespan)
    app.mount(path, files)
    return files, app


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """With which settings it was started."""
    found: list[Settings] = []

    async def counted(settings: Settings) -> Assembled:
        found.append(settings)
        await asyncio.sleep(0.05)
        return await assemble(settings)

    monkeypatch.setattr(life, "assemble", counted)
    return found


async def test_it_starts_once_with_the_first_requests(tmp_path: Path, starts: list[Settings]) -> None:
    _, app = mounted(memory_settings(tmp_path))
    answers = await asyncio.gather(*(ask(app, "GET", "/files/healthz") for _ in range(20)))
    assert [answer.status for answer in answers] == [200] * 20
    assert len(starts) == 1


async def test_whoever_leaves_meanwhile_stops_no_start(tmp_path: Path, starts: list[Settings]) -> None:
    _, app = mounted(memory_settings(tmp_path))
    first = asyncio.create_task(ask(app, "GET", "/files/healthz"))
    while not starts:  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0)
    first.cancel()
    assert (await ask(app, "GET", "/files/healthz")).status == 200
    assert len(starts) == 1


async def test_a_start_that_fails_is_told_and_tried_again(
    tmp_path: Path, starts: list[Settings], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "home").touch()
    _, app = mounted(disk_settings(tmp_path / "home"))
    answers = await asyncio.gather(*(ask(app, "GET", "/files/healthz") for _ in range(5)))
    assert len(starts) == 1
    for answer in answers:
        assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "not_started", "5")
        assert answer.headers["content-type"] == "application/problem+json"
        assert str(tmp_path) not in answer.body.decode()
    assert "KIST_HOME" in caplog.text
    (tmp_path / "home").unlink()
    assert (await ask(app, "GET", "/files/healthz")).status == 200
    assert len(starts) == 2


async def test_an_application_that_hands_over_its_lifespan_starts_with_it(
    tmp_path: Path, starts: list[Settings]
) -> None:
    files, app = mounted(memory_settings(tmp_path))
    async with app.router.lifespan_context(app):
        assert len(starts) == 1
        assert files.address == "http://127.0.0.1:8000/files"
        assert (await ask(app, "GET", "/files/healthz")).status == 200
    assert len(starts) == 1
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() in ("kist", "jobs", "chores")] == []


async def test_an_application_that_hands_over_its_lifespan_fails_with_it(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    _, app = mounted(disk_settings(tmp_path / "home"))
    with pytest.raises(Misconfigured, match="KIST_HOME"):
        async with app.router.lifespan_context(app):
            pass


def test_it_starts_again_in_another_event_loop(tmp_path: Path, starts: list[Settings]) -> None:
    """As under a test client that has a loop for each request: what the ended loop held was closed by its end."""
    _, app = mounted(disk_settings(tmp_path / "home"))

    async def put() -> int:
        return (await ask(app, "POST", "/files/v1/files?name=a", b"a", x_user="ann")).status

    async def count() -> int:
        return len((await ask(app, "GET", "/files/v1/files", x_user="ann")).json["items"])

    assert [asyncio.run(put()), asyncio.run(put()), asyncio.run(count())] == [201, 201, 2]
    assert len(starts) == 3


async def test_jobs_are_carried_out_beside(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_bytes(b"a")
    files, app = mounted(memory_settings(tmp_path / "home"))
    async with app.router.lifespan_context(app):
        root = Actor("root", Role.ADMIN)
        kist = await files.kist(HTTPConnection({"type": "http", "app": app, "root_path": ""}))
        job = await kist.jobs.start(root, str(folder), "kist/copy")
        async with asyncio.timeout(30):
            while not (await kist.jobs.get(root, job.id)).state.ended:  # noqa: ASYNC110 - a worker carries it out
                await asyncio.sleep(0.02)
        assert (await kist.jobs.get(root, job.id)).progress.files == 1


@pytest.mark.parametrize(
    ("public", "begins"),
    [(None, "http://127.0.0.1:8000/of/files"), ("https://app.example.com/up", "https://app.example.com/up")],
)
async def test_every_address_keeps_the_prefix(tmp_path: Path, public: str | None, begins: str) -> None:
    settings = replace(disk_settings(tmp_path / "home"), public_url=public)
    files = KistApp(settings, actor=by_header)
    app = Starlette()
    app.mount("/of/files", files)
    evil = {"x_user": "ann", "x_forwarded_host": "evil.example", "x_forwarded_prefix": "/evil"}
    made = await ask(app, "POST", "/of/files/v1/files?name=a", b"a", **evil)
    assert made.status == 201, made.body
    path = begins.partition("//")[2].partition("/")[2]
    assert made.headers["location"] == f"/{path}/v1/files/{made.json['id']}"
    wanted = json.dumps({"files": [made.json["id"]]}).encode()
    links = await ask(app, "POST", "/of/files/v1/links", wanted, content_type="application/json", **evil)
    assert links.json["links"][made.json["id"]]["url"].startswith(f"{begins}/l/")
    ticket = await ask(app, "POST", "/of/files/v1/uploads", b'{"name":"b"}', content_type="application/json", **evil)
    assert ticket.headers["location"] == f"/{path}/v1/uploads/{ticket.json['id']}"
    assert ticket.json["complete_url"] == f"{begins}/v1/uploads/{ticket.json['id']}/complete"
    assert ticket.json["url"].startswith(f"{begins}/door")
    described = await ask(app, "GET", "/of/files/openapi.json")
    assert described.json["servers"] == [{"url": begins}]
    assert f"<code>{begins}</code>" in (await ask(app, "GET", "/of/files/docs")).body.decode()
    assert files.address == begins


async def test_it_is_found_behind_a_proxy_that_takes_a_prefix_away(tmp_path: Path) -> None:
    files = KistApp(memory_settings(tmp_path))
    app = FastAPI()
    app.mount("/files", files)
    assert (await ask(app, "GET", "/files/healthz", root="/api")).status == 200
    assert (await ask(app, "GET", "/api/files/healthz", root="/api")).status == 200
    assert files.address == "http://127.0.0.1:8000/api/files"


async def test_where_the_mount_is_not_found_the_address_has_to_be_set(tmp_path: Path) -> None:
    files = KistApp(memory_settings(tmp_path))
    with pytest.raises(Misconfigured, match="KIST_PUBLIC_URL"):
        async with files.lifespan(FastAPI()):
            pass
    with pytest.raises(NotStarted):
        assert files.address
    inner, outer = Starlette(), Starlette()
    outer.mount("/app", inner)
    inner.mount("/files", files)
    async with files.lifespan(outer):
        assert files.address.endswith("/app/files")


async def test_no_caller_chooses_the_address_of_others(tmp_path: Path) -> None:
    """Where the path of the mount has parameters, what the first caller has put there is not for everybody."""
    files = KistApp(memory_settings(tmp_path))
    app = Starlette()
    app.mount("/{tenant}/files", files)
    answer = await ask(app, "GET", "/evil/files/healthz")
    assert (answer.status, answer.json["code"]) == (500, "misconfigured")
    assert "KIST_PUBLIC_URL" in answer.json["detail"]
    with pytest.raises(Misconfigured):
        async with files.lifespan(app):
            pass


async def test_it_stands_alone_as_well(tmp_path: Path) -> None:
    files = KistApp(memory_settings(tmp_path))
    told: list[str] = []
    events = asyncio.Queue[dict[str, str]]()

    async def send(message: Any) -> None:
        told.append(message["type"])

    await events.put({"type": "lifespan.startup"})
    await events.put({"type": "lifespan.shutdown"})
    await files({"type": "lifespan"}, events.get, send)
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert files.address == "http://127.0.0.1:8000"


async def test_users_of_the_application_are_known_at_the_mount(tmp_path: Path) -> None:
    _, app = mounted(memory_settings(tmp_path))
    assert (await ask(app, "GET", "/files/v1/me", x_user="ann")).json == {"id": "ann", "role": "user"}
    assert (await ask(app, "GET", "/files/v1/me")).status == 401
    # Its own tokens are no keys of Kist: who is recognised is not asked for one.
    assert (await ask(app, "GET", "/files/v1/me", x_user="ann", authorization="Bearer theirs")).status == 200
    assert (await ask(app, "GET", "/files/v1/me", authorization="Bearer theirs")).status == 401
    assert (await ask(app, "GET", "/files/v1/me", x_user="ann", kist_actor="bob")).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"origin": "https://evil.example"},
        {"host": "evil.example"},
        {"sec_fetch_site": "cross-site", "authorization": "Bearer anything"},
    ],
)
async def test_pages_of_others_use_no_session_of_the_application(tmp_path: Path, headers: dict[str, str]) -> None:
    _, app = mounted(memory_settings(tmp_path))
    answer = await ask(app, "POST", "/files/v1/files?name=a", b"a", x_user="ann", **headers)
    assert (answer.status, answer.json["code"]) == (403, "not_allowed")
    assert (await ask(app, "GET", "/files/v1/files", x_user="ann")).json["items"] == []


async def test_handlers_of_the_application_have_the_kist(tmp_path: Path) -> None:
    files, app = mounted(memory_settings(tmp_path))
    app.add_exception_handler(KistError, show_problem)

    @app.post("/notes")
    async def note(kist: Kist = Depends(files.kist)) -> str:
        async def body() -> Any:
            yield b"note"

        return (await kist.uploads.receive(ANN, Intent(name="note"), body())).id

    @app.get("/notes/{note}")
    async def read(note: str, kist: Kist = Depends(files.kist)) -> str:
        return (await kist.files.get(ANN, note)).name

    made = await ask(app, "POST", "/notes")
    assert files.address == "http://127.0.0.1:8000/files"
    assert (await ask(app, "GET", f"/notes/{made.json}")).json == "note"
    assert (await ask(app, "GET", f"/files/v1/files/{made.json}/content", x_user="ann")).body == b"note"
    gone = await ask(app, "GET", "/notes/1e0e8a8e-0000-4000-8000-000000000000")
    assert (gone.status, gone.json["code"]) == (404, FileMissing.code)


async def test_handlers_are_told_that_it_could_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(settings: Settings) -> Assembled:
        raise StoreRefused("wrong key")

    monkeypatch.setattr(life, "assemble", broken)
    files, app = mounted(memory_settings(tmp_path))
    with pytest.raises(NotStarted) as caught:
        await files.kist(HTTPConnection({"type": "http", "app": app}))
    assert isinstance(caught.value.__cause__, StoreRefused)
    assert "wrong key" in caplog.text


def test_callers_without_a_key_must_be_allowed(tmp_path: Path) -> None:
    """Nobody knows to whom the application around listens."""
    settings = memory_settings(tmp_path, KIST_ANONYMOUS="filedrop=guest")
    with pytest.raises(Misconfigured, match="KIST_ANONYMOUS_PUBLIC=1"):
        KistApp(settings)
    KistApp(replace(settings, anonymous_public=True))


def test_only_errors_of_kist_are_shown() -> None:
    with pytest.raises(ValueError, match="theirs"):
        show_problem(None, ValueError("theirs"))


async def test_a_websocket_is_turned_away(tmp_path: Path) -> None:
    files, told = KistApp(memory_settings(tmp_path)), []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        told.append(message["type"])

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    await files(scope, receive, send)
    assert told == ["websocket.close"]
