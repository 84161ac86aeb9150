"""Workers that are killed by SIGKILL in the middle of syncs and of undos, at every point and at random.

S1: the job is there, no worker began. S2: during listing and planning. S3: a file is sent, nothing written down.
S4: in the middle of deletions. S5: all done, the end not written down. S6: two workers after a lease ran out.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.acceptance.served import disk_settings, s3_settings
from tests.faults.rig.process import PATIENCE, REPOSITORY
from tests.faults.rig.proxy import Proxy, proxying
from tests.servers.server import S3Server
from tests.sync.harm import check_nothing_lost
from tests.sync.place import ROOT, Scene, scene

from kist.model.job import Act, Job, JobState, StepState, SyncOptions
from kist.settings import Settings
from kist.testing.failpoints import VARIABLE

FILES = 60
GONE = 5
AT_ONCE = 4
MIB = 1 << 20


class Place:
    """A scene whose jobs are carried out by child processes."""

    def __init__(self, here: Scene, settings: Settings, log: Path, proxy: Proxy | None) -> None:
        self.here = here
        self._settings = settings
        self.log = log
        self._proxy = proxy

    @contextmanager
    def working(self, *options: str, failpoints: str = "") -> Iterator[subprocess.Popen[str]]:
        """A worker for the length of the block; killed at its end if it is still there."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KIST_")}
        environment |= {**self._environment(), VARIABLE: failpoints}
        command = [sys.executable, "-m", "tests.faults.crash.worker", str(self.log), *options]
        errors = self.log.with_suffix(".err")
        with (
            errors.open("a", encoding="utf-8") as stderr,
            subprocess.Popen(
                command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=stderr, text=True
            ) as process,
        ):
            try:
                assert process.stdout is not None
                assert process.stdout.readline(), errors.read_text()[-2000:]
                yield process
            finally:
                with suppress(ProcessLookupError):
                    process.kill()

    def _environment(self) -> dict[str, str]:
        found = {"KIST_HOME": str(self._settings.home), "KIST_STORE": self._settings.store}
        secrets = {name: secret.reveal() for name, secret in self._settings.s3_secrets.items()}
        return found | {f"KIST_S3_{name.upper()}": value for name, value in secrets.items()}

    async def killed(self, failpoints: str, *options: str) -> bool:
        """A worker at which this happens; whether it was killed by it, and not done before."""
        with self.working(*options, failpoints=failpoints) as process:
            return await asyncio.to_thread(process.wait, PATIENCE) == -signal.SIGKILL

    async def finished(self, job: Job, *options: str) -> Job:
        """The job at its end, by another worker."""
        with self.working(*options) as process:
            assert await asyncio.to_thread(process.wait, PATIENCE) == 0, self.log.with_suffix(".err").read_text()[
                -2000:
            ]
        return await self.here.kist.jobs.get(ROOT, job.id)

    async def until(self, call: str, count: int, process: subprocess.Popen[str]) -> None:
        """Return when the store has carried out so many, or the worker has ended."""
        while process.poll() is None and self.calls(call) < count:  # noqa: ASYNC110 - it is another process that counts
            await asyncio.sleep(0.002)

    def calls(self, call: str) -> int:
        """How often the store has carried this out for any worker."""
        return Counter(self.log.read_text().split())[call] if self.log.exists() else 0

    def sent(self) -> int:
        """How many files the store has taken: by the server's answers where there is one."""
        if self._proxy is None:
            return self.calls("put")
        lines = [line for line in self._proxy.carried_out if line.startswith("PUT ") and "/copy/" in line]
        return sum("copy" not in line.split()[2:] and "partNumber" not in line for line in lines)


