"""Faults are planted, and the doctor has to name each, with a way to mend it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from tests.servers.server import S3Server
from tests.servers.users import restricted
from tests.unit.cli.s3_stub import s3_stub, self_signed

from kist.app import build
from kist.cli.doctor import examine
from kist.cli.doctor.finding import Finding, State
from kist.settings import examine_settings, read_settings
from kist.system import SystemClock

BAD, DOUBTFUL = State.BAD, State.DOUBTFUL


class ShiftedClock(SystemClock):
    """The machine's clock, wrong by so many minutes."""

    def __init__(self, minutes: float) -> None:
        super().__init__()
        self._shift = timedelta(minutes=minutes)

    def now(self) -> datetime:
        return super().now() + self._shift


async def diagnose(folder: Path, environment: Mapping[str, str] | None = None, *, minutes: float = 0) -> list[Finding]:
    settings, faults = examine_settings({"KIST_HOME": str(folder / "home"), **(environment or {})}, folder)
    return [finding async for finding in examine(settings, faults, ShiftedClock(minutes))]


async def make_home(folder: Path) -> Path:
    settings = read_settings({"KIST_HOME": str(folder / "home")}, folder)
    await (await build(settings)).close()
    return settings.home


def assert_named(findings: list[Finding], check: str, *words: str, state: State = BAD) -> Finding:
    """Among what is not good there is one of that check, in that state, with those words and something to do."""
    shown = "\n".join(str(finding) for finding in findings)
    for finding in findings:
        if finding.check == check and finding.state is state and all(word in finding.says for word in words):
            assert finding.mend, "a fault comes with a way to mend it"
            return finding
    raise AssertionError(f"{check} {words} is not among\n{shown}")


def assert_well(findings: list[Finding]) -> None:
    assert [finding for finding in findings if finding.state is not State.GOOD] == []


def on_s3(server: S3Server, bucket: str | None = None) -> dict[str, str]:
    options = f"endpoint={server.endpoint}&region={server.region}"
    return {
        "KIST_STORE": f"s3://{bucket or f'doctor-{uuid4()}'}?{options}",
        "KIST_S3_KEY": server.key,
        "KIST_S3_SECRET": server.secret,
    }


def on_stub(endpoint: str) -> dict[str, str]:
    return on_s3(S3Server("stub", endpoint, "key", "secret"), "bucket")


async def test_a_home_in_good_health(tmp_path: Path) -> None:
    await make_home(tmp_path)
    findings = await diagnose(tmp_path)
    assert_well(findings)
    assert {"home", "database", "tables", "bucket", "store"} <= {finding.check for finding in findings}


async def test_before_the_first_start_all_is_well_and_nothing_is_made(tmp_path: Path) -> None:
    assert_well(await diagnose(tmp_path))
    assert os.listdir(tmp_path) == []


async def test_a_real_s3_server_in_good_health(tmp_path: Path, rgw: S3Server) -> None:
    await make_home(tmp_path)
    findings = await diagnose(tmp_path, on_s3(rgw))
    assert_well(findings)
    assert {"endpoint", "clock", "bucket", "store", "signatures"} <= {finding.check for finding in findings}


async def test_nothing_is_left_behind_in_the_store(tmp_path: Path) -> None:
    home = await make_home(tmp_path)
    await diagnose(tmp_path)
    assert [path for path in (home / "objects").rglob("*doctor*")] == []


async def test_unreachable_endpoint(tmp_path: Path, dead_port: int) -> None:
    findings = await diagnose(tmp_path, on_stub(f"http://127.0.0.1:{dead_port}"))
    assert_named(findings, "endpoint", "nothing listens", str(dead_port))


async def test_wrong_secret(tmp_path: Path, rgw: S3Server) -> None:
    findings = await diagnose(tmp_path, on_s3(replace(rgw, secret="w" * 40)))
    assert_named(findings, "store", "KIST_S3_SECRET")


