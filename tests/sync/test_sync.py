"""A folder and a bucket in step: what is sent, what is left alone, what is deleted and brought back."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.sync.place import ROOT, Scene, one

from kist.model.content import PutRules
from kist.model.job import Act, Compare, JobState, StepState
from kist.model.place import Place
from kist.sync import transfer

MIB = 1 << 20


NAMES = (
    "a",
    "a-b",
    "a.b",
    "a/b",
    "a/b-c/d",
    "empty",
    "e\u0301",
    "\u00e9",
    "日本語/名前 1",
    "\U0001f600",
    "x" * 200,
    "q?&=#%20+",
)


def fill(here: Scene) -> None:
    for number, name in enumerate(name for name in NAMES if name != "a"):
        here.write(name, b"" if name == "empty" else name.encode() * (number + 1))


async def test_a_first_sync_and_one_with_nothing_to_do(here: Scene) -> None:
    fill(here)
    job = await here.sync()
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
    assert await here.objects() == here.files()
    assert (job.progress.files, job.progress.percent) == (len(NAMES) - 1, 100)
    assert job.progress.bytes == sum(map(len, here.files().values()))
    again = await here.sync()
    assert (again.state, again.progress.files, again.progress.unchanged) == (JobState.SUCCEEDED, 0, len(NAMES) - 1)
    assert await here.steps(again) == []


async def test_what_has_changed_is_sent(here: Scene) -> None:
    fill(here)
    await here.sync()
    here.write("a-b", b"longer than before")
    here.write("a.b", here.files()["a.b"], age=50)
    here.write("new/file", b"new")
    job = await here.sync()
    assert await here.objects() == here.files()
    assert {(step.key, step.act) for step in await here.steps(job)} == {
        ("a-b", Act.REPLACE),
        ("a.b", Act.REPLACE),
        ("new/file", Act.CREATE),
    }


async def test_by_checksum_the_same_bytes_are_not_sent(here: Scene) -> None:
    fill(here)
    await here.sync()
    for name in ("a-b", "a.b"):
        here.write(name, here.files()[name], age=10)
    here.write("a/b", here.files()["a/b"].swapcase(), age=10)
    job = await here.sync(compare=Compare.CHECKSUM)
    assert [(step.key, step.reason) for step in await here.steps(job)] == [("a/b", "other bytes")]
    assert await here.objects() == here.files()


async def test_deletions_are_for_what_a_sync_put_there(here: Scene) -> None:
    fill(here)
    await here.put("copy/foreign", b"not ours")
    await here.put("elsewhere", b"not there")
    await here.sync()
    (here.folder / "a-b").unlink()
    assert (await here.sync()).progress.deleted == 0, "unless it is asked for, nothing is deleted"
    job = await here.sync(delete=True)
    assert (job.state, job.progress.deleted) == (JobState.SUCCEEDED, 1)
    assert await here.objects() == here.files() | {"foreign": b"not ours"}
    assert await here.get("elsewhere") == b"not there"
    assert {(step.key, step.act) for step in await here.steps(job)} == {
        ("a-b", Act.DELETE),
        ("foreign", Act.NOTE),
    }


async def test_undo_brings_back_what_was_deleted_and_overwritten(here: Scene) -> None:
    fill(here)
    await here.sync()
    before = await here.objects()
    (here.folder / "a-b").unlink()
    here.write("a.b", b"overwritten")
    here.write("made", b"made")
    job = await here.sync(delete=True)
    assert await here.objects() == here.files() != before
    undone = await here.undo(job)
    assert (undone.state, undone.reason) == (JobState.SUCCEEDED, "")
    assert await here.objects() == before
    redone = await here.sync(delete=True)
    assert redone.state is JobState.SUCCEEDED
    assert await here.objects() == here.files()


async def test_undo_leaves_alone_what_changed_since(here: Scene) -> None:
    fill(here)
    await here.sync()
    here.write("a.b", b"overwritten")
    job = await here.sync()
    await here.put("copy/a.b", b"by somebody else")
    await here.undo(job)
    assert await here.get("copy/a.b") == b"by somebody else"


async def test_back_into_a_folder(here: Scene, tmp_path: Path) -> None:
    fill(here)
    await here.sync()
    back = tmp_path / "back"
    back.mkdir()
    job = await here.sync(here.dest, str(back))
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
    there = {path.relative_to(back).as_posix(): path.read_bytes() for path in back.rglob("*") if path.is_file()}
    assert there == here.files()
    assert (await here.sync(here.dest, str(back))).progress.files == 0
    await here.put("copy/a-b", b"changed in the bucket")
    await here.ports.store.erase(*[])
    changed = await here.sync(here.dest, str(back), delete=True)
    assert (changed.progress.files, (back / "a-b").read_bytes()) == (1, b"changed in the bucket")
    await here.undo(changed)
    assert (back / "a-b").read_bytes() == here.files()["a-b"]


async def test_from_bucket_to_bucket(here: Scene) -> None:
    fill(here)
    await here.sync()
    job = await here.sync(here.dest, f"{here.bucket}/other")
    assert job.state is JobState.SUCCEEDED
    assert await here.keys("other/") == await here.keys()
    assert (await here.sync(here.dest, f"{here.bucket}/other")).progress.files == 0


async def test_copies_keep_their_type(here: Scene) -> None:
    for prefix in ("", "copy/"):
        rules = PutRules(size=4, type="image/png")
        await here.ports.store.put(Place(here.bucket, f"{prefix}picture"), one(b"data"), rules)
    assert (await here.sync(here.dest, f"{here.bucket}/other")).state is JobState.SUCCEEDED
    before = await here.ports.store.head(Place(here.bucket, "copy/picture"))  # a disk keeps none
    assert (await here.ports.store.head(Place(here.bucket, "other/picture"))).type == before.type


async def test_a_wrong_guess_at_the_parts_of_an_object_changes_nothing(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object of 70 MiB in five parts may have been sent in parts of 15 or of 16 MiB."""
    here.write("large", os.urandom(MIB) * 70)
    await here.sync()
    monkeypatch.setattr(transfer, "_part_size", lambda size, parts: 15 * MIB if parts else None)
    os.utime(here.folder / "large")
    assert (await here.sync(compare=Compare.CHECKSUM)).progress.files == 0


