"""A server that is started before its PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.postgres import Cluster
from tests.unit.asgi.toy import until

PATIENCE = 60.0
WORKERS = [pytest.param("1", id="one process"), pytest.param("2", id="two processes")]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_server_waits_for_its_database(cluster: Cluster, tmp_path: Path, workers: str) -> None:
    cluster.stop()
    settings = {
        "KIST_HOME": str(tmp_path / "home"),
        "KIST_DATABASE": cluster.server.url,
        "KIST_SECRET": "b7e1f0c4d2a893567e1f0c4d2a893567",
    }
    log = tmp_path / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "kist.cli", "serve", "--port", "0", "--workers", workers],
            env={"PATH": os.environ["PATH"], **settings},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as server,
    ):
        try:
            until(lambda: "not started yet: the database does not answer" in log.read_text())
            cluster.start()
            assert server.stdout is not None
            assert server.stdout.readline().startswith("Kist serves http://127.0.0.1:")
            server.terminate()
            assert server.wait(PATIENCE) == 0
        finally:
            server.kill()
