"""Two servers and two workers on one PostgreSQL and one Ceph: killed, exchanged and restarted under load.

What was acknowledged is there, what was removed is gone, nothing else is left, and every sync comes to its end.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.rig.client import NoAnswer
from tests.faults.rig.fleet import Fleet, fleet, harms
from tests.faults.rig.load import Worker, at_work
from tests.faults.rig.s3_objects import S3Bucket
from tests.faults.rig.site import ROOT, LaterClock, Site, s3_site
from tests.servers.server import S3Server
from tests.unit.asgi.toy import until

from kist.app import join, open_ports, threads
from kist.chores.audit import audit
from kist.model.job import JobState
from kist.service.kist import Kist
from kist.settings import read_settings
from kist.system import SystemClock, SystemIds
from kist.working import Work

CLIENTS = 2
FILES = 40
DAY = 26 * 3600.0
"""Seconds after which the audit takes for strays what no row names."""


@pytest.fixture
def site(tmp_path: Path, rgw: S3Server, database: str, patient: None) -> Site:
    found = s3_site(tmp_path / "home", rgw, rows=f"{database}?connections=4")
    found.fill()
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The folder that is synced."""
    for number in range(FILES):
        path = tmp_path / "tree" / str(number % 4) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * 1000)
    return tmp_path / "tree"


class Syncs:
    """Starts syncs of the tree, each to a prefix of its own, over any server. ``told``: the prefixes by their jobs."""

    def __init__(self, site: Site, fleet: Fleet) -> None:
        self.told: dict[str, str] = {}
        self.failed: list[str] = []
        self._bucket = site.settings["KIST_STORE"].partition("//")[2].partition("?")[0]
        self._key = site.alone(self._admin)
        self._site, self._fleet = site, fleet
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @staticmethod
    async def _admin(kist: Kist) -> str:
        return (await kist.keys.create(ROOT, ROOT.id, role=ROOT.role))[1]

    def _run(self) -> None:
        dice = random.Random(5)
        for number in range(1_000_000):
            prefix = f"copy-{number}"
            body = f'{{"source": "tree:", "dest": "{self._bucket}/{prefix}"}}'.encode()
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            try:
                answer = self._fleet.choose(dice).call("POST", "/v1/syncs", body, headers)
                if answer.status == 202:
                    self.told[answer.json["id"]] = prefix
                else:
                    self.failed.append(f"{answer.status} {answer.body!r}")
            except NoAnswer as error:
                self.failed.append(str(error))
            if self._over.wait(1.0):
                return

    def __enter__(self) -> Syncs:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


async def carry_out_the_rest(site: Site) -> None:
    """A worker five minutes later, when no lease of a dead one holds, until there is no job left."""
    settings = read_settings(site.settings, site.home)
    ports = replace(await open_ports(settings, SystemClock(), SystemIds()), clock=LaterClock(300))
    kist = join(ports)
    working = asyncio.create_task(Work(ports, threads()).worker(kist).run())
    async with asyncio.timeout(120):
        while await ports.catalogue.unended_jobs():  # noqa: ASYNC110 - the worker ends them
            await asyncio.sleep(0.05)
    working.cancel()
    await asyncio.wait([working])
    await kist.close()


def check_syncs(site: Site, tree: Path, told: dict[str, str]) -> None:
    """Every sync that was acknowledged has succeeded, and its prefix holds the tree."""

    async def read(kist: Kist) -> None:
        for job_id in told:
            job = await kist.jobs.get(ROOT, job_id)
            assert (job.state, job.progress.files) == (JobState.SUCCEEDED, FILES), job

    asyncio.run(carry_out_the_rest(site))
    site.alone(read)
    assert isinstance(site.objects, S3Bucket)
    wanted = {
        str(path.relative_to(tree)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in tree.rglob("*.txt")
    }  # fmt: skip
    for prefix in told.values():
        assert site.objects.etags(f"{prefix}/") == wanted


def check_files(site: Site) -> None:
    """The invariants, before and after the chores of the days that follow, and every file as a client reads it."""
    assert site.violations(settled=False) == []
    site.recover()
    site.alone(audit, after=DAY)  # what killed processes have left where no row names it
    site.recover(after=DAY)
    assert site.violations() == []


@contextmanager
def under_load(site: Site, tree: Path) -> Iterator[tuple[Fleet, list[Worker], Syncs]]:
    """A fleet with clients and syncs at work; at the end it is stopped, and all that was promised is looked at."""
    with fleet(site, tree) as ships:
        with at_work([ships.choose, ships.choose_slow] * CLIENTS, seed=1) as workers, Syncs(site, ships) as syncs:
            yield ships, workers, syncs
        ships.stop()
    check_syncs(site, tree, syncs.told)
    check_files(site)


def restart(ships: Fleet) -> None:
    """Processes are exchanged in place; servers are taken out of rotation, stopped and started, workers as well."""
    before = [{child.pid for child in server.children()} for server in ships.servers]
    for server in ships.servers:
        server.renew()
    for server, pids in zip(ships.servers, before, strict=True):
        server.wait_renewed(pids)
    for number, server in enumerate(ships.servers):
        with ships.out_of_rotation(number):
            server.stop()
            server.start()
    for worker in ships.workers:
        worker.stop()
        worker.start()


def test_restarted_and_killed_under_load(site: Site, tree: Path, request: pytest.FixtureRequest) -> None:
    """No request fails by a restart, though nobody asks twice; nothing is lost by a kill.

    Each harm once; with --long at random as well, for as long as KILL_LOOP_SECONDS says.
    """
    dice = random.Random(3)
    with under_load(site, tree) as (ships, workers, syncs):
        restart(ships)
        assert [failed for worker in workers for failed in worker.failed] == []
        assert syncs.failed == []
        for name in harms(ships, dice):
            harms(ships, dice)[name]()
            time.sleep(dice.uniform(0.1, 0.8))
        if request.config.getoption("--long"):
            ends = time.monotonic() + float(os.environ.get("KILL_LOOP_SECONDS", "900"))
            while time.monotonic() < ends:
                dice.choice(list(harms(ships, dice).values()))()
                time.sleep(dice.uniform(0.05, 3))
        until(lambda: sum(worker.asked for worker in workers) > 200 and len(syncs.told) > 5)