async def test_a_folder_on_a_disk_without_links(here: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    back = tmp_path / "back"
    back.mkdir()
    for name in ("gone", "changed", "kept"):
        await here.put(f"copy/{name}", name.encode())

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert (await here.sync(here.dest, str(back))).state is JobState.SUCCEEDED
    await here.ports.store.erase(Place(here.bucket, "copy/gone"))
    await here.put("copy/changed", b"changed since")
    job = await here.sync(here.dest, str(back), delete=True)
    assert (job.state, job.progress.files, job.progress.deleted) == (JobState.SUCCEEDED, 1, 1)
    undo = await here.undo(job)
    assert {path.name: path.read_bytes() for path in back.iterdir() if path.is_file()} == {
        "gone": b"gone", "changed": b"changed", "kept": b"kept",
    }  # fmt: skip
    await here.undo(undo)
    assert (back / "changed").read_bytes() == b"changed since"


@pytest.mark.parametrize("size", [5 * MIB - 1, 5 * MIB, 8 * MIB + 1, 70 * MIB])
async def test_large_files(here: Scene, tmp_path: Path, size: int) -> None:
    data = os.urandom(1024) * (size // 1024 + 1)
    here.write("large", data[:size])
    job = await here.sync()
    assert (job.state, job.reason, job.progress.bytes) == (JobState.SUCCEEDED, "", size)
    assert await here.get("copy/large") == data[:size]
    (tmp_path / "back").mkdir()
    assert (await here.sync(here.dest, str(tmp_path / "back"))).state is JobState.SUCCEEDED
    assert (tmp_path / "back" / "large").read_bytes() == data[:size]
    here.write("large", data[:size], age=5)
    assert (await here.sync(compare=Compare.CHECKSUM)).progress.files == 0


async def test_patterns(here: Scene) -> None:
    for key in ("keep.jpg", "skip.tmp", "sub/keep.jpg", "sub/skip.tmp", "cache/deep/x.jpg", "notes.txt"):
        here.write(key)
    await here.sync(include=("*.jpg", "*.tmp"), exclude=("*.tmp", "cache/"))
    assert await here.keys() == ["keep.jpg", "sub/keep.jpg"]
    job = await here.sync(delete=True, exclude=("keep.jpg",))
    assert job.progress.deleted == 0, "what is excluded is not deleted either"


async def test_a_dry_run_changes_nothing(here: Scene) -> None:
    fill(here)
    job = await here.sync(dry_run=True)
    assert (job.state, job.progress.files, job.progress.files_total) == (JobState.SUCCEEDED, 0, len(NAMES) - 1)
    assert await here.keys() == []
    assert {step.state for step in await here.steps(job)} == {StepState.PLANNED}


async def test_immutable_overwrites_nothing(here: Scene) -> None:
    fill(here)
    await here.sync()
    here.write("a-b", b"other")
    here.write("new", b"new")
    job = await here.sync(immutable=True)
    assert (job.state, "would change" in job.reason) == (JobState.FAILED, True)
    assert "new" not in await here.keys()


async def test_one_bad_file_does_not_stop_the_rest(here: Scene) -> None:
    for number in range(20):
        here.write(f"{number:02}")
    (here.folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(here.folder / "pipe")
    (here.folder / "back\\slash").write_bytes(b"x")
    os.mknod(os.fsencode(here.folder) + b"/\xff\xfe")
    job = await here.sync(delete=True)
    assert (job.state, job.progress.files) == (JobState.SUCCEEDED, 20)
    notes = {step.key: step.reason for step in await here.steps(job) if step.act is Act.NOTE}
    assert notes == {
        "link": "is a link, which is not followed",
        "pipe": "is no regular file",
        "back\\slash": "its name cannot be a key",
        "\\xff\\xfe": "its name cannot be a key",
    }
    assert len(await here.keys()) == 20


async def test_a_job_can_be_watched_only_by_its_own(here: Scene) -> None:
    job = await here.sync()
    assert (job.state, job.reason) == (JobState.SUCCEEDED, "")
    assert await here.kist.jobs.get(ROOT, str(job.number)) == job
