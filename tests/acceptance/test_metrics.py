"""``/metrics``: who may read it, that it counts, and that nobody learns from it what users call their things."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.served import Client, Site, memory_settings, serving

from kist.asgi.options import HostOptions
from kist.chores.audit import AUDIT
from kist.chores.chore import run_chore
from kist.dialects.native.metrics import metrics
from kist.drive import drive
from kist.errors import KistError, NotAllowed, NotSignedIn
from kist.model.actor import Actor, Role
from kist.service.attempts import Attempts
from kist.wire.call import Call, Headers

SECRETS = ("strange-name", "payroll", "ann", "bob", "127.0.0.1", "0wrong")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Site]:
    """A server that nobody has called yet."""
    with serving(memory_settings(tmp_path)) as found:
        yield found


def read(client: Client, **headers: str) -> str:
    answer = client.call("GET", "/metrics", **headers)
    assert answer.status == 200, answer.body
    return answer.body.decode()


def value(text: str, name: str, *labels: str) -> float:
    """The value of the one sample with that name and those label values."""
    lines = re.findall(rf"^kist_{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
    (found,) = [float(number) for shown, number in lines if set(re.findall(r'"(.*?)"', shown)) == set(labels)]
    return found


def test_known_requests_are_counted(fresh: Site) -> None:
    fresh.ann.put("x", b"12345")
    thing = fresh.ann.put("y", b"678")["id"]
    fresh.ann.content(thing)
    fresh.bob.call("GET", f"/v1/files/{thing}")
    fresh.ann.call("HEAD", f"/v1/files/{thing}/content")
    fresh.nobody.call("GET", "/files")
    fresh.nobody.call("GET", "/nowhere/at/all")
    text = read(fresh.admin)
    assert value(text, "requests_total", "native", "files-create", "POST", "2xx") == 2
    assert value(text, "requests_total", "native", "files-content", "GET", "2xx") == 1
    assert value(text, "requests_total", "native", "files-content", "HEAD", "2xx") == 1
    assert value(text, "requests_total", "native", "files-read", "GET", "4xx") == 1
    assert value(text, "requests_total", "filedrop", "filedrop-list", "GET", "4xx") == 1
    assert value(text, "requests_total", "native", "none", "GET", "4xx") == 1
    assert value(text, "request_seconds_count", "native", "files-create") == 2
    assert value(text, "received_bytes_total") == 8
    assert value(text, "requests_under_way") == 1, "this one"
    assert (value(text, "files"), value(text, "bytes"), value(text, "open_uploads")) == (2, 8, 0)


def test_chores_and_the_last_audit_are_shown(fresh: Site) -> None:
    fresh.ann.put("x", b"12345")
    assert "kist_audit_lost{" not in read(fresh.admin)
    fresh.run(run_chore(fresh.kist, AUDIT))
    text = read(fresh.admin)
    assert (value(text, "audit_lost"), value(text, "audit_open_bytes")) == (0, 0)
    assert value(text, "audit_last_run_timestamp_seconds") > 1.7e9
    assert value(text, "chore_runs_total", "audit") == 1
    assert value(text, "chore_failures_total", "audit") == 0


def test_the_type_is_what_prometheus_asks_for(site: Site) -> None:
    answer = site.admin.call("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert site.admin.call("HEAD", "/metrics").body == b""


def test_admins_and_loopback_without_a_key(site: Site) -> None:
    site.kist.entry._attempts = Attempts(site.kist.files._ports.clock)
    assert site.admin.call("GET", "/metrics").status == 200
    assert site.nobody.call("GET", "/metrics").status == 200
    assert site.ann.call("GET", "/metrics").status == 403
    assert site.admin.call("GET", "/metrics", kist_actor="ann").status == 403
    assert site.nobody.call("GET", "/metrics", kist_actor="ann").status == 401
    assert site.client("kist_0_0wrong").call("GET", "/metrics").status == 401
    assert site.nobody.call("GET", "/metrics", authorization="Digest x").status == 401
    assert site.nobody.call("GET", "/metrics", host="rebound.example").status == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_what_a_proxy_passes_on_is_not_from_here(site: Site, header: str) -> None:
    assert site.nobody.call("GET", "/metrics", **{header: "127.0.0.1"}).status == 401
    assert site.admin.call("GET", "/metrics", **{header: "192.0.2.1"}).status == 200


def test_behind_a_trusted_proxy_the_caller_counts(tmp_path: Path) -> None:
    with serving(memory_settings(tmp_path), HostOptions(trusted_proxies=("127.0.0.1",))) as site:
        assert site.nobody.call("GET", "/metrics", x_forwarded_for="192.0.2.1").status == 401
        assert site.nobody.call("GET", "/metrics").status == 200


def test_callers_whom_the_settings_let_in_are_no_admins(tmp_path: Path) -> None:
    with serving(memory_settings(tmp_path, KIST_ANONYMOUS="native=guest")) as site:
        assert site.nobody.call("GET", "/metrics").status == 200
        assert site.nobody.call("GET", "/metrics", x_forwarded_for="192.0.2.1").status == 401


@pytest.mark.parametrize(
    ("address", "key", "actor", "error"),
    [
        ("127.0.0.1", None, Actor(""), None),
        ("127.9.9.9", None, Actor("guest"), None),
        ("::1", None, Actor(""), None),
        ("192.0.2.1", None, Actor(""), NotSignedIn),
        ("10.0.0.1", None, Actor("guest"), NotSignedIn),
        ("", None, Actor(""), NotSignedIn),
        ("127.0.0.1", "a key", Actor("ann"), NotAllowed),
        ("192.0.2.1", "a key", Actor("root", Role.ADMIN), None),
    ],
)
def test_who_may_by_address(
    site: Site, address: str, key: str | None, actor: Actor, error: type[KistError] | None
) -> None:
    headers = Headers([] if key is None else [(b"authorization", f"Bearer {key}".encode())])
    call = Call(method="GET", path="/metrics", headers=headers, actor=actor, address=address)
    if error is None:
        assert drive(metrics(call, site.kist)).status == 200
    else:
        with pytest.raises(error):
            drive(metrics(call, site.kist))


def test_nothing_of_users_is_shown(fresh: Site) -> None:
    made = fresh.ann.put('strange-name "payroll"\N{SNOWMAN}.txt', b"12345")
    link = fresh.ann.call("POST", "/v1/links", {"files": [made["id"]]}).json["links"][made["id"]]
    token = link["url"].rpartition("/")[2]
    assert fresh.nobody.call("GET", f"/l/{token}").status in (200, 302)
    fresh.nobody.call("GET", f"/l/{token}x")
    fresh.nobody.call("GET", f"/{token}/payroll")
    fresh.nobody.call("PROPFIND", f"/v1/files/{made['id']}")
    fresh.ann.call("PUT", f"/v1/files/{made['id']}/shares/bob", {"actions": ["read"]})
    fresh.client("kist_0_0wrong").call("GET", "/v1/me")
    fresh.run(run_chore(fresh.kist, AUDIT))
    text = read(fresh.nobody)
    assert value(text, "link_uses_waiting") == 1
    assert value(text, "requests_total", "native", "links-follow", "GET", "4xx") == 1
    keys = [client.key or "" for client in (fresh.ann, fresh.bob, fresh.admin)]
    known = (*SECRETS, token, made["id"], link["id"], *keys, *(key.split("_")[1] for key in keys))
    labels = " ".join(re.findall(r"\{.*\}", text)).lower()
    assert [secret for secret in known if secret.lower() in labels] == []
    assert {name for name in re.findall(r'(\w+)="', labels)} == {"dialect", "route", "method", "status", "chore", "le"}
