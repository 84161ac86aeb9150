"""What the doctor says of direct uploads, and what it sets up for them."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.test_doctor import assert_named, on_s3
from tests.servers.server import S3Server

from kist.app import build
from kist.cli.doctor.direct import check_direct, policies
from kist.cli.doctor.finding import Finding, State
from kist.model.upload import Way
from kist.settings import read_settings
from kist.system import SystemClock, SystemIds

DOUBTFUL = State.DOUBTFUL


async def further(home: Path, environment: dict[str, str], *, fix: bool = False) -> list[Finding]:
    settings = read_settings({"KIST_HOME": str(home)} | environment, home)
    return [finding async for finding in check_direct(settings, SystemClock(), SystemIds(), fix=fix)]


async def test_the_probe_says_which_ways_are_open_and_is_kept(tmp_path: Path, rgw: S3Server) -> None:
    environment = on_s3(rgw)
    findings = await further(tmp_path, environment)
    assert_named(findings, "uploads", "put are shut", "put_copy_source", state=DOUBTFUL)
    assert "by form are open: the store holds to what is signed" in [finding.says for finding in findings]
    settings = read_settings({"KIST_HOME": str(tmp_path)} | environment, tmp_path)
    kist = await build(settings)
    assert (await kist.ways.choose(settings.bucket, None, 1)).way is Way.FORM
    await kist.close()


async def test_fix_lets_pages_send_to_the_bucket(tmp_path: Path, ministack: S3Server) -> None:
    environment = on_s3(ministack)
    assert_named(await further(tmp_path, environment, fix=True), "cors", "no page may send", state=DOUBTFUL)
    environment["KIST_ORIGINS"] = "https://app.example"
    assert_named(await further(tmp_path, environment), "browsers", "cors", state=DOUBTFUL)
    findings = await further(tmp_path, environment, fix=True)
    assert "the bucket now lets pages of https://app.example send files" in [finding.says for finding in findings]
    assert not [finding for finding in findings if finding.check == "browsers"]


async def test_a_store_that_is_down_cannot_be_probed(tmp_path: Path) -> None:
    environment = {"KIST_STORE": "s3://bucket?endpoint=http://127.0.0.1:1", "KIST_S3_KEY": "x", "KIST_S3_SECRET": "y"}
    assert_named(await further(tmp_path, environment), "uploads", "could not be probed", state=DOUBTFUL)


def test_the_policies_to_copy(tmp_path: Path) -> None:
    disk = read_settings({"KIST_HOME": str(tmp_path)}, tmp_path)
    assert "No signing key is needed" in policies(disk)
    s3 = read_settings({"KIST_HOME": str(tmp_path), "KIST_STORE": "s3://photos?endpoint=http://127.0.0.1:1"}, tmp_path)
    assert "arn:aws:s3:::photos/.kist/in/*" in policies(s3)
