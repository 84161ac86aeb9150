"""Who gets what of the S3 Synchronization API, and how a browser is let in."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.acceptance.served import ROOT, Client, memory_settings, serving
from tests.dialects.s3sync_site import LONG, Mirror, folder, mirroring, new_bucket, refused, synced

from kist.model.job import SyncOptions
from kist.service.attempts import Attempts

FORM = "application/x-www-form-urlencoded"

# What a user with no job of theirs and an admin get.
WHO_GETS_WHAT = {"sync": (403, 200), "runnings": (200, 200), "get": (404, 200), "cancel": (404, 200)}


@pytest.fixture(autouse=True)
def fresh_tries(mirror: Mirror) -> None:
    """Wrong keys of one test must not use up the tries of the next."""
    mirror.site.kist.entry._attempts = Attempts(mirror.site.kist.files._ports.clock)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", WHO_GETS_WHAT)
def test_who_gets_what(mirror: Mirror, path: str, method: str) -> None:
    source, dest = synced(mirror)
    before = mirror.jobs()
    number = mirror.site.run(mirror.site.kist._ports.catalogue.jobs(None, 1))[0].number
    asked = f"/{path}?" + urlencode({"source": source, "dest": dest} if path == "sync" else {"id": number})
    site = mirror.site
    for stranger in (site.nobody, site.client("kist_0_wrong"), site.client("")):
        answer = stranger.call(method, asked)
        refused(answer, 401)
        assert "www-authenticate" in answer.headers
    user, admin = WHO_GETS_WHAT[path]
    answer = site.bob.call(method, asked)
    assert answer.status == user
    if user == 200:
        assert answer.json == []
    else:
        refused(answer, user)
    if user == 404:
        assert answer.body == site.bob.call(method, f"/{path}?id=999999999").body, "a foreign sync looks like none"
    acting = site.admin.call(method, asked, kist_actor="bob")
    assert acting.status == user, "who acts for a user may what the user may"
    assert mirror.jobs() == before
    assert site.admin.call(method, asked).status == admin


def test_a_user_sees_and_stops_their_own_syncs_of_buckets(mirror: Mirror) -> None:
    bob, buckets = mirror.site.bob, (new_bucket(), new_bucket())
    for bucket in buckets:
        assert bob.call("POST", "/v1/buckets", {"name": bucket}).status == 201
    mirror.plant(buckets[0], "one")
    mirror.plant(buckets[0], "two")
    actor = mirror.site.run(mirror.site.kist.keys.recognise(str(bob.key)))
    job = mirror.site.run(mirror.site.kist.jobs.start(actor, *buckets, SyncOptions(wait=LONG)))
    assert [each["id"] for each in mirror.ask("runnings", bob).json] == [job.number]
    assert job.number in mirror.running()
    assert mirror.ask("runnings", mirror.site.ann).json == []
    refused(mirror.ask("cancel", mirror.site.ann, id=job.number), 404)
    assert mirror.ask("get", bob, id=job.number).json["status"] == "running"
    assert mirror.ask("cancel", bob, id=job.number).json["status"] == "cancelled"
    assert len(mirror.objects(buckets[1])) < 2


def test_admins_see_the_syncs_of_all(mirror: Mirror) -> None:
    source, dest = synced(mirror)
    job = mirror.site.run(mirror.site.kist.jobs.start(ROOT, str(mirror.uploads / source), dest, SyncOptions(wait=LONG)))
    assert job.number in mirror.running()
    assert mirror.ask("cancel", id=job.number).json["id"] == job.number


# Browsers: a GET in the address line is the documented way to use it


def test_a_browser_is_asked_for_a_key_and_sends_it_by_basic(mirror: Mirror) -> None:
    first = mirror.site.nobody.call("GET", "/runnings", sec_fetch_site="none", sec_fetch_mode="navigate")
    refused(first, 401)
    assert first.headers["www-authenticate"].startswith('Basic realm="kist"')
    again = mirror.site.nobody.call("GET", "/runnings", authorization=basic(mirror.admin), sec_fetch_site="none")
    assert (again.status, again.json) == (200, [])


def basic(client: Client) -> str:
    return "Basic " + base64.b64encode(f"anyone:{client.key}".encode()).decode()


@pytest.mark.parametrize(
    "page",
    [
        {"sec_fetch_site": "cross-site", "origin": "https://evil.example"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_a_key_that_the_browser_remembers_serves_no_page_of_another_site(mirror: Mirror, page: dict[str, str]) -> None:
    """Browsers add what they were given for Basic to all that goes to this server, whoever has made them send it."""
    nobody, remembered = mirror.site.nobody, basic(mirror.admin)
    sent = urlencode({"source": folder(mirror), "dest": new_bucket()})
    before = mirror.jobs()
    assert nobody.call("POST", "/sync", sent, content_type=FORM, authorization=remembered, **page).status == 403
    made = nobody.call("POST", "/v1/files?name=x", b"1", content_type="text/plain", authorization=remembered, **page)
    assert (made.status, made.json["code"]) == (403, "not_allowed")
    assert mirror.jobs() == before
    by_bearer = mirror.admin.call("POST", "/v1/files?name=x", b"1", content_type="text/plain", **page)
    assert by_bearer.status == 201, "no page can make a browser add this"


def test_pages_that_the_operator_trusts_may_use_basic(tmp_path: Path) -> None:
    trusted = "https://app.example.com"
    with serving(memory_settings(tmp_path, KIST_ORIGINS=trusted)) as site:
        page = {"origin": trusted, "sec_fetch_site": "cross-site", "authorization": basic(site.ann)}
        assert site.nobody.call("POST", "/v1/files?name=x", b"1", content_type="text/plain", **page).status == 201


def test_callers_without_a_key_sync_nothing_whoever_they_act_as(tmp_path: Path) -> None:
    with mirroring(memory_settings(tmp_path, KIST_ANONYMOUS="s3sync=guest")) as mirror:
        refused(mirror.ask("sync", mirror.site.nobody), 403)
        assert mirror.ask("runnings", mirror.site.nobody).json == []
