"""Clients at work on a server that is killed again and again: what they were told is true, and nothing else is there.

R1 of the threats: no acknowledged file is lost after kill -9 at any instant.
"""

from __future__ import annotations

import os
import random
import time
from functools import partial
from pathlib import Path

import pytest
from tests.faults.rig.client import sha256
from tests.faults.rig.load import at_work, one_of
from tests.faults.rig.process import serving
from tests.faults.rig.site import Site, disk_site
from tests.servers.daemon import free_port
from tests.unit.asgi.toy import until

CLIENTS = 6


def kill_again_and_again(site: Site, kills: int, seed: int) -> None:
    """Let the clients work on a server that is killed so many times."""
    dice, port = random.Random(seed), free_port()
    clients = [site.client(f"http://127.0.0.1:{port}", timeout=20) for _ in range(CLIENTS)]
    options = ("--port", str(port), "--lease", "1", "--grace", "1", "--every", "0.3")
    with at_work([partial(one_of, (client,)) for client in clients], seed) as workers:
        for left in reversed(range(kills)):
            with serving(site.settings, *options) as server:
                time.sleep(dice.uniform(0.05, 1.5))
                if not left:
                    until(lambda: sum(len(worker.files) for worker in workers) > 3 * CLIENTS)
                server.kill()


def check_all(site: Site) -> None:
    """The checker before and after the chores, and every file over HTTP."""
    assert site.violations(settled=False) == []
    site.recover()
    assert site.violations() == []
    with serving(site.settings) as server:
        client = site.client(server.url)
        listed = client.call("GET", "/v1/files?limit=1000").json["items"]
        for file in listed:
            assert sha256(client.content(file["id"]).body) == file["sha256"]
    assert len(listed) > CLIENTS


def test_killed_at_random(tmp_path: Path) -> None:
    site = disk_site(tmp_path / "home")
    site.fill()
    kill_again_and_again(site, 6, seed=1)
    check_all(site)


@pytest.mark.slow
def test_killed_at_random_for_long(tmp_path: Path) -> None:
    site = disk_site(tmp_path / "home")
    site.fill()
    until = time.monotonic() + float(os.environ.get("KILL_LOOP_SECONDS", "1800"))
    seed = 2
    while time.monotonic() < until:
        kill_again_and_again(site, 40, seed)
        check_all(site)
        seed += 1
