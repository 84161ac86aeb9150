"""Shares, links, buckets and the audit by the real command, on a home and by a running server."""

from __future__ import annotations

import os
import time
import urllib.request
import uuid
from pathlib import Path

import pytest
from tests.acceptance.test_cli_files import Shell, kist

__all__ = ["kist"]


def test_sharing(kist: Shell) -> None:
    kist.write("a.txt", "shared")
    kist("put", "a.txt")
    assert "shared with nobody" in kist("share", "a.txt").stderr
    assert "bob  may read, write  until withdrawn" in kist("share", "a.txt", "bob", "--can", "write").stdout
    listed = kist.json("share", "a.txt")["items"]
    assert [(share["actor"], share["actions"]) for share in listed] == [("bob", ["read", "write"])]
    kist("share", "a.txt", "bob", "--withdraw")
    assert kist.json("share", "a.txt")["items"] == []
    assert "is not shared" in kist("share", "a.txt", "bob", "--withdraw", code=2).stderr
    assert "write some of read,write,share,remove" in kist("share", "a.txt", "bob", "--can", "fly", code=2).stderr
    assert "there is no file" in kist("share", "none", "bob", code=2).stderr


def test_links(kist: Shell) -> None:
    for name in ("a.txt", "b.txt"):
        kist.write(name, name)
        kist("put", name)
    urls = kist("link", "a.txt", "b.txt", "--for", "2h", "--uses", "3").stdout.split()
    assert len(set(urls)) == 2
    assert all("/l/" in url for url in urls)
    if "KIST_SERVER" in kist.environment:
        with urllib.request.urlopen(urls[0], timeout=30) as answer:
            assert answer.read() in (b"a.txt", b"b.txt")
    listed = kist.json("link", "--ls")["items"]
    assert {link["url"] for link in listed} == set(urls)
    assert {link["max_uses"] for link in listed} == {3}
    kist("link", "--revoke", listed[0]["id"])
    assert [link["id"] for link in kist.json("link", "--ls")["items"]] == [listed[1]["id"]]
    partly = kist("link", "a.txt", "none", code=4)
    assert partly.stdout.count("/l/") == 1
    assert "none: there is no file" in partly.stderr
    kist("link", "none", code=2)
    kist("link", code=2)


def test_buckets(kist: Shell) -> None:
    name = f"mine-{uuid.uuid4().hex[:8]}"
    assert kist("bucket", "create", name).stdout == f"{name} is made\n"
    assert "exists already" in kist("bucket", "create", name, code=2).stderr
    assert "is no bucket name" in kist("bucket", "create", "A.b", code=2).stderr
    assert name in [bucket["name"] for bucket in kist.json("bucket", "ls")["items"]]
    assert f"{name}  " in kist("bucket", "ls").stdout
    assert "say --yes" in kist("bucket", "rm", name, code=3).stderr
    assert kist("bucket", "rm", name, "--yes").stdout == f"{name} is removed\n"
    assert "no such bucket" in kist("bucket", "rm", name, "--yes", code=2).stderr
    assert name not in [bucket["name"] for bucket in kist.json("bucket", "ls")["items"]]


@pytest.fixture
def home(tmp_path: Path) -> Shell:
    return Shell(tmp_path, {"KIST_HOME": str(tmp_path / "home")})


def test_the_audit(home: Shell) -> None:
    home.write("a.txt", "kept")
    home.write("b.txt", "lost")
    home("put", "a.txt", "b.txt")
    assert "2 files and 2 objects looked at\nAll fits." in home("audit").stdout
    objects = home.folder / "home/objects/kist/.kist/objects"
    lost = next(path for path in objects.iterdir() if path.read_text() == "lost")
    lost.unlink()
    stray = objects / "0123456789abcdef0123456789abcdef"
    stray.write_text("stray")
    foreign = objects.parent.parent / "readable.txt"
    foreign.write_text("not of Kist")
    old = time.time() - 3 * 86400
    os.utime(stray, (old, old))
    report = home.json("audit", code=4)
    assert (report["lost"], report["strays"], report["stray_bytes"], report["swept"]) == (1, 1, 5, 0)
    shown = home("audit", code=4).stdout
    assert "the bytes of file" in shown
    assert "kist audit --repair" in shown
    asked = home("audit", "--repair", code=3)
    assert "this would erase 1 leftover, 5 B, and mark 1 file as lost: say --yes to do it" in asked.stderr
    assert stray.exists()
    assert "1 leftover erased, 1 row mended" in home("audit", "--repair", "--yes", code=4).stdout
    assert not stray.exists()
    assert foreign.read_text() == "not of Kist"
    assert "All fits." in home("audit").stdout
    assert "All fits." in home("audit", "--repair").stdout, "where there is nothing to lose, nothing is asked"
    assert home.names() == ["a.txt"]


def test_a_stray_that_kist_could_not_name_keeps_no_other_from_being_erased(home: Shell) -> None:
    home.write("a.txt", "kept")
    home("put", "a.txt")
    objects = home.folder / "home/objects/kist/.kist/objects"
    strays = [objects / name for name in ("a\nb", os.fsdecode(b"\xff"), "0123456789abcdef0123456789abcdef")]
    for stray in strays:
        stray.write_text("stray")
        os.utime(stray, (time.time() - 3 * 86400,) * 2)
    assert "1 leftover erased" in home("audit", "--repair", "--yes", code=4).stdout
    assert [stray.exists() for stray in strays] == [True, True, False]
    assert home.json("audit", code=4)["strays"] == 2


def test_an_audit_of_nothing_makes_no_home(home: Shell) -> None:
    for more in ((), ("--repair",)):
        assert "there is no Kist at" in home("audit", *more, code=70).stderr
    assert not (home.folder / "home").exists()
