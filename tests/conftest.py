"""What all tests may ask for: real servers, databases and free ports; and the option for the long loops."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from tests.servers.daemon import free_port as find_free_port
from tests.servers.databases import dropped, made
from tests.servers.pool import Pool
from tests.servers.server import Missing, PostgresServer, S3Server, Server

POOL = pytest.StashKey[Pool]()
TESTS = Path(__file__).parent
PURE = (
    "architecture",
    "properties",
    "unit",
    "contract/test_catalogue_suite.py",
    "contract/test_disk_store.py",
    "contract/test_memory_catalogue.py",
    "contract/test_memory_store.py",
    "contract/test_sqlite_catalogue.py",
    "contract/test_store_suite.py",
)
"""What asks for no server, and so runs on all processors at once."""
ALONE = ("faults", "unit/cli/test_program.py")
"""What another test beside it would disturb: loops that kill what is at work, and what measures processor time."""
NOT_ALONE = (
    "faults/test_crash_checker.py",
    "faults/test_crash_direct.py",
    "faults/test_crash_points.py",
    "faults/test_crash_points_s3.py",
    "faults/test_postgres_migrations.py",
)
"""Those of them whose programs are killed at a point of the work, whenever that comes."""
PARTS = ("pure", "beside", "alone")
"""Of the tests. Those ``beside`` others ask for servers, which all processes share."""

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("kist", deadline=None)
hypothesis.settings.load_profile("kist")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked slow")
    parser.addoption("--part", choices=PARTS, help="which of the tests: see the lists above")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Started in the background by a script: the programs under test must still hear their Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[POOL] = pool = Pool()
    several = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if several and config.getoption("--part") != "pure":
        pool.share()  # the workers of xdist use the same servers


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[POOL].stop()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    part = config.getoption("--part")
    if part is None or collection_path.is_dir():
        return None
    return None if _part_of(collection_path) == part else True


def _part_of(path: Path) -> str:
    if _is_in(path, ALONE) and not _is_in(path, NOT_ALONE):
        return "alone"
    return "pure" if _is_in(path, PURE) else "beside"


def _is_in(path: Path, names: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(TESTS / each) for each in names)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="a long loop: --long runs it"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if missing := config.stash[POOL].missing():
        facts = "; ".join(f"{server.name}: {server.reason}" for server in missing)
        terminalreporter.write_line(f"tests without their server - {facts}", yellow=True)


@pytest.fixture(scope="session")
def rgw(request: pytest.FixtureRequest) -> S3Server:
    """A Ceph RADOS Gateway. Tests share it: each uses buckets of its own."""
    return _s3_server(request.config, "rgw")


@pytest.fixture(scope="session")
def ministack(request: pytest.FixtureRequest) -> S3Server:
    """A MiniStack. Tests share it: each uses buckets of its own."""
    return _s3_server(request.config, "ministack")


@pytest.fixture(scope="session")
def swift(request: pytest.FixtureRequest) -> S3Server:
    """An OpenStack Swift. Tests share it: each uses buckets of its own."""
    return _s3_server(request.config, "swift")


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> PostgresServer:
    """A PostgreSQL. Tests share it: each uses a database of its own."""
    server = _server(request.config, "postgres")
    assert isinstance(server, PostgresServer)
    return server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of PostgreSQL, which is gone afterwards."""
    name = f"kist_{uuid.uuid4().hex[:12]}"
    yield made(postgres.url, name)
    dropped(postgres.url, name)


@pytest.fixture
def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    return find_free_port()


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A TCP port of loopback that nobody listens on, nor can until the test is over: it is bound here."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def tools() -> None:
    """The programs that pages and greetings tell their readers to use."""
    missing = [name for name in ("bash", "curl", "python3") if shutil.which(name) is None]
    if missing:
        why = f"the pages use {', '.join(missing)}, which is not here"
        if os.environ.get("CI") == "true":
            pytest.fail(why, pytrace=False)
        pytest.skip(why)


def _s3_server(config: pytest.Config, name: str) -> S3Server:
    server = _server(config, name)
    assert isinstance(server, S3Server)
    return server


def _server(config: pytest.Config, name: str) -> Server:
    server = config.stash[POOL].get(name)
    if isinstance(server, Missing):
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {name}: {server.reason}", pytrace=False)
        pytest.skip(f"no {name}: {server.reason}")
    return server
