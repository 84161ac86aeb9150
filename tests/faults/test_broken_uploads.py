"""Direct uploads that break in every way at once: the chores leave nothing of them, and nothing else is touched.

Clients that leave in the middle, send too much or too little, never complete, complete too early, abort or come back
late; a store that answers errors; a server that is killed. The short form breaks 120 uploads, --long breaks 1,000.
"""

from __future__ import annotations

import json
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from tests.acceptance.holder import Holder
from tests.faults.rig.client import Client, NoAnswer
from tests.faults.rig.process import serving
from tests.faults.rig.proxy import Fault, Kind, proxying
from tests.faults.rig.site import OLD, Site, disk_site, s3_site
from tests.servers.server import S3Server
from tests.servers.users import restricted

from kist.chores.audit import audit
from kist.chores.erase import erase
from kist.model.backend import policy_for_signing
from kist.model.place import RESERVED, Place
from kist.service.kist import Kist

DATA = b"0123456789" * 100
ROUND = 40
DAYS = 48 * 3600.0
FOREIGN = "readable/report.txt"


def ask(client: Client, method: str, path: str, body: Any = None) -> Any:
    """The answer's document, None when there was none or it was a refusal."""
    try:
        answer = client.call(method, path, b"" if body is None else json.dumps(body).encode(), JSON)
    except NoAnswer:
        return None
    return answer.json if answer.status in (200, 201) else None


JSON = {"Content-Type": "application/json"}


def leave_in_the_middle(url: str, headers: dict[str, str]) -> None:
    """Half of a PUT, and then nothing."""
    parts = urlsplit(url)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    with suppress(OSError), socket.create_connection((parts.hostname or "", parts.port or 80), timeout=5) as line:
        line.sendall(f"PUT {target} HTTP/1.1\r\nhost: {parts.netloc}\r\n{lines}\r\n".encode() + DATA[:500])


def break_one(client: Client, holder: Holder, seed: int) -> None:
    """One upload that goes wrong in one way, or in two."""
    dice = random.Random(seed)
    ticket = ask(client, "POST", "/v1/uploads", {"name": "x", "size": len(DATA), "way": dice.choice(WAYS)})
    if ticket is None:
        return
    path = f"/v1/uploads/{ticket['id']}"
    with suppress(urllib3.exceptions.HTTPError):
        for fault in dice.sample(FAULTS, dice.choice((1, 2))):
            if fault == "leave" and ticket["way"] != "form":
                part = ticket if ticket["way"] == "put" else ticket["parts"][0]
                leave_in_the_middle(part["url"], part["headers"])
            elif fault == "short":
                holder.send(ticket, DATA[:-1])
            elif fault == "send":
                holder.send(ticket, DATA)
            elif fault == "early":
                ask(client, "POST", f"{path}/complete")
            elif fault == "abort":
                ask(client, "DELETE", path)
            elif fault == "over":
                again = ask(client, "POST", f"{path}/ticket")
                if again is not None and dice.random() < 0.5:
                    holder.send(again, DATA)


WAYS = ("form", "put", "parts")
FAULTS = ("leave", "short", "send", "early", "abort", "over", "nothing")


def break_many(site: Site, many: int, seed: int) -> None:
    """Round after round, each ended by SIGKILL with uploads under way."""
    for start in range(0, many, ROUND):
        with serving({**site.settings, "KIST_OPEN_UPLOADS": "100000"}, "--lease", "1", "--every", "0.3") as server:
            client = site.client(server.url, timeout=30)
            pool = urllib3.PoolManager(retries=False, timeout=30, maxsize=8)
            holder = Holder(pool)
            with ThreadPoolExecutor(8) as threads:
                work = [threads.submit(break_one, client, holder, seed + start + at) for at in range(ROUND)]
                for each in work[: ROUND * 3 // 4]:
                    each.result()
                server.kill()
                for each in work:
                    each.result()
            pool.clear()


def check_nothing_left(site: Site) -> None:
    """After the chores of two days: no bytes where uploads arrive, no part, no open upload, exact quotas."""
    site.recover(after=DAYS)
    site.recover(after=DAYS + 3600)

    async def sweep(kist: Kist) -> int:
        return await audit(kist) + await erase(kist)

    site.alone(sweep, after=2 * DAYS)

    async def left(kist: Kist) -> tuple[list[str], list[str], bytes]:
        store: Any = kist._ports.store
        bucket = kist._ports.bucket
        files = {entry.key for entry in await kist._ports.catalogue.held(bucket, "", 1000)}
        arrived = [entry.key async for entry in store.list(bucket, RESERVED)]
        opened = await store.open(Place(bucket, FOREIGN))
        foreign = b"".join([block async for block in opened.body])
        await opened.close()
        return (
            [key for key in arrived if key not in files],
            [one.key async for one in store.open_parts(bucket)],
            foreign,
        )

    assert site.alone(left) == ([], [], b"not of Kist")
    assert site.violations() == []
    assert set(site.contents()) <= {"kept", "x"}
    assert site.contents()["kept"] == OLD


async def put_foreign(kist: Kist) -> None:
    """An object that was there before Kist."""
    from kist.model.content import PutRules

    async def body() -> Any:
        yield b"not of Kist"

    await kist._ports.store.put(Place(kist._ports.bucket, FOREIGN), body(), PutRules())


@pytest.mark.parametrize("many", [120, pytest.param(1000, marks=pytest.mark.slow)])
def test_on_disk(tmp_path: Path, many: int) -> None:
    site = disk_site(tmp_path / "home")
    site.fill()
    site.ledger.path.write_text("")
    site.alone(put_foreign)
    break_many(site, many, seed=1)
    check_nothing_left(site)


@pytest.mark.parametrize("many", [80, pytest.param(1000, marks=pytest.mark.slow)])
def test_on_s3_that_fails_now_and_then(tmp_path: Path, ministack: S3Server, many: int) -> None:
    with proxying(ministack.endpoint) as proxy:
        site = s3_site(tmp_path / "home", ministack, through=proxy.url)
        bucket = site.store["KIST_STORE"].removeprefix("s3://").partition("?")[0]
        signer = restricted(ministack, policy_for_signing(bucket)["Statement"])
        site.settings |= {
            "KIST_S3_SIGNING_KEY": signer.key,
            "KIST_S3_SIGNING_SECRET": signer.secret,
            "KIST_S3_PUBLIC_ENDPOINT": ministack.endpoint,
        }
        site.fill()
        site.ledger.path.write_text("")
        site.alone(put_foreign)
        site.alone(lambda kist: kist.ways.probe())
        for number in range(many // 4):
            kind = (Kind.STATUS, Kind.STATUS_AFTER, Kind.CUT_ANSWER, Kind.NO_ETAG)[number % 4]
            proxy.add(Fault(kind, r"^(PUT|POST|HEAD) .*\.kist/", value=503 if "status" in kind else 0))
        break_many(site, many, seed=2)
        proxy.heal()
        check_nothing_left(site)
