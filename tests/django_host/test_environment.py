"""What the environment says holds where the project's settings say nothing, the home and the secret included."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.django_host.databases import in_process

in_process()

from django.test import override_settings  # noqa: E402

from kist.django.config import read_django_settings  # noqa: E402

SHARED = "the secret that kist serve has as well, beside it"


def test_home_and_secret_of_the_environment_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIST_HOME", str(tmp_path))
    monkeypatch.setenv("KIST_SECRET", SHARED)
    found = read_django_settings()
    assert found.home == tmp_path
    assert found.secret is not None
    assert found.secret.reveal() == SHARED


def test_settings_of_the_project_go_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIST_HOME", str(tmp_path / "other"))
    with override_settings(KIST={"HOME": tmp_path}):
        assert read_django_settings().home == tmp_path
