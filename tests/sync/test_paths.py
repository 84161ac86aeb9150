"""Keys and paths that lead astray, files that change under the reader's eyes, and disks that are full."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.sync.harm import sync_with
from tests.sync.place import ROOT, Scene

from kist.errors import BadName
from kist.model.content import Listed
from kist.model.job import Act, Job, JobState, StepState
from kist.model.place import Place
from kist.sync import local, transfer
from kist.sync.bucket import BucketTree
from kist.sync.folder import FolderTree
from kist.sync.local import folder_of

SECRET = b"not for others"
KIB = 1024


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder beside all that is synced."""
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "file").write_bytes(SECRET)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


async def errors(here: Scene, job: Job) -> dict[str, str]:
    return {step.key: step.error or "" for step in await here.steps(job) if step.state is StepState.FAILED}


@pytest.mark.parametrize(
    "key", ["", "..", "../x", "a/../../x", "/etc/x", "a//b", "a/", ".", "a/./b", "a\0b", "/", "a/.."]
)
def test_no_key_leads_out_of_a_folder(tmp_path: Path, key: str) -> None:
    root = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(BadName), folder_of(root, key, make=True):
            pass
    finally:
        os.close(root)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", [".kist", ".kist/tmp/x", ".kist/trash/job/x"])
async def test_nothing_of_kists_own_is_written_or_removed(here: Scene, key: str) -> None:
    folder = FolderTree(here.folder, here.work._aside, here.ports.ids)
    bucket = BucketTree(here.ports.store, here.bucket)

    async def body() -> Any:
        yield b"x"

    for tree in (folder, bucket):
        for attempt in (
            tree.write(key, body(), size=1, modified=0),
            tree.remove(key),
            tree.restore("a", key),
            tree.keep(key, ".kist/trash/x/y"),
        ):
            with pytest.raises(BadName):
                await attempt


STRANGE = {
    "a//b": "its key is no path",
    "../x": "its key is no path",
    "sub/": "its key is no path",
    "x/../../../y": "its key is no path",
    "back\\slash": "its key is no path",
}


async def test_keys_that_are_no_path(here: Scene, tmp_path: Path) -> None:
    """S3 takes any key. What cannot be a file is said, and nothing is written outside."""
    await here.put("copy/plain", b"plain")
    await here.put("copy/" + "n" * 250, b"at the limit")
    real = here.ports.store.list

    async def listing(bucket: str, prefix: str = "", after: str = "") -> Any:
        found = [listed async for listed in real(bucket, prefix, after)]
        if prefix == "copy/":
            found += [Listed(key=prefix + key, size=3, etag="x", modified=found[0].modified) for key in STRANGE]
        for listed in sorted(found, key=lambda listed: listed.key):
            yield listed

    here.ports.store.list = listing  # type: ignore[method-assign]
    back = tmp_path / "back"
    back.mkdir()
    job = await here.sync(here.dest, str(back), delete=True)
    assert job.state is JobState.SUCCEEDED
    notes = {step.key: step.reason for step in await here.steps(job) if step.act is Act.NOTE}
    assert set(notes) == set(STRANGE)
    assert all("no path" in reason for reason in notes.values())
    assert files_in(back) == {"plain": b"plain", "n" * 250: b"at the limit"}
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "y").exists()


async def test_keys_that_this_folder_cannot_hold(request: pytest.FixtureRequest, here: Scene, tmp_path: Path) -> None:
    """A name of 300 bytes, and a file where another has a folder. The rest comes."""
    if "disk" in request.node.name:
        pytest.skip("a store on disk cannot hold them either")
    for key in ("n" * 300, "a", "a/b", "plain"):
        await here.put(f"copy/{key}", key.encode())
    back = tmp_path / "back"
    back.mkdir()
    job = await here.sync(here.dest, str(back))
    assert (job.state, job.progress.files, job.progress.errors) == (JobState.SUCCEEDED_WITH_ERRORS, 2, 2)
    assert "n" * 300 in await errors(here, job)
    assert files_in(back)["plain"] == b"plain"
    assert list((back / ".kist/tmp").iterdir()) == []


async def test_a_long_key_can_be_put_aside(request: pytest.FixtureRequest, here: Scene) -> None:
    key = "/".join(["d" * 200] * 4 + ["n" * 200])
    here.write(key, b"old")
    await here.sync()
    here.write(key, b"newer")
    job = await here.sync()
    assert (job.state, job.reason, await here.objects()) == (JobState.SUCCEEDED, "", {key: b"newer"})
    await here.undo(job)
    assert await here.objects() == {key: b"old"}


