"""The widget in a real browser, in the admin and under a strict content security policy, on disk and on S3."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.django_host.in_browser import DATA, acting, live, told
from tests.django_host.llamas.models import Llama
from tests.django_host.projects import got, on_disk, on_s3, project, user
from tests.docs.browser import PATIENCE, browser, opened

from kist.django.composition import assembled
from kist.django.models import UploadedFile
from kist.drive import drive
from kist.model.backend import cors_rule

ADD = "/admin/llamas/llama/add/"
UPLOADS = """
  const page = await loaded()
  choose(page, 'plan <b>.txt')
  const hidden = page.querySelector('.kist-upload input[type=hidden]')
  await until(() => hidden.value || page.querySelector('.kist-upload-failed'))
  const seen = {said: said(page), link: page.querySelector('.kist-upload-current a')?.textContent}
  page.querySelector('#id_name').value = 'Dolly'
  page.querySelector('[name=_save]').click()
  const next = await loaded()
  return {...seen, then: next.querySelector('.messagelist, .errornote')?.textContent.trim()}
"""


@contextmanager
def serving(request: pytest.FixtureRequest, home: Path, **more: Any) -> Iterator[str]:
    """The origin of a live project on the kind of store that the test is for."""
    browser()
    settings: dict[str, Any] = on_disk(home) | more
    if request.param == "rgw":
        bucket = f"django-{uuid.uuid4().hex[:12]}"
        settings |= on_s3(request.getfixturevalue("rgw"), bucket)
    with project(home, f"sqlite:///{home / 'db.sqlite3'}", settings), live() as origin:
        if request.param == "rgw":
            store: Any = assembled().ports.store
            drive(store.set_cors(bucket, [cors_rule((origin,))]))
        yield origin


@pytest.fixture(params=["disk", "rgw"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with serving(request, tmp_path) as origin:
        yield origin


@pytest.fixture(params=["disk", "rgw"])
def narrow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where files are small."""
    with serving(request, tmp_path, MAX_UPLOAD_SIZE=len(DATA) - 1) as origin:
        yield origin


def test_a_file_is_uploaded_in_the_admin(served: str, tmp_path: Path) -> None:
    root = user("root", is_staff=True, is_superuser=True)
    with opened(served + acting(root, ADD, UPLOADS), tmp_path / "profile"):
        seen = told(PATIENCE)
    assert isinstance(seen, dict), seen
    assert seen["said"] == "plan <b>.txt is uploaded, 1.0 MB."
    assert seen["link"] == "plan <b>.txt"
    assert "was added successfully" in seen["then"]
    llama = Llama.objects.get()
    assert (llama.name, llama.file.user, llama.file.filename) == ("Dolly", root, "plan <b>.txt")
    assert got(llama.file.get_view_url()) == DATA


def test_failures_are_told_in_words(served: str, tmp_path: Path) -> None:
    root = user("root", is_staff=True, is_superuser=True)
    use = """
      const page = await loaded()
      const widget = page.querySelector('.kist-upload')
      const heard = async (name, change) => {
        change()
        choose(page, name)
        await until(() => widget.classList.contains('kist-upload-failed'))
        return said(page)
      }
      const stopped = heard('a.txt', () => {})
      page.querySelector('.kist-upload-stop').click()
      const seen = [await stopped]
      seen.push(await heard('x'.repeat(300), () => {}))
      widget.dataset.createUrl = '/nowhere/'
      seen.push(await heard('a.txt', () => {}))
      return {seen, value: page.querySelector('.kist-upload input[type=hidden]').value}
    """
    with opened(served + acting(root, ADD, use), tmp_path / "profile"):
        seen = told(PATIENCE)
    assert isinstance(seen, dict), seen
    assert seen["seen"][0] == "Stopped."
    assert seen["seen"][1] == "Ensure this field has no more than 255 characters."
    assert seen["seen"][2] == "The upload failed: the server answered 404."
    assert seen["value"] == ""
    assert not UploadedFile.objects.filter(file_upload_state="COMPLETED").exists()


def test_a_form_waits_for_its_upload(served: str, tmp_path: Path) -> None:
    root = user("root", is_staff=True, is_superuser=True)
    use = """
      const page = await loaded()
      choose(page, 'a.txt')
      page.querySelector('[name=_save]').click()
      const seen = said(page)
      await until(() => page.querySelector('.kist-upload input[type=hidden]').value)
      return seen
    """
    with opened(served + acting(root, ADD, use), tmp_path / "profile"):
        assert told(PATIENCE) == "Still uploading: save again when it is done."
    assert not Llama.objects.exists()


def test_a_file_that_is_too_large_is_told_of(narrow: str, tmp_path: Path) -> None:
    use = """
      const page = await loaded()
      choose(page, 'a.txt')
      await until(() => page.querySelector('.kist-upload-failed'))
      return said(page)
    """
    root = user("root", is_staff=True, is_superuser=True)
    with opened(narrow + acting(root, ADD, use), tmp_path / "profile"):
        assert told(PATIENCE) == "The file is larger than is allowed here."