@pytest.fixture(params=["disk", "rgw"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    home, folder = tmp_path / "home", tmp_path / "folder"
    folder.mkdir()
    if request.param == "disk":
        settings = disk_settings(home)
        here = await scene(settings, folder)
        yield Place(here, settings, tmp_path / "calls", None)
        await here.kist.close()
        return
    server: S3Server = request.getfixturevalue("rgw")
    with proxying(server.endpoint) as proxy:
        settings = s3_settings(home, S3Server(**{**vars(server), "endpoint": proxy.url}))
        here = await scene(settings, folder)
        yield Place(here, settings, tmp_path / "calls", proxy)
        await here.kist.close()


async def prepared(here: Scene) -> tuple[dict[str, bytes], dict[str, bytes], Job]:
    """A job that has everything to do: what lies there before and what is to lie there afterwards."""
    for number in range(FILES):
        here.write(f"{number:03}", b"first %d" % number)
    assert (await here.sync()).state is JobState.SUCCEEDED
    await here.put("copy/foreign", b"not of a sync")
    before = await here.objects()
    for number in range(GONE):
        (here.folder / f"{number:03}").unlink()
    for number in range(10, 20):
        here.write(f"{number:03}", b"second %d" % number, age=5)
    for number in range(10):
        here.write(f"new/{number}", b"new %d" % number)
    options = SyncOptions(delete=True, at_once=AT_ONCE)
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest, options)
    return before, here.files() | {"foreign": b"not of a sync"}, job


POINTS = {
    "S1 claimed": "catalogue.commit:before:1",
    "S1 nobody told": "catalogue.commit:after:1",
    "S2 before planning": "catalogue.commit:after:2",
    "S2 listing": "store.list:before:1",
    "S2 the steps": "catalogue.commit:before:4",
    "S2 the steps are there": "catalogue.commit:after:4",
    "S2 planned": "catalogue.commit:before:5",
    "S3 begins": "catalogue.commit:after:5",
    "S3 put aside": "store.copy:after:1",
    "S3 sending": "store.put:before:3",
    "S3 sent": "store.put:after:1",
    "S3 sent some more": "store.put:after:9",
    "S3 all sent": "store.put:after:20",
    "S4 putting aside": "store.copy:after:12",
    "S4 all put aside": "store.erase:before:1",
    "S4 deleted": "store.erase:after:1",
}


async def check_end(place: Place, job: Job, after: dict[str, bytes]) -> None:
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
    assert await place.here.objects() == after
    assert (job.progress.files, job.progress.deleted) == (20, GONE)
    steps = [step for step in await place.here.steps(job) if step.act is not Act.NOTE]
    assert {step.state for step in steps} == {StepState.DONE}


@pytest.mark.parametrize("point", POINTS)
async def test_a_sync_that_is_killed(place: Place, point: str) -> None:
    """Another worker finishes it: nothing is lost, hardly anything sent again, and all of it can be taken back."""
    before, after, job = await prepared(place.here)
    sent = place.sent()
    assert await place.killed(f"{POINTS[point]}:kill"), "the point was not reached"
    await check_nothing_lost(place.here, before)
    await check_end(place, await place.finished(job), after)
    assert place.sent() - sent <= 20 + AT_ONCE
    undone = await place.here.undo(await place.here.kist.jobs.get(ROOT, job.id))
    assert (undone.state, undone.reason) == (JobState.SUCCEEDED, "")
    assert await place.here.objects() == before


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith(("S3", "S4"))])
async def test_a_sync_that_is_killed_and_then_cancelled(place: Place, point: str) -> None:
    """What had arrived by then is known as the job's, so all of it can be taken back."""
    before, _, job = await prepared(place.here)
    assert await place.killed(f"{POINTS[point]}:kill"), "the point was not reached"
    await place.here.kist.jobs.cancel(ROOT, job.id)
    job = await place.finished(job)
    assert job.state is JobState.CANCELLED
    await check_nothing_lost(place.here, before)
    assert (await place.here.undo(job)).state is JobState.SUCCEEDED
    assert await place.here.objects() == before


async def test_s5_done_but_not_written_down(place: Place) -> None:
    """From the last commit on, each way there is: the one that ends the job, and those before it."""
    before, after, job = await prepared(place.here)
    for number in range(6, 30):
        if not await place.killed(f"catalogue.commit:before:{number}:kill", "--lease", "0.3"):
            break
        await check_nothing_lost(place.here, before)
    await check_end(place, await place.here.kist.jobs.get(ROOT, job.id), after)


async def test_s6_a_worker_that_was_thought_dead(place: Place) -> None:
    """It wakes up when another one has finished the job, and touches nothing any more."""
    before, after, job = await prepared(place.here)
    with place.working("--slow", "0.05") as sleeper:
        await place.until("put", 5, sleeper)
        sleeper.send_signal(signal.SIGSTOP)
        await check_end(place, await place.finished(job), after)
        await place.here.put("copy/000", b"by somebody else")
        await place.here.put("copy/new/9", b"by somebody else")
        sleeper.send_signal(signal.SIGCONT)
        assert await asyncio.to_thread(sleeper.wait, PATIENCE) == 0
    late = {"000": b"by somebody else", "new/9": b"by somebody else"}
    assert await place.here.objects() == after | late
    await check_nothing_lost(place.here, {key: data for key, data in before.items() if key not in late})
    assert (await place.here.kist.jobs.get(ROOT, job.id)).state is JobState.SUCCEEDED


