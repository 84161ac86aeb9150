"""Syncs to S3 servers that mean harm: T61 to T64, T67 and T69 of syncs to other endpoints."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.acceptance.served import disk_settings, s3_settings
from tests.dialects.s3sync_elsewhere import Elsewhere
from tests.dialects.s3sync_site import folder, mirroring, refused
from tests.servers.server import S3Server
from tests.servers.stranger import Answers, Asked, Said, Stranger, listing, refusing, stranger
from tests.unit.cli.s3_stub import self_signed

from kist.errors import EndpointRedirects
from kist.stores.s3 import foreign

PATIENCE = 30.0


@contextmanager
def meeting(home: Path, answers: Answers, **more: Any) -> Iterator[tuple[Elsewhere, Stranger]]:
    """A Kist that is sent to such a server."""
    with stranger(answers, **more) as server:
        settings = disk_settings(home, KIST_SYNC_ENDPOINTS=f"internal:{server.url}")
        with mirroring(settings) as mirror:
            yield Elsewhere(mirror, S3Server("stranger", server.url, "GIVENKEY", "given-secret")), server


def failed(elsewhere: Elsewhere, *words: str, **parameters: Any) -> dict[str, Any]:
    """A sync that fails in good time, for a reason with these words."""
    began = time.monotonic()
    ended = elsewhere.sync(**{"source": folder(elsewhere.mirror), "dest": "bucket"} | parameters)
    assert time.monotonic() - began < PATIENCE
    assert ended["status"].startswith("error ("), ended
    job = elsewhere.job(ended["id"])
    assert job["state"] == "failed"
    for word in words:
        assert word in job["reason"], job
    assert elsewhere.kept() == 0
    return job


# Where a connection goes


class Names:
    """A resolver that says something else each time."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def named(home: Path, names: Names, endpoint: str) -> Iterator[Elsewhere]:
    """A Kist that asks ``names`` for addresses."""
    with mirroring(disk_settings(home, KIST_SYNC_ENDPOINTS=endpoint)) as mirror:
        ports = mirror.site.kist._ports
        object.__setattr__(ports, "endpoints", foreign.ForeignStores(ports.clock, ports.ids, names))
        url = endpoint.removeprefix("internal:")
        yield Elsewhere(mirror, S3Server("named", url, "GIVENKEY", "given-secret"))


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("127.0.0.9", "127.0.0.1"), ("::ffff:127.0.0.1",)])
def test_a_name_that_leads_inside_is_refused_before_any_connection(tmp_path: Path, addresses: tuple[str, ...]) -> None:
    with stranger() as canary:
        port = canary.url.rpartition(":")[2]
        with named(tmp_path, Names(addresses), f"https://s3.example.com:{port}") as elsewhere:
            failed(elsewhere, "endpoint_refused: the endpoint lies at an internal address")
        assert canary.asked == []


def test_a_name_is_looked_up_once_and_connected_to_where_it_led(tmp_path: Path) -> None:
    """DNS rebinding: the second answer would lead to the canary, and every request makes a new connection."""
    names = Names(("127.0.0.2",), ("127.0.0.1",))
    with stranger(empty, host="127.0.0.2") as server:
        port = int(server.url.rpartition(":")[2])
        with (
            stranger(empty, port=port) as canary,
            named(tmp_path, names, f"internal:http://S3.Example.com:{port}") as elsewhere,
        ):
            assert elsewhere.sync(source=folder(elsewhere.mirror), dest="bucket")["status"] == "success"
            assert canary.asked == []
    assert names.asked == ["s3.example.com"]
    assert len(server.asked) > 3
    assert {asked.headers["host"] for asked in server.asked} == {f"s3.example.com:{port}"}


def empty(asked: Asked) -> Said:
    """A bucket that takes what it is sent."""
    if asked.method == "GET":
        return Said(body=listing())
    return Said(headers={"etag": '"0"'})


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    with named(tmp_path, Names(()), "https://s3.example.com") as elsewhere:
        job = failed(elsewhere)
    assert job["reason"].startswith("store_unavailable: ")


def test_a_name_is_shown_to_a_server_with_tls(tmp_path: Path) -> None:
    """SNI, by which a server with many names finds the right certificate."""
    shown: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    context.sni_callback = lambda socket, name, context: shown.append(name)
    with stranger(empty, tls=context) as server:
        port = server.url.rpartition(":")[2]
        with named(tmp_path, Names(("127.0.0.1",)), f"internal:https://s3.example.com:{port}") as elsewhere:
            failed(elsewhere, "certificate is not trusted")
        assert shown
        assert set(shown) == {"s3.example.com"}
        assert server.asked == [], "not one byte of a request went to a server that is not trusted"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_never_followed(tmp_path: Path, status: int) -> None:
    with stranger() as canary, meeting(tmp_path, lambda asked: Said(status, headers={"location": canary.url})) as met:
        elsewhere, server = met
        failed(elsewhere, f"{EndpointRedirects.code}: ")
        assert canary.asked == []
        assert len({asked.path for asked in server.asked}) == 1, "nor is anything asked again elsewhere"