async def test_wrong_key_id(tmp_path: Path, rgw: S3Server) -> None:
    findings = await diagnose(tmp_path, on_s3(replace(rgw, key="NOSUCHKEY")))
    assert_named(findings, "store", "does not know the access key", "KIST_S3_KEY")


@pytest.mark.parametrize("minutes", [20, -20])
async def test_clock_off_by_20_minutes(tmp_path: Path, rgw: S3Server, minutes: int) -> None:
    began = time.monotonic()
    findings = await diagnose(tmp_path, on_s3(rgw), minutes=minutes)
    slack = 5 + round(time.monotonic() - began)  # the server's answer may have been on its way for so long
    finding = assert_named(findings, "clock", "seconds", "ahead of" if minutes > 0 else "behind")
    assert any(str(seconds) in finding.says for seconds in range(1200 - slack, 1201 + slack))


async def test_clock_off_by_2_minutes_works_but_is_said(tmp_path: Path, rgw: S3Server) -> None:
    findings = await diagnose(tmp_path, on_s3(rgw), minutes=2)
    assert_named(findings, "clock", "ahead of", state=DOUBTFUL)
    assert not [finding for finding in findings if finding.state is BAD]


async def test_missing_bucket_that_cannot_be_made(tmp_path: Path, rgw: S3Server) -> None:
    nobody = restricted(rgw, [{"Effect": "Deny", "Action": "s3:CreateBucket", "Resource": "*"}])
    findings = await diagnose(tmp_path, on_s3(nobody))
    assert_named(findings, "bucket", "not there and cannot be made")


async def test_a_bucket_of_somebody_else(tmp_path: Path, rgw: S3Server) -> None:
    bucket = f"doctor-{uuid4()}"
    await diagnose(tmp_path, on_s3(rgw, bucket))
    stranger = restricted(rgw, [])
    assert_named(await diagnose(tmp_path, on_s3(stranger, bucket)), "store", bucket)


def refusing(method: str, words: str) -> dict[str, object]:
    def refuses(asked: str, path: str, query: str) -> tuple[int, str] | None:
        return (403, "<Code>AccessDenied</Code>") if asked == method and words in path + query else None

    return {"refuses": refuses}


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        (refusing("PUT", ".kist/in/"), "nothing can be written"),
        (refusing("GET", ".kist/in/doctor"), "cannot be read"),
        (refusing("GET", "prefix=.kist%2Fin"), "cannot be listed"),
        (refusing("POST", "delete"), "nothing can be removed"),
    ],
    ids=["write", "read", "list", "remove"],
)
async def test_a_right_that_the_key_lacks(tmp_path: Path, faulty: dict[str, object], words: str) -> None:
    if words == "nothing can be removed":
        faulty = {
            "refuses": lambda method, *_: (403, "<Code>AccessDenied</Code>") if method in ("POST", "DELETE") else None
        }
    with s3_stub(**faulty) as stub:
        assert_named(await diagnose(tmp_path, on_stub(stub.endpoint)), "store", words)


async def test_a_store_that_believes_wrong_signatures(tmp_path: Path) -> None:
    with s3_stub() as stub:
        assert_named(await diagnose(tmp_path, on_stub(stub.endpoint)), "signatures", "wrong signature", "anybody")


async def test_wrong_region(tmp_path: Path) -> None:
    answer = (400, "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region>")
    with s3_stub(refuses=lambda *_: answer) as stub:
        assert_named(await diagnose(tmp_path, on_stub(stub.endpoint)), "store", "eu-west-3", "region=")


async def test_an_address_that_redirects(tmp_path: Path) -> None:
    with s3_stub(redirect="https://s3.example.com/") as stub:
        assert_named(await diagnose(tmp_path, on_stub(stub.endpoint)), "endpoint", "redirects", "s3.example.com")