UNDONE = [
    "catalogue.commit:after:2",
    "catalogue.commit:after:4",
    "store.copy:after:1",
    "store.copy:after:2",
    "store.copy:before:7",
    "store.copy:after:25",
    "store.erase:before:1",
    "store.erase:after:1",
]


@pytest.mark.parametrize("point", UNDONE)
async def test_an_undo_that_is_killed(place: Place, point: str) -> None:
    """And one of an undone undo: what the sync had written is still there to be brought back."""
    here = place.here
    before, after, job = await prepared(here)
    assert (await here.carry_out(job)).state is JobState.SUCCEEDED
    undo = await here.kist.jobs.undo(ROOT, job.id)
    assert await place.killed(f"{point}:kill"), "the point was not reached"
    await check_nothing_lost(here, {key: data for key, data in after.items() if not key.startswith("new/")})
    undo = await place.finished(undo)
    assert (undo.state, undo.reason) == (JobState.SUCCEEDED, "")
    assert await here.objects() == before
    again = await here.undo(undo)
    assert again.state is JobState.SUCCEEDED
    assert await here.objects() == after


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
async def test_killed_five_times_in_one_job(place: Place, seed: int) -> None:
    """No file that was sent and could be written down is sent again: at most those under way at each kill."""
    here, dice, many = place.here, random.Random(seed), 300
    for number in range(many):
        here.write(f"{number % 7}/{number:03}", b"%d" % number * (number + 1))
    job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest, SyncOptions(at_once=AT_ONCE))
    for kill in range(5):
        goal = dice.randint(kill * many // 6, (kill + 1) * many // 6)
        with place.working("--slow", "0.005") as process:
            await place.until("put", goal, process)
            await asyncio.sleep(dice.random() * 0.05)
            process.kill()
    job = await place.finished(job)
    assert (job.state, job.progress.files) == (JobState.SUCCEEDED, many)
    assert await here.objects() == here.files()
    assert place.sent() <= many + 5 * AT_ONCE
    undone = await here.undo(job)
    assert (undone.state, await here.objects()) == (JobState.SUCCEEDED, {})


async def killed_until_it_ends(place: Place, job: Job, dice: random.Random, before: dict[str, bytes]) -> Job:
    """The job at its end, after worker upon worker that was given less than two seconds."""
    while not job.state.ended:
        with place.working("--slow", "0.02", "--lease", "0.3") as process, suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 0.3 + dice.random())
        await check_nothing_lost(place.here, before)
        job = await place.here.kist.jobs.get(ROOT, job.id)
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
    return job


async def test_killed_at_random_in_syncs_and_undos(place: Place, request: pytest.FixtureRequest) -> None:
    """There and back, each way killed again and again. Longer with --long."""
    here, dice = place.here, random.Random(7)
    before, after, job = await prepared(here)
    for _ in range(10 if request.config.getoption("--long") else 1):
        job = await killed_until_it_ends(place, job, dice, before)
        assert await here.objects() == after
        undo = await here.kist.jobs.undo(ROOT, job.id)
        await killed_until_it_ends(place, undo, dice, before)
        assert await here.objects() == before
        options = SyncOptions(delete=True, at_once=AT_ONCE)
        job = await here.kist.jobs.start(ROOT, str(here.folder), here.dest, options)


async def test_a_large_file_goes_on_at_its_last_finished_part(place: Place) -> None:
    data = os.urandom(MIB) * 40
    place.here.write("large", data)
    job = await place.here.kist.jobs.start(ROOT, str(place.here.folder), place.here.dest)
    parts = ("--large", str(10 * MIB), "--part", str(5 * MIB))
    for point in ("put_part:after:3", "put_part:before:3", "finish_parts:before:1", "finish_parts:after:1"):
        assert await place.killed(f"store.{point}:kill", *parts), point
    job = await place.finished(job, *parts)
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
    assert await place.here.get("copy/large") == data
    assert place.calls("start_parts") == 1
    assert place.calls("put_part") <= 8 + 2 * 4, "at most those under way at each of two kills"


async def test_no_part_is_left_of_a_large_file_whose_job_is_cancelled(place: Place) -> None:
    place.here.write("large", os.urandom(MIB) * 40)
    job = await place.here.kist.jobs.start(ROOT, str(place.here.folder), place.here.dest)
    assert await place.killed("store.put_part:after:3:kill", "--large", str(10 * MIB), "--part", str(5 * MIB))
    await place.here.kist.jobs.cancel(ROOT, job.id)
    assert (await place.finished(job)).state is JobState.CANCELLED
    store = place.here.ports.store
    assert [one.key async for one in store.open_parts(place.here.bucket)] == []  # type: ignore[attr-defined]
    assert await place.here.objects() == {}
