"""What is counted is what is shown, under labels whose number nobody outside can drive up."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.service.world import ANN, World

from kist.chores.audit import AUDIT
from kist.chores.chore import Chore, run_chore
from kist.drive import drive
from kist.errors import CatalogueBusy, StoreUnavailable
from kist.metrics import LEVELS, Prometheus
from kist.service.kist import Kist
from kist.service.levels import Levels
from kist.service.links import Links
from kist.service.uncounted import Uncounted
from kist.testing.clock import FakeClock

Samples = dict[tuple[str, frozenset[str]], float]


@pytest.fixture
def measures() -> Prometheus:
    return Prometheus(FakeClock())


def samples(measures: Prometheus, **levels: float) -> Samples:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(measures.shown(levels).body.decode())
    return {(s.name, frozenset(s.labels.values())): s.value for family in families for s in family.samples}


def value(found: Samples, name: str, *labels: str) -> float | None:
    return found.get((f"kist_{name}", frozenset(labels)))


def test_a_request_is_counted_by_what_it_asked_for_and_what_it_got(measures: Prometheus) -> None:
    route = measures.at("native", "files-read")
    route.answered("GET", 200, seconds=0.002, received=0, sent=10)
    route.answered("GET", 206, seconds=0.05, received=3, sent=20)
    route.answered("HEAD", 404, seconds=100, received=0, sent=0)
    found = samples(measures)
    assert value(found, "requests_total", "native", "files-read", "GET", "2xx") == 2
    assert value(found, "requests_total", "native", "files-read", "HEAD", "4xx") == 1
    assert value(found, "received_bytes_total") == 3
    assert value(found, "sent_bytes_total") == 30
    assert value(found, "request_seconds_count", "native", "files-read") == 3
    assert value(found, "request_seconds_sum", "native", "files-read") == pytest.approx(100.052)


@pytest.mark.parametrize(("limit", "within"), [("0.001", 0), ("0.005", 1), ("0.05", 2), ("60", 2), ("+Inf", 3)])
def test_a_duration_is_within_its_limit_and_all_above(measures: Prometheus, limit: str, within: int) -> None:
    for seconds in (0.002, 0.05, 100):
        measures.at("native", "x").answered("GET", 200, seconds=seconds, received=0, sent=0)
    assert samples(measures)["kist_request_seconds_bucket", frozenset({"native", "x", limit})] == within


def test_a_route_has_the_same_counts_for_all_who_ask(measures: Prometheus) -> None:
    for _ in range(2):
        measures.at("native", "x").answered("GET", 200, seconds=0, received=0, sent=0)
    assert value(samples(measures), "requests_total", "native", "x", "GET", "2xx") == 2


def test_two_servers_in_one_process_count_apart(measures: Prometheus) -> None:
    measures.at("native", "x").answered("GET", 200, seconds=0, received=1, sent=0)
    assert value(samples(Prometheus(FakeClock())), "received_bytes_total") == 0


def test_methods_that_somebody_made_up_are_one(measures: Prometheus) -> None:
    nowhere = measures.at("native", "")
    for number in range(1000):
        nowhere.answered(f"SECRET{number}", 405, seconds=0, received=0, sent=0)
    nowhere.answered("GET", 0, seconds=0, received=0, sent=0)
    found = samples(measures)
    assert value(found, "requests_total", "native", "none", "other", "4xx") == 1000
    assert ("kist_requests_total", frozenset({"native", "none", "GET"})) in found, "no answer, at no route"
    assert len([name for name, _ in found if name == "kist_requests_total"]) == 2
    assert "SECRET" not in measures.shown({}).body.decode()


def test_what_is_under_way_ends(measures: Prometheus) -> None:
    route = measures.at("native", "files-create")
    route.begin()
    route.begin()
    measures.upload_begins()
    route.end()
    found = samples(measures)
    assert (value(found, "requests_under_way"), value(found, "uploads_under_way")) == (1, 1)
    route.end()
    measures.upload_ends()
    found = samples(measures)
    assert (value(found, "requests_under_way"), value(found, "uploads_under_way")) == (0, 0)


def test_chores_are_counted_where_they_run() -> None:
    world = World()
    measures = Prometheus(world.clock)
    kist = Kist(world.ports, world.kist.keys, world.kist.entry, measures=lambda: measures)

    async def does(kist: Kist) -> int:
        return 3

    async def fails(kist: Kist) -> int:
        raise StoreUnavailable("down")

    async def breaks(kist: Kist) -> int:
        raise RuntimeError("a bug")

    for run in (does, fails, does, breaks):
        drive(run_chore(kist, Chore("sweeping", AUDIT.every, run)))
    found = samples(measures)
    assert value(found, "chore_runs_total", "sweeping") == 4
    assert value(found, "chore_failures_total", "sweeping") == 2
    assert value(found, "chore_done_total", "sweeping") == 6
    assert value(found, "chore_last_success_timestamp_seconds", "sweeping") == world.clock.now().timestamp()


def test_a_chore_that_only_failed_has_no_last_success(measures: Prometheus) -> None:
    measures.chore_failed("x")
    found = samples(measures)
    assert value(found, "chore_failures_total", "x") == 1
    assert value(found, "chore_last_success_timestamp_seconds", "x") is None


def test_levels_are_those_of_the_catalogue_and_of_the_last_audit() -> None:
    world = World()
    kept, lost = world.put(ANN, "kept", b"12345"), world.put(ANN, "lost", b"123")
    drive(world.kist.files.remove(ANN, world.put(ANN, "removed", b"1").id))
    drive(world.store.erase(lost.place))
    links = drive(world.kist.links.make(ANN, [kept.id])).links
    for _ in range(3):
        drive(world.kist.links.follow(world.kist.links.token(links[kept.id])))
    levels = Levels(world.ports, world.kist.audit, world.kist.links)
    before = drive(levels.read())
    assert [name for name in before if name.startswith("audit")] == []
    assert (before["files"], before["bytes"], before["doomed"], before["due"]) == (2, 8, 1, 0)
    assert before["link_uses_waiting"] == 3
    drive(run_chore(world.kist, AUDIT))
    drive(world.kist.links.write_down())
    after = drive(levels.read())
    assert (after["audit_lost"], after["audit_differs"], after["link_uses_waiting"]) == (1, 0, 0)
    assert after["audit_last_run_timestamp_seconds"] == world.clock.now().timestamp()
    assert after.keys() == LEVELS.keys()


def test_a_catalogue_that_does_not_answer_leaves_gaps(measures: Prometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    async def busy(now: object) -> None:
        raise CatalogueBusy("busy")

    monkeypatch.setattr(world.catalogue, "totals", busy)
    levels = drive(Levels(world.ports, world.kist.audit, Links(world.ports)).read())
    assert levels == {"link_uses_waiting": 0}
    found = samples(measures, **levels)
    assert value(found, "link_uses_waiting") == 0
    assert value(found, "files") is None


def test_a_kist_that_nobody_watches_shows_nothing() -> None:
    world = World()
    assert isinstance(world.kist.measures, Uncounted)
    assert drive(world.kist.metrics()).body == b""


@pytest.mark.parametrize("module", ["kist", "kist.app", "kist.asgi.app", "kist.chores.schedule", "kist.cli"])
def test_the_library_is_loaded_by_those_who_count(module: str) -> None:
    code = f"import sys, {module}; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