async def test_a_server_that_does_not_speak_tls(tmp_path: Path) -> None:
    with s3_stub() as stub:
        findings = await diagnose(tmp_path, on_stub(stub.endpoint.replace("http:", "https:")))
    assert_named(findings, "TLS", "does not speak TLS")


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    with s3_stub(certificate=self_signed(tmp_path)) as stub:
        assert_named(await diagnose(tmp_path, on_stub(stub.endpoint)), "TLS", "not trusted")


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("s3://no_name?endpoint=http://127.0.0.1:1", "bucket name"),
        ("s3://bucket?reigon=eu&endpoint=127.0.0.1", "reigon"),
        ("s3://bucket?endpoint=127.0.0.1:9000", "endpoint"),
        ("disk:", "disk:/path"),
        ("disk:/nowhere/at/all", "cannot be made"),
    ],
)
async def test_a_store_that_is_written_wrongly(tmp_path: Path, store: str, words: str) -> None:
    with s3_stub() as stub:
        written = store.replace("http://127.0.0.1:1", stub.endpoint)
        environment = {"KIST_STORE": written, "KIST_S3_KEY": "k", "KIST_S3_SECRET": "s"}
        assert_named(await diagnose(tmp_path, environment), "store", words)


async def test_the_folder_of_a_disk_store(tmp_path: Path) -> None:
    await make_home(tmp_path)
    folder = tmp_path / "objects"
    environment = {"KIST_STORE": f"disk:{folder}"}
    assert_named(await diagnose(tmp_path, environment), "store", "not there yet", state=DOUBTFUL)
    folder.touch()
    assert_named(await diagnose(tmp_path, environment), "store", "is a file")
    folder.unlink()
    folder.mkdir()
    assert_well(await diagnose(tmp_path, environment))


async def test_a_signing_key_that_cannot_write(tmp_path: Path, rgw: S3Server) -> None:
    signer = restricted(rgw, [])
    findings = await diagnose(
        tmp_path, on_s3(rgw) | {"KIST_S3_SIGNING_KEY": signer.key, "KIST_S3_SIGNING_SECRET": signer.secret}
    )
    assert_named(findings, "signing key", "refused")