def test_kists_own_keys_never_go_there(tmp_path: Path, rgw: S3Server) -> None:
    with stranger(empty) as server:
        settings = s3_settings(tmp_path, rgw, KIST_SYNC_ENDPOINTS=f"internal:{server.url}")
        with mirroring(settings) as mirror:
            elsewhere = Elsewhere(mirror, S3Server("stranger", server.url, "GIVENKEY", "given-secret"))
            assert elsewhere.sync(source=folder(mirror), dest="bucket")["status"] == "success"
            for sent in ({}, {"access_key": "x"}, {"secret_key": "x"}):
                refused(mirror.admin.call("POST", "/sync", {"storage_url": server.url, "dest": "bucket", **sent}), 400)
    assert server.asked
    for asked in server.asked:
        assert "Credential=GIVENKEY/" in asked.headers["authorization"]
        assert "x-amz-security-token" not in asked.headers
        assert rgw.key not in str(asked)


def test_a_server_that_is_not_there_or_never_answers_ends_the_sync_in_good_time(tmp_path: Path, dead_port: int) -> None:
    """Its caller waits for the end, so a job that begins is not as patient as one that has begun."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = (dead_port, silent.getsockname()[1])
        listed = ",".join(f"internal:http://127.0.0.1:{port}" for port in ports)
        with mirroring(disk_settings(tmp_path, KIST_SYNC_ENDPOINTS=listed)) as mirror:
            for port in ports:
                server = S3Server("absent", f"http://127.0.0.1:{port}", "GIVENKEY", "given-secret")
                job = failed(Elsewhere(mirror, server), "store_unavailable: ")
                shown = mirror.get(job["number"])
                assert (shown["status"], shown["progress"]) == ("error (s3 storage connection)", "0%")


# What an answer may be


def test_lists_that_never_end(tmp_path: Path) -> None:
    numbers = iter(range(10**9))

    def answers(asked: Asked) -> Said:
        number = next(numbers)
        return Said(body=listing(f"{number:012}", token=f"t{number}")) if asked.method == "GET" else Said()

    with meeting(tmp_path, answers) as (elsewhere, server):
        failed(elsewhere, "repeats itself")
        assert len(server.asked) < 2500


def test_lists_that_turn_in_circles(tmp_path: Path) -> None:
    with meeting(tmp_path, lambda asked: Said(body=listing("a", token="again"))) as (elsewhere, _):
        failed(elsewhere, "out of order")
    with meeting(tmp_path / "2", lambda asked: Said(body=listing(token="again"))) as (elsewhere, server):
        failed(elsewhere, "repeats itself")
        assert len(server.asked) < 10


BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    b"<ListBucketResult><Name>&b;</Name></ListBucketResult>"
)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (BOMB, "document type"), (b"\x1f\x8b\x08\x00" + b"\0" * 999, "no XML"), (b"", "no XML"),
        (listing("a", size="-1"), "no number"), (listing("a", size="1e9"), "no number"), (b"<Other/>", "was due"),
        (b"<ListBucketResult>" * 100_000, "no XML"),
    ],
)  # fmt: skip
def test_lists_that_are_none(tmp_path: Path, body: bytes, words: str) -> None:
    packed = {"content-encoding": "gzip"} if body.startswith(b"\x1f\x8b") else {}
    with meeting(tmp_path, lambda asked: Said(body=body, headers=packed)) as (elsewhere, _):
        failed(elsewhere, words)


def test_lists_without_measure(tmp_path: Path) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"<ListBucketResult>"
        for _ in range(1 << 12):  # 1 GiB
            yield b" " * (1 << 18)

    with meeting(tmp_path, lambda asked: Said(blocks=blocks)) as (elsewhere, _):
        before = psutil.Process().memory_info().rss
        failed(elsewhere, "more than 10 MiB")
        assert psutil.Process().memory_info().rss - before < 50 << 20


def test_keys_that_lead_out_of_a_folder_are_named_and_never_written(tmp_path: Path) -> None:
    def answers(asked: Asked) -> Said:
        if asked.query.startswith("encoding-type") or "list-type" in asked.query:
            return Said(body=listing("../../escaped", "/etc/escaped", "a/../../escaped", "good"))
        return Said(body=b"x", headers={"etag": '"0"'})

    with meeting(tmp_path / "home", answers) as (elsewhere, server):
        uploads = elsewhere.mirror.uploads
        asked = {"source": f"s3+{server.url}/bucket", "dest": str(uploads / "into"), **elsewhere.keys}
        (uploads / "into").mkdir()
        answer = elsewhere.mirror.admin.call("POST", "/v1/syncs", asked)
        assert answer.status == 202, answer.body
        assert elsewhere.ended(answer.json["number"])["state"] == "succeeded"
        steps = elsewhere.mirror.admin.call("GET", f"/v1/syncs/{answer.json['number']}/files").json["items"]
    assert [path.name for path in tmp_path.rglob("*escaped*")] == []
    assert (uploads / "into/good").read_bytes() == b"x"
    assert sum(step["act"] == "note" for step in steps) == 3


def test_a_server_that_refuses_everything_is_told_of_in_our_own_words(tmp_path: Path) -> None:
    hostile = b"<Error><Code>AccessDenied</Code><Message>SAY-THIS-TO-THEM</Message></Error>"
    with meeting(tmp_path, lambda asked: Said(403, hostile)) as (elsewhere, _):
        job = failed(elsewhere, "store_refused: the object store refused")
    assert "SAY-THIS" not in str(job)
    with meeting(tmp_path / "2", refusing) as (elsewhere, _):
        failed(elsewhere, "store_refused")
