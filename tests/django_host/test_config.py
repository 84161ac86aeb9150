"""What a project's settings say of Kist, and what the system checks say of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.django_host.databases import in_process

in_process()

from django.conf import settings  # noqa: E402
from django.core.checks import run_checks  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import override_settings  # noqa: E402

from kist.django.composition import assembled, forget, kist  # noqa: E402
from kist.django.config import as_text, read_django_settings  # noqa: E402
from kist.errors import Misconfigured  # noqa: E402

SHARED = "the secret that kist serve has as well, beside it"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the machine's own, and no Kist that an earlier test has made."""
    for name in ("KIST_STORE", "AWS_BUCKET_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield
    forget()


def told(**changed: object) -> list[str | None]:
    """The ids of what the checks say with these settings."""
    with override_settings(**changed):
        return [message.id for message in run_checks(tags=["kist"])]


def test_without_any_setting_files_lie_beside_the_project() -> None:
    found = read_django_settings()
    base = Path(settings.BASE_DIR)
    assert (found.home, found.store) == (base / "kist-data", f"disk:{base / 'kist-data' / 'objects'}")
    assert found.public_url is None


def test_links_are_signed_with_a_key_made_from_djangos() -> None:
    one = read_django_settings().secret
    with override_settings(SECRET_KEY="another secret that is long enough"):
        other = read_django_settings().secret
    assert one is not None
    assert other is not None
    assert len(one.reveal()) >= 32
    assert one.reveal() != other.reveal()
    assert settings.SECRET_KEY not in one.reveal()


def test_names_go_with_and_without_their_beginning() -> None:
    with override_settings(KIST={"STORE": "s3://bucket?region=eu-west-1", "KIST_OPEN_UPLOADS": 5}):
        found = read_django_settings()
    assert (found.store, found.open_uploads) == ("s3://bucket?region=eu-west-1", 5)


def test_values_may_be_what_python_has_for_them(tmp_path: Path) -> None:
    own = {
        "MAX_UPLOAD_SIZE": 1000,
        "LINK_LIFE": timedelta(minutes=5),
        "TYPES": ["image/png", "image/jpeg"],
        "BUCKET_ACLS": True,
        "SYNC_ROOTS": {"in": tmp_path},
        "HOME": tmp_path,
        "PUBLIC_URL": None,
    }
    with override_settings(KIST=own):
        found = read_django_settings()
    assert (found.max_upload_size, found.link_life, found.bucket_acls) == (1000, timedelta(minutes=5), True)
    assert (found.types, found.home, dict(found.sync_roots)) == (
        ("image/png", "image/jpeg"),
        tmp_path,
        {"in": tmp_path},
    )


def test_the_names_of_the_older_apps_are_accepted(tmp_path: Path) -> None:
    older = {
        "AWS_STORAGE_BUCKET_NAME": "llamas",
        "AWS_STORAGE_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "MAX_FILE_UPLOAD_SIZE": 10_000_000,
        "PATH_TO_SAVE_FILE": str(tmp_path),
    }
    with override_settings(**older):
        found = read_django_settings()
    assert found.store == "s3://llamas?region=eu-central-1"
    assert {name: value.reveal() for name, value in found.s3_secrets.items()} == {"key": "id", "secret": "secret"}
    assert (found.max_upload_size, found.save_folder) == (10_000_000, tmp_path)


def test_kist_goes_before_the_older_names() -> None:
    with override_settings(AWS_BUCKET_NAME="older", KIST={"STORE": "s3://newer"}):
        assert read_django_settings().store == "s3://newer"


def test_the_environment_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIST_OPEN_UPLOADS", "7")
    assert read_django_settings().open_uploads == 7
    with override_settings(KIST={"OPEN_UPLOADS": 8}):
        assert read_django_settings().open_uploads == 8


def test_an_empty_value_takes_away_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("KIST_ANONYMOUS", "dabapps=guest"), ("KIST_OPEN_UPLOADS", "7"), ("KIST_SECRET", SHARED)):
        monkeypatch.setenv(name, value)
    with override_settings(KIST={"ANONYMOUS": {}, "OPEN_UPLOADS": "", "SECRET": ""}):
        found = read_django_settings()
    assert (dict(found.anonymous), found.open_uploads) == ({}, 100)
    assert found.secret is not None, "links are signed with the key made from Django's"
    assert found.secret.reveal() != SHARED


def test_an_empty_older_name_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BUCKET_NAME", "llamas")
    with override_settings(AWS_BUCKET_NAME=""):
        assert read_django_settings().store == "s3://llamas"


def test_anonymous_callers_must_be_allowed_from_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIST_ANONYMOUS", "dabapps=guest")
    with pytest.raises(Misconfigured, match="KIST_ANONYMOUS_PUBLIC=1"):
        read_django_settings()
    assert told() == told(KIST={"ANONYMOUS": {"dabapps": "guest"}}) == ["kist.E001"]
    assert told(KIST={"ANONYMOUS": {}}) == told(KIST={"ANONYMOUS_PUBLIC": True}) == []


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"STROE": "disk:/x"}, "Did you mean KIST_STORE"),
        ({"OPEN_UPLOADS": "many"}, "KIST_OPEN_UPLOADS=many"),
        ({"STORE": object()}, "STORE cannot be object"),
        ("disk:/x", "KIST is a dictionary"),
    ],
)
def test_what_is_wrong_is_told(own: object, sentence: str) -> None:
    with override_settings(KIST=own), pytest.raises(Misconfigured, match=sentence):
        read_django_settings()
    assert told(KIST=own) == ["kist.E001"]


def test_what_is_no_text_is_refused_by_name() -> None:
    with pytest.raises(Misconfigured, match="LINK_LIFE cannot be NoneType"):
        as_text("LINK_LIFE", None)


def test_a_project_that_follows_the_guide_hears_nothing() -> None:
    assert told() == []


def test_only_two_kinds_of_databases_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    assert told() == ["kist.E002"]


def test_times_need_a_zone_on_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    assert told() == []
    assert told(USE_TZ=False) == ["kist.E003"]


def test_files_on_disk_need_their_urls() -> None:
    assert told(ROOT_URLCONF="tests.django_host.urls_without_door") == ["kist.W001"]
    assert told(ROOT_URLCONF="tests.django_host.urls_without_door", KIST={"STORE": "s3://bucket"}) == []


def test_the_kist_of_a_process_is_made_once_and_anew_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    first = kist()
    assert kist() is first
    child = os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: child)
    assert kist() is not first


def test_a_change_of_settings_makes_another_kist(tmp_path: Path) -> None:
    first = kist()
    with override_settings(KIST={"HOME": tmp_path}):
        assert kist() is not first
        assert assembled().settings.home == tmp_path
