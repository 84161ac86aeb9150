"""``kist sync`` and ``kist job`` by the real command, on a home and by a running server."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.served import disk_settings, serving
from tests.acceptance.test_cli_files import KIST, Shell

PATIENCE = 30.0


@pytest.fixture(params=["home", "server"])
def kist(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    work = tmp_path / "work"
    work.mkdir()
    if request.param == "home":
        yield Shell(work, {"KIST_HOME": str(tmp_path / "home")})
        return
    with serving(disk_settings(tmp_path / "home", KIST_SYNC_ROOTS=f"tests={tmp_path}")) as site:
        yield Shell(
            work, {"KIST_HOME": str(tmp_path / "none"), "KIST_SERVER": site.url, "KIST_KEY": site.admin.key or ""}
        )


@pytest.fixture
def home(tmp_path: Path) -> Shell:
    return Shell(tmp_path, {"KIST_HOME": str(tmp_path / "home")})


def filled(shell: Shell, count: int = 30) -> tuple[str, str]:
    """A folder of so many files by its whole path, and a new bucket."""
    for number in range(count):
        shell.write(f"photos/{number:02}.txt", f"photo {number}")
        os.utime(shell.folder / f"photos/{number:02}.txt", (time.time() - 100,) * 2)
    bucket = f"sync-{uuid.uuid4().hex[:8]}"
    shell("bucket", "create", bucket)
    return str(shell.folder / "photos"), bucket


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def started(shell: Shell, *args: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*KIST, *args],
        cwd=shell.folder,
        env=shell.environment,
        stdout=subprocess.PIPE,
        text=True,
        **({"stderr": subprocess.PIPE} | more),
    )


def test_there_and_back(kist: Shell) -> None:
    photos, bucket = filled(kist)
    assert kist("sync", photos, f"{bucket}/a").stdout == "job 1: 30 files sent (230 B)\n"
    assert kist("sync", photos, f"{bucket}/a").stdout == "job 2: 30 unchanged\n"
    back = kist.folder / "back"
    if "KIST_SERVER" in kist.environment:
        back.mkdir()
    assert kist("sync", f"{bucket}/a", str(back)).stdout == "job 3: 30 files sent (230 B)\n"
    assert {name: data for name, data in tree(back).items() if not name.startswith(".kist/")} == tree(Path(photos))
    jobs = kist.json("job", "ls")["items"]
    assert [(job["number"], job["state"], job["dest"]) for job in jobs] == [
        (3, "succeeded", str(back)),
        (2, "succeeded", f"{bucket}/a"),
        (1, "succeeded", f"{bucket}/a"),
    ]


def test_a_dry_run_shows_the_plan(kist: Shell) -> None:
    photos, bucket = filled(kist, 3)
    done = kist("sync", photos, bucket, "--dry-run", "--exclude", "01.txt")
    assert done.stdout.splitlines() == [
        "create  7 B  00.txt  not there yet",
        "create  7 B  02.txt  not there yet",
        "job 1: 2 files to send (14 B)",
    ]
    assert kist("sync", photos, bucket, "--exclude", "01.txt").stdout == "job 2: 2 files sent (14 B)\n"


def test_too_much_to_delete_wants_a_yes(kist: Shell) -> None:
    photos, bucket = filled(kist)
    kist("sync", photos, bucket)
    for number in range(10):
        (Path(photos) / f"{number:02}.txt").unlink()
    asked = kist("sync", photos, bucket, "--delete", code=3)
    assert asked.stdout == ""
    assert asked.stderr == (
        "kist: nothing was done yet: 10 of 30 files would be deleted, more than a tenth: "
        "`kist job show 2` names them, `kist job confirm 2` carries it out\n"
    )
    shown = kist("job", "show", "2").stdout
    assert "needs_confirmation" in shown
    assert "delete  7 B  00.txt  no longer at the source" in shown
    assert kist("job", "confirm", "2").stdout == "job 2: 10 deleted, 20 unchanged\n"
    assert "waits for no confirmation" in kist("job", "confirm", "2", code=2).stderr
    assert kist("job", "undo", "2").stdout == "job 3: 10 files brought back\n"
    steps = kist.json("job", "show", "3")["steps"]
    assert [(step["act"], step["state"]) for step in steps] == [("restore", "done")] * 10
    assert kist("sync", photos, bucket, "--delete", "--yes").stdout == "job 4: 10 deleted, 20 unchanged\n"


def test_yes_is_said_beforehand(kist: Shell) -> None:
    photos, bucket = filled(kist)
    kist("sync", photos, bucket)
    for number in range(10):
        (Path(photos) / f"{number:02}.txt").unlink()
    assert kist("sync", photos, bucket, "--delete", "--yes").stdout == "job 2: 10 deleted, 20 unchanged\n"


def test_ctrl_c_cancels_the_job_and_it_can_be_resumed(kist: Shell) -> None:
    photos, bucket = filled(kist, 3)
    kist.write("photos/big", os.urandom(20 << 20))  # 40 seconds
    process = started(kist, "sync", photos, bucket, "--rate", "500k")
    until(lambda: [job for job in kist.json("job", "ls")["items"] if job["progress"]["bytes"]])
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    assert "stopping job 1" in err
    assert "job 1 was cancelled: `kist job resume 1` goes on" in err
    assert kist.json("job", "show", "1")["state"] == "cancelled"
    kist.write("photos/big", os.urandom(1 << 20))  # lest the rest take long
    resumed = kist.json("job", "resume", "1")
    assert (resumed["state"], resumed["progress"]["percent"]) == ("succeeded", 100)
    assert "there is nothing to resume" in kist("job", "resume", "1", code=2).stderr


def test_a_second_ctrl_c_leaves_at_once(kist: Shell) -> None:
    photos, bucket = filled(kist, 3)
    kist.write("photos/big", os.urandom(20 << 20))
    err = ""
    for _ in range(3):
        process = started(kist, "sync", photos, bucket, "--rate", "100k")
        until(lambda: [job for job in kist.json("job", "ls")["items"] if job["state"] == "running"])
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        told = ""
        while not told.endswith("leaves at once\n"):
            line = process.stderr.readline()
            assert line, told
            told += line
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        if "was cancelled" not in err:
            break  # else it came to its end before the second signal: this process was held up
    assert err == "stopped\n"


def test_what_is_no_file_is_skipped_and_told(kist: Shell) -> None:
    photos, bucket = filled(kist, 3)
    (Path(photos) / "link").symlink_to("00.txt")
    os.mkfifo(Path(photos) / "pipe")
    done = kist("sync", photos, bucket)
    assert "skipped  link: is a link, which is not followed" in done.stderr
    assert "skipped  pipe: " in done.stderr


def test_one_bad_file_does_not_stop_the_rest(kist: Shell) -> None:
    photos, bucket = filled(kist, 3)
    kist("sync", photos, bucket)
    kist.write("back/01.txt/in the way", "x")
    done = kist("sync", bucket, str(kist.folder / "back"), code=4)
    assert done.stdout.startswith("job 2: 2 files sent (")
    assert done.stdout.endswith("), 1 failed\n")
    assert "failed   01.txt: " in done.stderr
    (step,) = [step for step in kist.json("job", "show", "2")["steps"] if step["state"] == "failed"]
    assert step["key"] == "01.txt"
    (kist.folder / "back/01.txt/in the way").unlink()
    (kist.folder / "back/01.txt").rmdir()
    assert kist("job", "resume", "2").stdout == "job 2: 1 file sent (7 B), 2 unchanged\n"


def test_what_is_refused(kist: Shell) -> None:
    photos, bucket = filled(kist, 1)
    absent = kist("sync", photos, "no-such-bucket/x", code=2).stderr
    assert "there is no bucket no-such-bucket: `kist bucket create no-such-bucket` makes it" in absent
    assert "there is no bucket nowhere\n" in kist("sync", "nowhere", bucket, code=2).stderr
    assert "write ./photos for the folder" in kist("sync", "photos", bucket, code=2).stderr
    assert "overlap" in kist("sync", bucket, f"{bucket}/x", code=2).stderr
    assert "job 1 failed: the folder" in kist("sync", f"{photos}/none", bucket, code=2).stderr
    assert kist.json("job", "show", "1")["reason"].startswith("source_missing: ")
    assert "only an admin" in kist("sync", photos, bucket, "--as", "bob", code=2).stderr
    assert "no such job" in kist("job", "show", "7", code=2).stderr
    assert "no such job" in kist("job", "show", "1", "--as", "bob", code=2).stderr
    for wrong in (
        ("--rate", "fast"),
        ("--rate", "0"),
        ("--at-once", "65"),
        ("--compare", "luck"),
        ("--max-delete", "-1"),
    ):
        kist("sync", photos, bucket, *wrong, code=2)


def test_with_a_server_its_own_folders_are_meant(kist: Shell) -> None:
    _, bucket = filled(kist, 2)
    if "KIST_SERVER" in kist.environment:
        for folder in ("./photos", "~/photos", "..", "."):
            assert "is a folder of this machine" in kist("sync", folder, bucket, code=2).stderr
    else:
        assert kist("sync", "./photos", bucket).stdout == "job 1: 2 files sent (14 B)\n"
        assert kist("sync", "../work/photos", bucket).stdout == "job 2: 2 unchanged\n"
        assert kist("sync", "~/photos", bucket, HOME=str(kist.folder)).stdout == "job 3: 2 unchanged\n"
        assert kist("sync", bucket, "./new").stdout == "job 4: 2 files sent (14 B)\n"
        assert "cannot be opened" in kist("sync", bucket, "./not/there", code=2).stderr


def test_one_that_is_left_to_a_worker(home: Shell) -> None:
    photos, bucket = filled(home, 3)
    queued = home("sync", photos, bucket, "--background").stdout
    assert queued == "job 1 is queued: `kist job show 1` tells how far it is\n"
    assert "job 1 is at work there" in home("sync", photos, bucket, code=2).stderr
    assert home("job", "ls").stdout.startswith("1  sync  queued")
    worker = started(home, "worker")
    try:
        until(lambda: home.json("job", "show", "1")["state"] == "succeeded")
        # Beside a worker, whoever claims it first: the command tells of its end.
        home.write("photos/more", "more")
        assert home("sync", photos, bucket).stdout == "job 2: 1 file sent (4 B), 3 unchanged\n"
        assert home("job", "undo", "2", "--background").stdout.startswith("job 3 is queued")
        until(lambda: home.json("job", "show", "3")["state"] == "succeeded")
    finally:
        worker.terminate()
        worker.communicate(timeout=PATIENCE)


def test_a_job_is_cancelled_by_its_number(home: Shell) -> None:
    photos, bucket = filled(home, 3)
    home("sync", photos, bucket, "--background")
    assert home("job", "cancel", "1").stdout == "job 1: cancelled\n"
    assert home.json("job", "cancel", "1")["state"] == "cancelled"
    assert home("job", "resume", "1").stdout == "job 1: 3 files sent (21 B)\n"
    assert "no jobs yet" in home("job", "ls", "--as", "bob").stderr
    assert "succeeded" in home("job", "ls").stdout


def test_without_a_job_the_list_says_how_to_start_one(home: Shell) -> None:
    home("bucket", "create", "some-bucket")
    assert "`kist sync SOURCE DEST` starts one" in home("job", "ls").stderr
    assert home.json("job", "ls") == {"items": [], "more": False}


def test_on_a_terminal_there_is_a_bar(home: Shell) -> None:
    photos, bucket = filled(home, 3)
    home.write("photos/big", os.urandom(2 << 20))  # two blocks of a second each
    ours, theirs = pty.openpty()
    home.environment["TERM"] = "xterm"
    process = started(home, "sync", photos, bucket, "--rate", "1M", stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 1 << 16):
            shown += block
    except OSError:
        pass  # the end of a terminal
    os.close(ours)
    out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "job 1: 4 files sent (2.1 MB)\n")
    assert b"/4 files, " in shown
    assert b"/s" in shown
