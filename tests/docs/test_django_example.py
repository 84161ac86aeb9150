"""The example project runs from its folder as it stands, and its page uploads from a real browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3
from tests.docs.browser import browser
from tests.docs.devtools import Tab, tab
from tests.docs.pages import ROOT
from tests.servers.daemon import free_port, listens, running, wait_until

EXAMPLE = ROOT / "examples" / "django_project"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63d8a1ecf41f000503027d"
    "84d6a9b70000000049454e44ae426082"
)
PASSWORD = "a llama of one's own"
WEB = urllib3.PoolManager()
"""Waits for answers as long as it takes, which ``urllib3.request`` does not."""
NO_SETTINGS = re.compile(r"(KIST|AWS|MINIO|DJANGO)_")


@dataclass(frozen=True)
class Farm:
    """The example, served."""

    url: str
    folder: Path


def manage(folder: Path, *words: str) -> list[str]:
    return [sys.executable, str(folder / "manage.py"), *words]


def environment() -> dict[str, str]:
    """Nothing is set that the project could need."""
    return {name: value for name, value in os.environ.items() if not NO_SETTINGS.match(name)}


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A copy of the folder, migrated and served as its README says."""
    folder = tmp_path_factory.mktemp("example") / "django_project"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("db.sqlite3*", "kist-data", "__pycache__"))
    subprocess.run(manage(folder, "migrate"), env=environment(), check=True, capture_output=True)
    port, log = free_port(), folder / "server.log"
    with running(manage(folder, "runserver", "--noreload", f"127.0.0.1:{port}"), log, environment()) as process:
        wait_until(lambda: listens(port), process, log)
        yield Farm(f"http://127.0.0.1:{port}", folder)


@pytest.fixture
async def page(farm: Farm, tmp_path: Path) -> AsyncIterator[Tab]:
    """The page of llamas, of a new user who has just signed up."""
    browser()
    async with tab(tmp_path / "profile") as found:
        await found.go(f"{farm.url}/sign-up/")
        await found.fill(id_username=f"ann-{tmp_path.name}"[:150], id_password1=PASSWORD, id_password2=PASSWORD)
        await found.run("document.querySelector('main button').click()")
        await found.until("document.getElementById('none') && !document.getElementById('none').hidden")
        yield found
        assert found.complaints == []


def test_who_opens_the_site_can_log_in_or_sign_up(farm: Farm) -> None:
    answer = WEB.request("GET", f"{farm.url}/")
    assert answer.status == 200
    assert str(answer.url).startswith("/login/")
    assert b'href="/sign-up/"' in answer.data


async def upload(page: Tab, name: str, path: Path) -> None:
    await page.fill(name=name)
    await page.choose("#file", path)
    await page.run("document.querySelector('#new button').click()")


async def test_a_file_goes_straight_to_the_store_and_becomes_a_llama(farm: Farm, page: Tab, tmp_path: Path) -> None:
    (tmp_path / "lima.png").write_bytes(PNG)
    await upload(page, "Lima", tmp_path / "lima.png")
    await page.until("document.getElementById('status').textContent === 'Lima is on the farm.'")
    assert await page.run("document.querySelector('#list .file').textContent") == f"lima.png, {len(PNG)} B"
    await page.until("document.querySelector('#list img').naturalWidth === 1")
    await page.go(f"{farm.url}/?again")
    link = await page.until("(document.querySelector('#list .download') || {}).href")
    size = f"fetch({link!r}).then(answer => answer.blob()).then(blob => blob.size)"
    assert await page.run(size) == len(PNG)
    await page.run("document.querySelector('#list button').click()")
    await page.until("document.getElementById('status').textContent === 'Lima and its file are gone.'")
    assert not await page.run("document.getElementById('none').hidden")


async def test_what_is_refused_is_said_in_words(page: Tab, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"x")
    await page.send("Network.clearBrowserCookies")
    await upload(page, "Lima", tmp_path / "empty")
    said = await page.until("document.getElementById('error').textContent")
    assert said == "Authentication credentials were not provided."
    assert await page.run("document.querySelector('#new button').disabled") is False


@pytest.fixture(scope="module")
def ann(farm: Farm) -> dict[str, str]:
    """The headers of a user who sends their password with each call, as scripts do."""
    code = f"from django.contrib.auth.models import User; User.objects.create_user('ann', password={PASSWORD!r})"
    subprocess.run(manage(farm.folder, "shell", "-c", code), env=environment(), check=True, capture_output=True)
    return urllib3.make_headers(basic_auth=f"ann:{PASSWORD}")


@pytest.mark.parametrize("mount", ["/s3-file-uploads/", "/api/s3-file-uploads/"])
def test_the_calls_of_dabapps_document_work_in_it(farm: Farm, ann: dict[str, str], mount: str) -> None:
    made = WEB.request("POST", f"{farm.url}{mount}", json={"filename": "a.txt"}, headers=ann).json()
    assert made["file_path"] == f"{mount}{made['id']}/"
    form = {**made["upload_form"]["fields"], "file": ("a.txt", b"bytes")}
    assert WEB.request("POST", made["upload_form"]["url"], fields=form).status == 204
    done = WEB.request("POST", made["complete_url"], headers=ann)
    assert (done.status, done.json()) == (200, {"status": "COMPLETED"})
    assert WEB.request("GET", f"{farm.url}{made['file_path']}", headers=ann).data == b"bytes"
    llama = {"name": "Lima", "file": made["id"]}
    assert WEB.request("POST", f"{farm.url}/api/llamas/", json=llama, headers=ann).status == 201
    again = WEB.request("POST", f"{farm.url}/api/llamas/", json=llama, headers=ann)
    assert again.json() == {"file": ["Another llama has this file."]}


def test_the_calls_of_crowdbotics_document_work_in_it(farm: Farm, ann: dict[str, str]) -> None:
    service = f"{farm.url}/modules/s3-file-uploader/service"
    bucket = {"bucket": "anns-photos"}
    assert WEB.request("POST", f"{service}/bucket/create/", json=bucket, headers=ann).status == 201
    listed = WEB.request("GET", f"{service}/bucket/list/", headers=ann).json()
    assert [one["Name"] for one in listed["Buckets"]] == ["anns-photos"]
    assert WEB.request("GET", f"{service}/bucket/list/").status == 401


def test_the_one_command_is_what_these_tests_run() -> None:
    assert "make example-django" in (EXAMPLE / "README.md").read_text()
    recipe = (ROOT / "Makefile").read_text().partition("\nexample-django:")[2].partition("\n\n")[0]
    assert re.findall(r"examples/django_project && .*manage\.py (\w+)", recipe) == ["migrate", "runserver"]


def test_scripts_and_styles_are_files_of_the_site() -> None:
    for template in EXAMPLE.rglob("*.html"):
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", text), template.name


def test_the_project_is_as_django_would_have_it(farm: Farm) -> None:
    for words in (["check", "--fail-level", "WARNING"], ["makemigrations", "--check", "--dry-run"]):
        done = subprocess.run(
            manage(farm.folder, *words), env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
