"""The limits on requests hold for all processes together: of several servers on one database, and of --workers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import urllib3
from tests.acceptance.test_cli_serve import Served, key_in, served
from tests.acceptance.test_processes import until
from tests.servers.pauses import PATIENT

MOST = 60
CALLERS = 8


@pytest.fixture(params=["sqlite", "postgresql"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Served]]:
    """Four processes: of one server on SQLite, or of two on one database of PostgreSQL."""
    settings = {"KIST_RATE_KEY": f"{MOST}/h", "KIST_RATE_ADDRESS": f"{MOST * 2}/h"}
    names, workers = ["one"], "4"
    if request.param == "postgresql":
        names, workers = ["one", "two"], "2"
        settings["KIST_DATABASE"] = request.getfixturevalue("database")
        settings |= PATIENT
        settings |= {"KIST_SECRET": "b7e1f0c4d2a893567e1f0c4d2a893567", "KIST_STORE": f"disk:{tmp_path / 'objects'}"}
    with ExitStack() as stack:
        found = []
        for name in names:
            (tmp_path / name).mkdir()
            found.append(stack.enter_context(served(tmp_path / name, "--workers", workers, **settings)))
        yield found


def asked(servers: list[Served], times: int, headers: dict[str, str]) -> Counter[int]:
    """How often which status came, when several callers ask all servers on ever new connections."""

    def ask(number: int) -> int:
        url = servers[number % len(servers)].url
        closing = headers | {"Connection": "close"}
        answer = urllib3.request("GET", f"{url}/v1/me", headers=closing, retries=False, timeout=30)
        if answer.status == 429:
            assert int(answer.headers["retry-after"]) > 0
        return answer.status

    with ThreadPoolExecutor(CALLERS) as threads:
        return Counter(threads.map(ask, range(times)))


def test_all_processes_together_allow_what_is_set(servers: list[Served]) -> None:
    began = time.monotonic()
    key = urllib3.make_headers(basic_auth=f":{key_in(servers[0].greeting)}")
    found = asked(servers, MOST * 3, key)
    assert set(found) == {200, 429}
    # What one process has borrowed and not used is not there for another: at most a tenth for each of the four.
    assert found[200] >= MOST * 0.6
    allowed = late = found[200]
    while late:  # until nobody has any left, not even a process that was held up with what it had borrowed
        assert allowed <= MOST + int((time.monotonic() - began) * MOST / 3600) + 1
        late = asked(servers, MOST, key)[200]
        allowed += late
    until(lambda: asked(servers, 4, {"Authorization": "Bearer kist_no_key"})[429] == 4)  # of the address as well