async def test_links_are_not_followed(here: Scene, secret: Path) -> None:
    here.write("a")
    (here.folder / "file").symlink_to(secret / "file")
    (here.folder / "folder").symlink_to(secret)
    (here.folder / "dangling").symlink_to("nowhere")
    job = await here.sync()
    assert (job.state, await here.keys()) == (JobState.SUCCEEDED, ["a"])
    reasons = {step.key: step.reason for step in await here.steps(job) if step.act is Act.NOTE}
    assert set(reasons) == {"file", "folder", "dangling"}


async def test_a_folder_that_becomes_a_link_after_the_plan(here: Scene, secret: Path) -> None:
    """Whoever may write to the source must not make Kist read what they may not."""
    here.write("sub/file", SECRET)
    here.write("a")
    then = (here.folder / "sub/file").stat().st_mtime
    os.utime(secret / "file", (then, then))

    async def swap(job: Job) -> None:
        (here.folder / "sub").rename(here.folder / "gone")
        (here.folder / "sub").symlink_to(secret)

    job = await sync_with(here, swap)
    assert (job.state, await here.keys()) == (JobState.SUCCEEDED_WITH_ERRORS, ["a"])


async def test_a_destination_that_becomes_a_link(here: Scene, secret: Path, tmp_path: Path) -> None:
    """Nothing is written, replaced or removed where the link leads."""
    for key in ("sub/file", "sub/new", "a"):
        await here.put(f"copy/{key}", b"from the bucket")
    back = tmp_path / "back"
    back.mkdir()
    await here.sync(here.dest, str(back))
    await here.put("copy/sub/file", b"changed in the bucket")
    await here.ports.store.erase(Place(here.bucket, "copy/sub/new"))
    (secret / "new").write_bytes(SECRET)

    async def swap(job: Job) -> None:
        (back / "sub").rename(back / "gone")
        (back / "sub").symlink_to(secret)

    job = await sync_with(here, swap, here.dest, str(back), delete=True)
    assert job.state is JobState.SUCCEEDED_WITH_ERRORS
    assert files_in(secret) == {"file": SECRET, "new": SECRET}
    (back / "sub").unlink()
    (back / "sub").symlink_to(secret)
    job = await here.sync(here.dest, str(back), delete=True)
    assert files_in(secret) == {"file": SECRET, "new": SECRET}


