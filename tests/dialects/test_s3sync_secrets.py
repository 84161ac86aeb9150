"""The keys of syncs to other S3 servers: nowhere in the clear, and nowhere at all once the job has ended (T65, T66)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import Site, disk_settings
from tests.dialects.s3sync_elsewhere import Elsewhere
from tests.dialects.s3sync_site import STEP, eventually, folder, mirroring, new_bucket
from tests.servers.databases import ask, run
from tests.servers.server import S3Server
from tests.servers.users import restricted

SECRET = "a secret for tests of 32 and more characters"
ROUTES = ("/metrics", "/openapi.json", "/readyz", "/v1/syncs", "/runnings")


@pytest.fixture(params=["sqlite", "postgresql"])
def guarded(
    request: pytest.FixtureRequest, tmp_path: Path, rgw: S3Server, caplog: pytest.LogCaptureFixture
) -> Iterator[Elsewhere]:
    """A Kist that logs all it can, and a server whose keys nobody else uses."""
    caplog.set_level(logging.DEBUG)
    server = restricted(rgw, [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}])
    more = {"KIST_SYNC_ENDPOINTS": f"internal:{server.endpoint}", "KIST_SECRET": SECRET}
    if request.param == "postgresql":
        more["KIST_DATABASE"] = request.getfixturevalue("database")
    with mirroring(disk_settings(tmp_path, **more)) as mirror:
        yield Elsewhere(mirror, server)


def kept(site: Site) -> bytes:
    """All that lies on the disk, and in PostgreSQL where the rows are there."""
    home, database = site.settings.home, site.settings.database
    found = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    if database.startswith("postgresql:"):
        tables = run(
            ask(database, "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'")
        )
        for (table,) in tables:
            found += repr(run(ask(database, f'SELECT * FROM "{table}"'))).encode()
    return found


def told(elsewhere: Elsewhere, number: int) -> bytes:
    """All that the server answers of a job and beside it."""
    of_job = tuple(f"/v1/syncs/{number}{more}" for more in ("", "/plan", "/files"))
    answers = [elsewhere.mirror.admin.call("GET", path) for path in (*ROUTES, *of_job, f"/get?id={number}")]
    assert all(answer.status == 200 for answer in answers), answers
    return b"".join(answer.body for answer in answers)


def no_trace(elsewhere: Elsewhere, number: int, caplog: pytest.LogCaptureFixture) -> None:
    """Neither half of the key is logged, stored or answered."""
    said = "\n".join(str(vars(record)) for record in caplog.records if "botocore" not in record.name)
    for secret in (elsewhere.server.key, elsewhere.server.secret):
        assert secret not in said
        assert secret.encode() not in kept(elsewhere.mirror.site)
        assert secret.encode() not in told(elsewhere, number)


def test_keys_are_seen_nowhere(guarded: Elsewhere, caplog: pytest.LogCaptureFixture) -> None:
    source, dest = folder(guarded.mirror), new_bucket()
    with guarded.mirror.stepping() as go:
        number = guarded.sync(source=source, dest=dest, wait=STEP, background=True)["id"]
        go(1)
        eventually(lambda: guarded.job(number)["progress"]["files"])
        assert guarded.kept() == 1
        no_trace(guarded, number, caplog)
        guarded.mirror.ask("cancel", id=number)
        assert guarded.ended(number)["state"] == "cancelled"
        assert guarded.kept() == 0
        assert guarded.act(number, "resume", **guarded.keys).status == 202
        go(3)
        assert guarded.ended(number)["state"] == "succeeded"
    undone = guarded.act(number, "undo", **guarded.keys).json["number"]
    assert guarded.ended(undone)["state"] == "succeeded"
    wrong = guarded.with_keys(secret=f"{guarded.server.secret}x")
    failed = wrong.sync(source=source, dest=dest)
    assert failed["status"] == "error (s3 storage connection)"
    for each in (number, undone, failed["id"]):
        no_trace(guarded, each, caplog)
    assert guarded.kept() == 0
    if guarded.mirror.site.settings.database.startswith("postgresql:"):
        assert run(ask(guarded.mirror.site.settings.database, "SELECT count(*) FROM sealed_keys")) == [(0,)]


def test_a_repeated_request_is_recognised_and_its_keys_are_no_part_of_that(
    guarded: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    guarded.client.create_bucket(Bucket=(bucket := new_bucket()))
    asked: dict[str, Any] = {"source": f"s3+{guarded.server.endpoint}/{bucket}", "dest": "kist/copy", **guarded.keys}
    first, second = (
        guarded.mirror.admin.call("POST", "/v1/syncs", asked, **{"idempotency_key": "once"}) for _ in range(2)
    )
    assert (first.status, second.status) == (202, 202), first.body
    assert first.json["id"] == second.json["id"]
    assert guarded.ended(first.json["number"])["state"] == "succeeded"
    no_trace(guarded, first.json["number"], caplog)


def test_half_a_key_is_refused_and_told_to_nobody(guarded: Elsewhere, caplog: pytest.LogCaptureFixture) -> None:
    dest = f"s3+{guarded.server.endpoint}/bucket"
    for sent in ({"access_key": guarded.server.key}, {"secret_key": guarded.server.secret}):
        answer = guarded.mirror.admin.call("POST", "/v1/syncs", {"source": "kist", "dest": dest, **sent})
        assert (answer.status, answer.json["code"]) == (422, "endpoint_refused")
        for secret in sent.values():
            assert secret.encode() not in answer.body
    for odd in ("x\ny", "é", "a b", "x" * 2000):
        keys = {"access_key": odd, "secret_key": guarded.server.secret}
        answer = guarded.mirror.admin.call("POST", "/v1/syncs", {"source": "kist", "dest": dest, **keys})
        assert (answer.status, answer.json["code"]) == (422, "endpoint_refused")
        assert odd.encode() not in answer.body
    assert guarded.mirror.jobs() == 0


def test_asyncio_says_nothing_of_them_either(guarded: Elsewhere, caplog: pytest.LogCaptureFixture) -> None:
    loop: asyncio.AbstractEventLoop = guarded.mirror.site.loop
    loop.set_debug(True)
    try:
        ended = guarded.sync(source=folder(guarded.mirror), dest=new_bucket())
    finally:
        loop.set_debug(False)
    assert ended["status"] == "success"
    no_trace(guarded, ended["id"], caplog)
