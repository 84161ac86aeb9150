"""How far a job is, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kist.cli import watching
from kist.cli.running import summary
from kist.cli.watching import Watch, duration, line
from kist.dialects.native.syncs import JobShape, shape_job
from kist.errors import Broken, SourceMissing, StoreRefused, error_in
from kist.model.job import Job, JobState, Progress, SyncOptions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(state: JobState = JobState.RUNNING, *, reason: str = "", undo: bool = False, **progress: Any) -> JobShape:
    return shape_job(
        Job(
            id="x",
            number=7,
            actor="ann",
            admin=False,
            source="a",
            dest="b",
            options=SyncOptions(undo_of="y" if undo else None),
            state=state,
            reason=reason,
            created_at=NOW,
            progress=Progress(**progress),
        )
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (59.4, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (7505, "2 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_how_far_it_is() -> None:
    assert line(job(JobState.PLANNING)) == "planning, 0/0 files"
    far = job(files=1200, files_total=2000, bytes=10**6, bytes_total=10**7, deleted_total=4, errors=1, rate=3e6)
    assert line(far) == "running, 1,200/2,000 files, 1.0 MB of 10 MB, 0/4 deleted, 1 failed, 3.0 MB/s, 3 s left"


def test_what_it_has_done() -> None:
    assert summary(job(JobState.SUCCEEDED)) == "nothing to do"
    assert summary(job(JobState.CANCELLED)) == "nothing done"
    assert summary(job(JobState.SUCCEEDED, files=1, deleted=2, undo=True)) == "1 file brought back, 2 deleted"
    partly = job(JobState.SUCCEEDED_WITH_ERRORS, files=2, bytes=5, unchanged=3, errors=1)
    assert summary(partly) == "2 files sent (5 B), 3 unchanged, 1 failed"
    dry = job(JobState.SUCCEEDED, reason="dry run", files_total=2, bytes_total=5, deleted_total=1)
    assert summary(dry) == "2 files to send (5 B), 1 to delete"


def test_elsewhere_than_on_a_terminal_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(watching, "ticks", lambda: now)
    with Watch(silent=False) as watch:
        for now in (100.5, 104.9, 105.0, 105.5, 110.1):  # noqa: B007  # read by ticks
            watch.told(job(files=1, files_total=2))
    assert capsys.readouterr().err == "job 7: running, 1/2 files\n" * 2
    with Watch(silent=True) as watch:
        now = 200.0
        watch.told(job())
    assert capsys.readouterr().err == ""


def test_the_error_that_ended_a_job() -> None:
    error = error_in("source_missing: the folder is not there: look")
    assert (type(error), error.message) == (SourceMissing, "the folder is not there: look")
    assert type(error_in("store_refused: x")) is StoreRefused
    assert type(error_in("something else")) is Broken