async def test_half_a_key(tmp_path: Path) -> None:
    findings = await diagnose(tmp_path, {"KIST_STORE": "s3://bucket?endpoint=http://127.0.0.1:1", "KIST_S3_KEY": "x"})
    assert_named(findings, "settings", "KIST_S3_SECRET", "go together")
    assert not [finding for finding in findings if finding.check in ("store", "endpoint")]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"KIST_MAX_UPLOAD_SIZ": "1"}, ["KIST_MAX_UPLOAD_SIZ", "Did you mean KIST_MAX_UPLOAD_SIZE?"]),
        ({"KIST_MAX_UPLOAD_SIZE": "-5"}, ["KIST_MAX_UPLOAD_SIZE=-5"]),
        ({"KIST_PUBLIC_URL": "files.example.com"}, ["KIST_PUBLIC_URL", "absolute URL"]),
        ({"KIST_PORT": "http"}, ["KIST_PORT"]),
        ({"KIST_ANONYMOUS": "gopher=me"}, ["KIST_ANONYMOUS", "gopher"]),
        ({"KIST_JWT_ISSUER": "me"}, ["KIST_JWT_AUDIENCE"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_settings(tmp_path: Path, environment: dict[str, str], words: list[str]) -> None:
    assert_named(await diagnose(tmp_path, environment), "settings", *words)


async def test_every_faulty_setting_is_named_not_just_the_first(tmp_path: Path) -> None:
    findings = await diagnose(tmp_path, {"KIST_HOEM": "x", "KIST_STROE": "y", "KIST_MAX_UPLOAD_SIZE": "much"})
    assert len([finding for finding in findings if finding.check == "settings"]) == 3


async def test_home_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    assert_named(await diagnose(tmp_path), "home", "is a file")


async def test_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    findings = await diagnose(tmp_path, {"KIST_HOME": str(tmp_path / "file" / "home")})
    assert_named(findings, "home", "cannot be made")


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


async def test_read_only_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    if os.geteuid() != 0:
        home.chmod(0o500)
        assert_named(await diagnose(tmp_path), "home", "cannot be written")
        return
    with mounted(home, "ro"):
        assert_named(await diagnose(tmp_path), "home", "read-only")


async def test_full_disk(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with mounted(home, "size=64k,mode=700"):
        (home / "big").write_bytes(b"x" * 65536)
        findings = await diagnose(tmp_path)
    assert_named(findings, "home", "disk is full")
    assert_named(findings, "disk space", "full")


async def test_home_open_to_others(tmp_path: Path) -> None:
    (await make_home(tmp_path)).chmod(0o755)
    assert_named(await diagnose(tmp_path), "home mode", "755", state=DOUBTFUL)


async def test_world_readable_admin_key(tmp_path: Path) -> None:
    key = await make_home(tmp_path) / "admin-key"
    key.write_text("kist_x_y\n")
    key.chmod(0o644)
    assert_named(await diagnose(tmp_path), "admin key", "644")
    key.chmod(0o600)
    assert_well(await diagnose(tmp_path))


async def test_locked_database(tmp_path: Path) -> None:
    home = await make_home(tmp_path)
    with sqlite3.connect(home / "kist.sqlite", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        findings = await diagnose(tmp_path)
        other.execute("ROLLBACK")
    other.close()
    assert_named(findings, "database", "locked")


async def test_a_process_that_hangs_with_the_turn(tmp_path: Path) -> None:
    home = await make_home(tmp_path)
    with (home / "kist.sqlite.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert_named(await diagnose(tmp_path), "database", "locked")


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    home = await make_home(tmp_path)
    (home / "kist.sqlite").write_bytes(b"not a database" * 1000)
    assert_named(await diagnose(tmp_path), "database", "damaged")


async def test_a_database_with_a_broken_page(tmp_path: Path) -> None:
    path = await make_home(tmp_path) / "kist.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(os.urandom(4 * 4096))
    assert_named(await diagnose(tmp_path), "database", "damaged")


async def test_tables_of_an_older_release(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "kist.sqlite").touch(0o600)
    assert_named(await diagnose(tmp_path), "tables", "foundation", state=DOUBTFUL)


async def test_plain_http_to_others(tmp_path: Path) -> None:
    environment = {"KIST_PUBLIC_URL": "http://files.example.com", "KIST_S3_PUBLIC_ENDPOINT": "http://s3.example.com"}
    findings = await diagnose(tmp_path, environment)
    assert_named(findings, "public URL", "KIST_PUBLIC_URL", "plain http", state=DOUBTFUL)
    assert_named(findings, "public URL", "KIST_S3_PUBLIC_ENDPOINT", "plain http", state=DOUBTFUL)


async def test_anonymous_callers_from_everywhere(tmp_path: Path) -> None:
    environment = {"KIST_ANONYMOUS": "filedrop=guest", "KIST_ANONYMOUS_PUBLIC": "1"}
    assert_named(await diagnose(tmp_path, environment), "anonymous", "guest", state=DOUBTFUL)
    assert_well(await diagnose(tmp_path, {"KIST_ANONYMOUS": "filedrop=guest"}))


async def test_unknown_dialect_database_and_store(tmp_path: Path) -> None:
    environment = {"KIST_DIALECTS": "native,gopher", "KIST_DATABASE": "mysql://x/y", "KIST_STORE": "ftp://x"}
    findings = await diagnose(tmp_path, environment)
    assert_named(findings, "dialects", "gopher")
    assert_named(findings, "database", "mysql")
    assert_named(findings, "store", "ftp")


async def test_token_keys_that_are_not_there(tmp_path: Path) -> None:
    environment = {"KIST_JWT_ISSUER": "me", "KIST_JWT_AUDIENCE": "kist", "KIST_JWT_KEYS": str(tmp_path / "jwks")}
    assert_named(await diagnose(tmp_path, environment), "tokens", "jwks")
