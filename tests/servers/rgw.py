"""Ceph's RADOS Gateway: one monitor, one object daemon in memory and one gateway, all on loopback."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers.daemon import call, free_port, listens, running, wait_until
from tests.servers.server import NotStarted, S3Server

_PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool")

# cephx stays on: a gateway of Ceph 16 without authentication never gets in.
# The short paxos interval makes the pools of the first start quick; tcp_nodelay saves 40 ms on every small GET over a
# kept-alive connection; the quick garbage collection gives the memory of deleted objects back within seconds.
_CONF = """
[global]
fsid = {fsid}
mon initial members = a
mon host = v2:127.0.0.1:{mon_port}
ms bind msgr1 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = {folder}
admin socket =
pid file =
log file =
log to stderr = true
err to stderr = true
crash dir = {folder}
keyring = {folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 2
mon data avail crit = 1
mon warn on insecure global id reclaim allowed = false
mon warn on pool no redundancy = false
paxos propose interval = 0.05
paxos min wait = 0.01
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 8589934592
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw thread pool size = 64
rgw override bucket index max shards = 1
rgw enable usage log = false
rgw dns name = localhost
rgw dynamic resharding = false
rgw gc obj min wait = 2
rgw gc processor period = 5
rgw gc processor max time = 5
"""

_KEYS = {
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *"),
    "client.rgw.a": ("mon", "allow rwx", "osd", "allow rwx"),
}


@contextmanager
def rgw() -> Iterator[S3Server]:
    """A gateway of its own for the length of the block. ``NotStarted`` where that cannot be."""
    absent = [program for program in _PROGRAMS if shutil.which(program) is None]
    if absent:
        raise NotStarted(f"{absent[0]} is not installed; `make test` installs it as root")
    with tempfile.TemporaryDirectory(prefix="kist-rgw-", ignore_cleanup_errors=True) as name, ExitStack() as stack:
        yield _start(Path(name), stack)


def _start(folder: Path, stack: ExitStack) -> S3Server:
    port, mon_port, fsid = free_port(), free_port(), str(uuid.uuid4())
    conf = folder / "ceph.conf"
    conf.write_text(_CONF.format(folder=folder, fsid=fsid, port=port, mon_port=mon_port))
    _make_keys(folder / "keyring")
    _start_monitor(folder, stack, fsid, mon_port)
    _start_storage(folder, stack)
    log = folder / "radosgw.log"
    gateway = stack.enter_context(running(["radosgw", "-c", str(conf), "-f", "-n", "client.rgw.a"], log))
    wait_until(lambda: listens(port), gateway, log)
    server = S3Server("rgw", f"http://127.0.0.1:{port}", secrets.token_hex(10), secrets.token_hex(20))
    _make_user(conf, server)
    return server


def _make_keys(keyring: Path) -> None:
    call("ceph-authtool", "--create-keyring", str(keyring))
    for entity, caps in _KEYS.items():
        pairs = [word for kind, cap in zip(caps[::2], caps[1::2], strict=True) for word in ("--cap", kind, cap)]
        call("ceph-authtool", str(keyring), "--gen-key", "-n", entity, *pairs)


def _start_monitor(folder: Path, stack: ExitStack, fsid: str, port: int) -> None:
    conf, monmap, log = str(folder / "ceph.conf"), str(folder / "monmap"), folder / "ceph-mon.log"
    (folder / "mon").mkdir()
    call("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{port}]", "--fsid", fsid, monmap)
    call("ceph-mon", "-c", conf, "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", str(folder / "keyring"))
    monitor = stack.enter_context(running(["ceph-mon", "-c", conf, "-f", "-i", "a"], log))
    wait_until(lambda: listens(port), monitor, log)


def _start_storage(folder: Path, stack: ExitStack) -> None:
    conf, osd = str(folder / "ceph.conf"), str(uuid.uuid4())
    (folder / "osd").mkdir()
    call("ceph", "-c", conf, "--connect-timeout", "20", "osd", "new", osd, "0")
    call("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
    stack.enter_context(running(["ceph-osd", "-c", conf, "-f", "-i", "0"], folder / "ceph-osd.log"))


def _make_user(conf: Path, server: S3Server) -> None:
    """The main user; with the caps that let it make further users (``users.restricted``)."""
    call(
        *("radosgw-admin", "-c", str(conf), "user", "create", "--uid=main", "--display-name=main"),
        *(f"--access-key={server.key}", f"--secret={server.secret}", "--caps=users=*;user-policy=*"),
    )
