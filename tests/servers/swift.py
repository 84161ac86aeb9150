"""OpenStack Swift with its S3 API: one proxy, one server of each kind of storage and a memcached, all on loopback."""

from __future__ import annotations

import http.client
import os
import pwd
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.servers.daemon import call, free_port, listens, running, wait_until
from tests.servers.server import NotStarted, S3Server

_HOME = Path(__file__).parents[2] / ".servers/swift"
_PROGRAMS = _HOME / "bin"
_KINDS = ("account", "container", "object")
_METADATA = b"x" * 2048  # an object's own is kept in extended attributes

# With a single replica patience takes the place of the others: Swift's usual timeouts make a busy machine answer 503,
# and leave an object that was written out of the lists for ever, because nothing runs here that would add it later.
# A cache that is not waited for would go on saying that a bucket is not there.
# Errors are logged to standard error; nobody listens on port 9, where the copy for the system's log goes.
_COMMON = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = ERROR
log_udp_host = 127.0.0.1
log_udp_port = 9
conn_timeout = 20
node_timeout = 60
container_update_timeout = 60
"""

_STORAGE = """
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

_PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats s3api tempauth copy slo dlo versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_limit = 1000000
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memory_port}
connect_timeout = 20
pool_timeout = 20
io_timeout = 20
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = {region}
dns_compliant_bucket_names = true
allow_multipart_uploads = true
s3_acl = false
[filter:tempauth]
use = egg:swift#tempauth
user_{login} = {secret} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
"""

# One start of Python instead of nine of `swift-ring-builder`.
_RINGS = """
import sys
from swift.common.ring import RingBuilder
for ring in sys.argv[2:]:
    kind, port = ring.split(":")
    builder = RingBuilder(1, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "disk", "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save(f"{sys.argv[1]}/{kind}.ring.gz")
"""


@contextmanager
def swift() -> Iterator[S3Server]:
    """A Swift of its own for the length of the block. ``NotStarted`` where that cannot be."""
    if not (_PROGRAMS / "swift-proxy-server").exists():
        raise NotStarted("it is not installed; `make test` installs it")
    if shutil.which("memcached") is None:
        raise NotStarted("memcached is not installed; `make test` installs it as root")
    with ExitStack() as stack:
        yield _start(stack.enter_context(_folder()), stack)


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder that keeps extended attributes: not every file system does."""
    for parent in (Path(tempfile.gettempdir()), _HOME):
        with tempfile.TemporaryDirectory(prefix="kist-swift-", dir=parent, ignore_cleanup_errors=True) as name:
            if _keeps_attributes(name):
                yield Path(name)
                return
    raise NotStarted("no folder with extended attributes; TMPDIR can name one")


def _keeps_attributes(folder: str) -> bool:
    try:
        os.setxattr(folder, "user.swift.metadata", _METADATA)
    except OSError:
        return False
    return True


def _start(folder: Path, stack: ExitStack) -> S3Server:
    memory_port, port = free_port(), free_port()
    server = S3Server("swift", f"http://127.0.0.1:{port}", "main:main", secrets.token_hex(20))
    user = pwd.getpwuid(os.getuid()).pw_name
    storage = {kind: free_port() for kind in _KINDS}
    ports = storage | {"proxy": port}
    texts = {kind: _STORAGE.format(kind=kind) for kind in _KINDS} | {"proxy": _proxy(server, memory_port)}
    for kind, text in texts.items():
        common = _COMMON.format(folder=folder, user=user, port=ports[kind])
        (folder / f"{kind}.conf").write_text(common + text)
    _make_storage(folder, storage)
    _start_memory(folder, stack, user, memory_port)
    _start_servers(folder, stack, ports)
    return server


def _proxy(server: S3Server, memory_port: int) -> str:
    """What the proxy is made of; the user ACCOUNT:USER is known to it by a setting called user_ACCOUNT_USER."""
    login = server.key.replace(":", "_")
    return _PROXY.format(memory_port=memory_port, login=login, secret=server.secret, region=server.region)


def _make_storage(folder: Path, ports: dict[str, int]) -> None:
    """What all of Swift's servers read: its one secret, and where the storage of each kind is."""
    (folder / "devices/disk").mkdir(parents=True)
    (folder / "swift.conf").write_text(f"[swift-hash]\nswift_hash_path_suffix = {secrets.token_hex(8)}\n")
    rings = [f"{kind}:{port}" for kind, port in ports.items()]
    call(str(_PROGRAMS / "python"), "-c", _RINGS, str(folder), *rings)


def _start_memory(folder: Path, stack: ExitStack, user: str, port: int) -> None:
    log = folder / "memcached.log"
    command = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-u", user, "-t", "1"]
    memory = stack.enter_context(running(command, log))
    wait_until(lambda: listens(port), memory, log)


def _start_servers(folder: Path, stack: ExitStack, ports: dict[str, int]) -> None:
    """Start them side by side, and return when all of them answer."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    started = []
    for kind, port in ports.items():
        command = [str(_PROGRAMS / f"swift-{kind}-server"), str(folder / f"{kind}.conf"), "--verbose"]
        log = folder / f"swift-{kind}.log"
        started.append((stack.enter_context(running(command, log, environment)), port, log))
    for process, port, log in started:
        wait_until(partial(_answers, port), process, log)


def _answers(port: int) -> bool:
    """Whether there is a reply; which one does not matter. The port listens before its server is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