@pytest.mark.parametrize("change", ["grows", "shrinks", "is edited", "is replaced"])
@pytest.mark.parametrize("size", [10, 3 << 20])
async def test_a_file_that_changes_while_it_is_read(
    here: Scene, monkeypatch: pytest.MonkeyPatch, change: str, size: int
) -> None:
    """What is there afterwards is the old whole or the new whole, and the next sync brings it."""
    path = here.write("file", b"1" * size)
    here.write("other")
    inode = path.stat().st_ino

    def changing(found: bytes, descriptor: int) -> bytes:
        if os.fstat(descriptor).st_ino == inode and path.stat().st_ino == inode:
            with path.open("r+b") as file:
                if change == "grows":
                    file.seek(0, 2)
                    file.write(b"more")
                elif change == "shrinks":
                    file.truncate(size // 2)
                elif change == "is edited":
                    file.write(b"2")
            if change == "is replaced":
                path.rename(here.folder.with_name("old"))
                path.write_bytes(b"2" * size)
        return found

    reads = {"read": os.read, "pread": os.pread}
    for name, real in reads.items():
        monkeypatch.setattr(os, name, lambda file, *more, real=real: changing(real(file, *more), file))
    job = await here.sync()
    monkeypatch.undo()
    if change == "is replaced":
        assert (await here.objects())["file"] == b"1" * size, "the old file was read to its end"
    else:
        assert (job.state, job.progress.files) == (JobState.SUCCEEDED_WITH_ERRORS, 1)
        assert "stale" in (await errors(here, job))["file"]
        assert "file" not in await here.objects()
    assert (await here.sync()).state is JobState.SUCCEEDED
    assert await here.objects() == here.files()


async def test_a_file_that_cannot_be_read_to_its_end(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    path = here.write("bad", b"x" * 10)
    here.write("good")
    inode = path.stat().st_ino

    def bad(real: Any, descriptor: int, *more: int) -> Any:
        if os.fstat(descriptor).st_ino == inode:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor, *more)

    for name in ("read", "pread"):
        monkeypatch.setattr(os, name, partial(bad, getattr(os, name)))
    job = await here.sync()
    assert (job.state, await here.keys()) == (JobState.SUCCEEDED_WITH_ERRORS, ["good"])
    assert "Input/output error" in (await errors(here, job))["bad"]


@pytest.mark.parametrize("call", ["pwrite", "fsync", "truncate"])
@pytest.mark.parametrize("large", [False, True])
async def test_a_disk_that_is_full_leaves_no_half_file(
    here: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, large: bool
) -> None:
    monkeypatch.setattr(transfer, "LARGE", 100 * KIB if large else 1 << 30)
    monkeypatch.setattr(transfer, "PART", 64 * KIB)
    back = tmp_path / "back"
    back.mkdir()
    await here.put("copy/kept", b"old")
    await here.sync(here.dest, str(back))
    await here.put("copy/kept", b"new" * 100 * KIB)
    await here.put("copy/new", b"new" * 100 * KIB)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(local.os, call, full)  # type: ignore[attr-defined]
        job = await here.sync(here.dest, str(back), delete=True)
    assert (job.state, job.progress.errors) == (JobState.SUCCEEDED_WITH_ERRORS, 2)
    assert "store_full" in (await errors(here, job))["new"]
    found = {key: data for key, data in files_in(back).items() if not key.startswith(".kist/trash/")}
    assert found == {"kept": b"old"}
    await here.kist.jobs.resume(ROOT, job.id)
    assert (await here.carry_out(await here.kist.jobs.get(ROOT, job.id))).state is JobState.SUCCEEDED
    assert (back / "new").read_bytes() == (back / "kept").read_bytes() == b"new" * 100 * KIB


async def test_what_a_killed_process_left_half_written_is_removed(here: Scene, tmp_path: Path) -> None:
    back = tmp_path / "back"
    (back / ".kist/tmp").mkdir(parents=True)
    (back / ".kist/tmp/0123").write_bytes(b"half")
    await here.put("copy/a", b"a")
    assert (await here.sync(here.dest, str(back))).state is JobState.SUCCEEDED
    assert files_in(back) == {"a": b"a"}


async def test_what_was_put_aside_in_a_folder_long_ago_is_removed(here: Scene, tmp_path: Path) -> None:
    back = tmp_path / "back"
    back.mkdir()
    await here.put("copy/a", b"first")
    await here.sync(here.dest, str(back))
    for data in (b"second", b"the third"):
        await here.put("copy/a", data)
        job = await here.sync(here.dest, str(back))
    old, new = sorted((back / ".kist/trash").iterdir(), key=lambda folder: folder.name == job.id)
    others = back / ".kist/trash/of-another-kist"
    others.mkdir()
    for each in (old, others, back / "a"):
        os.utime(each, (0, 0))
    await here.sync(here.dest, str(back))
    assert not old.exists()
    assert (new / "a").read_bytes() == b"second"
    assert others.exists(), "whoever put it there knows how long it is to be kept"


DEEP = 1200


@pytest.fixture
def deep(here: Scene) -> Iterator[None]:
    """Folders in folders, more than any key has. Removed one by one: not everybody can follow them down."""
    at = os.open(here.folder, os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("deep", dir_fd=at)
        at = _reopened(at, "deep")
    yield
    for _ in range(DEEP):
        at = _reopened(at, "..")
        os.rmdir("deep", dir_fd=at)
    os.close(at)


def _reopened(at: int, name: str) -> int:
    found = os.open(name, os.O_RDONLY, dir_fd=at)
    os.close(at)
    return found


@pytest.mark.usefixtures("deep")
async def test_a_tree_that_is_deeper_than_any_key(here: Scene) -> None:
    here.write("a")
    job = await here.sync(delete=True)
    assert (job.state, await here.keys()) == (JobState.SUCCEEDED, ["a"])
    assert [step.reason for step in await here.steps(job) if step.act is Act.NOTE] == ["lies too deep for any key"]


async def test_names_that_cannot_be_shown_do_not_come_in_each_others_way(here: Scene) -> None:
    here.write("a")
    for name in (b"\xff", b"\\xff", b"line\nfeed", b"\x7f"):
        os.close(os.open(os.fsencode(here.folder) + b"/" + name, os.O_CREAT | os.O_WRONLY))
    job = await here.sync(delete=True)
    assert (job.state, await here.keys()) == (JobState.SUCCEEDED, ["a"])


async def test_patterns_that_cannot_be_read_are_refused(here: Scene) -> None:
    here.write("a")
    job = await here.sync(exclude=("[z-a]",))
    assert (job.state, "patterns" in job.reason) == (JobState.FAILED, True)
