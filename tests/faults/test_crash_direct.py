"""The crash matrix of direct uploads: a server dies by SIGKILL at each point of a ticket's life, on disk and on S3.

D1: the rows are there, the ticket was not delivered. D2: the bytes are there, complete was never called. D3: claimed,
not sealed. D4: sealed, not committed. D5: committed, the staging place not yet erased. D6: a PUT after all was reaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from tests.acceptance.holder import Holder
from tests.faults.rig.client import Client, NoAnswer, sha256
from tests.faults.rig.process import serving
from tests.faults.rig.site import OLD, Site, disk_site, s3_site
from tests.servers.users import restricted

from kist.chores.audit import audit
from kist.chores.erase import erase
from kist.model.backend import policy_for_signing
from kist.service.kist import Kist

DATA = b"direct content " * 1000
DAYS = 48 * 3600.0
GROUNDS = [
    *(("disk", way) for way in ("form", "put", "parts")),
    ("rgw", "form"),
    *(("ministack", way) for way in ("put", "parts")),
]


@pytest.fixture(params=GROUNDS, ids="-".join)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Site, str]:
    kind, way = request.param
    if kind == "disk":
        site = disk_site(tmp_path / "home")
    else:
        server = request.getfixturevalue(kind)
        site = s3_site(tmp_path / "home", server)
        if way != "form":
            bucket = site.store["KIST_STORE"].removeprefix("s3://").partition("?")[0]
            signer = restricted(server, policy_for_signing(bucket)["Statement"])
            site.settings |= {"KIST_S3_SIGNING_KEY": signer.key, "KIST_S3_SIGNING_SECRET": signer.secret}
    site.fill()
    site.alone(lambda kist: kist.ways.probe())
    return site, way


@pytest.fixture
def holder() -> Iterator[Holder]:
    pool = urllib3.PoolManager(retries=False)
    yield Holder(pool)
    pool.clear()


def ask(client: Client, path: str, body: Any = None) -> Any:
    """One call of the native API; None when the server died over it."""
    sent = b"" if body is None else json.dumps(body).encode()
    try:
        answer = client.call("POST", path, sent, {"Content-Type": "application/json"})
    except NoAnswer:
        return None
    assert answer.status in (200, 201), answer.body
    return answer.json


def begin(client: Client, way: str) -> Any:
    return ask(client, "/v1/uploads", {"name": "direct", "size": len(DATA), "way": way})


def complete(client: Client, ticket: Any) -> Any:
    return ask(client, f"/v1/uploads/{ticket['id']}/complete")


def check_recovery(site: Site, contents: dict[str, bytes]) -> None:
    """After two days and the chores nothing is left but what was completed."""
    assert site.violations(settled=False) == []
    site.recover(after=DAYS)
    site.recover(after=DAYS + 3600)
    assert site.violations() == []
    assert site.recover(after=DAYS + 3600) == 0
    assert site.contents() == contents


BEGUN = {
    "form": ["catalogue.commit:after:1"],
    "put": ["catalogue.commit:after:1"],
    "parts": [
        "catalogue.commit:after:1",
        "store.start_parts:before:1",
        "store.start_parts:after:1",
        "catalogue.commit:after:2",
    ],
}


def test_d1_the_ticket_was_not_delivered(ground: tuple[Site, str]) -> None:
    site, way = ground
    for point in ["catalogue.commit:before:1", *BEGUN[way]]:
        with serving(site.settings, failpoints=f"{point}:kill") as server:
            assert begin(site.client(server.url), way) is None
            assert server.wait_killed()
    check_recovery(site, {"kept": OLD})


def test_d2_complete_was_never_called(ground: tuple[Site, str], holder: Holder) -> None:
    site, way = ground
    with serving(site.settings) as server:
        ticket = begin(site.client(server.url), way)
        assert holder.send(ticket, DATA).status in (200, 204)
        server.kill()
    check_recovery(site, {"kept": OLD})


ROWS = ("D3 before the claim", "D3 claimed", "D4 sealed", "D4 before the commit", "D5 committed")


@pytest.mark.parametrize("row", ROWS)
def test_complete_is_cut_off_and_repeated(ground: tuple[Site, str], holder: Holder, row: str) -> None:
    site, way = ground
    seal = "finish_parts" if way == "parts" else "seal"
    point = {
        "D3 before the claim": "catalogue.commit:before:1",
        "D3 claimed": f"store.{seal}:before:1",
        "D4 sealed": f"store.{seal}:after:1",
        "D4 before the commit": "catalogue.commit:before:2",
        "D5 committed": "catalogue.commit:after:2",
    }[row]
    with serving(site.settings) as server:
        ticket = begin(site.client(server.url), way)
        assert holder.send(ticket, DATA).status in (200, 204)
        server.stop()
    number = site.ledger.ask("put", name="direct", sha256=sha256(DATA))
    with serving(site.settings, "--lease", "1", failpoints=f"{point}:kill") as server:
        assert complete(site.client(server.url), ticket) is None
        assert server.wait_killed()
    assert site.violations(settled=False) == []
    with serving(site.settings) as server:
        file = complete(site.client(server.url), ticket)
        assert (file["id"], file["size"]) == (ticket["file"], len(DATA))
        again = complete(site.client(server.url), ticket)
        assert again == file | {"sha256": again["sha256"]}
        assert again["sha256"] in (file["sha256"], sha256(DATA)), "the chores may have counted it meanwhile"
        server.stop()
    site.ledger.done(number, file["id"])
    check_recovery(site, {"kept": OLD, "direct": DATA})


def test_an_attempt_that_died_is_finished_by_the_chores(ground: tuple[Site, str], holder: Holder) -> None:
    """Whoever called complete need not call again."""
    site, way = ground
    seal = "finish_parts" if way == "parts" else "seal"
    with serving(site.settings) as server:
        ticket = begin(site.client(server.url), way)
        assert holder.send(ticket, DATA).status in (200, 204)
        server.stop()
    with serving(site.settings, "--lease", "1", failpoints=f"store.{seal}:after:1:kill") as server:
        assert complete(site.client(server.url), ticket) is None
        assert server.wait_killed()
    site.recover()
    assert site.contents() == {"kept": OLD, "direct": DATA}


def test_d6_a_put_after_all_was_reaped(ground: tuple[Site, str], holder: Holder) -> None:
    """The chores sweep by listing what no row names. On disk the address itself has ended by then, as a part's has."""
    site, way = ground
    with serving(site.settings) as server:
        ticket = begin(site.client(server.url), way)
        site.recover(after=DAYS)
        site.recover(after=DAYS + 3600)
        holder.send(ticket, DATA)  # the signature is good for an hour: it lands where nobody reads
        server.stop()

    async def sweep(kist: Kist) -> int:
        return await audit(kist) + await erase(kist)

    site.alone(sweep, after=2 * DAYS)
    assert site.violations() == []
    assert site.contents() == {"kept": OLD}
