"""``manage.py check --deploy`` finds nothing in a project that is set up as Django and the guide say."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.acceptance.served import disk_settings
from tests.django_host.served import ROOT, SECRET, told
from tests.django_host.site import MIDDLEWARE

CHECK = """
from tests.django_host.site import from_environment
from_environment()
from django.core.management import call_command
call_command("check", deploy=True, fail_level="INFO")
"""
DEPLOYED: dict[str, Any] = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-of-more-than-fifty-letters",
    "ALLOWED_HOSTS": ["app.example"],
    "MIDDLEWARE": [
        "django.middleware.security.SecurityMiddleware",
        *MIDDLEWARE,
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    "SECURE_HSTS_SECONDS": 31536000,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
    "SECURE_HSTS_PRELOAD": True,
    "SECURE_SSL_REDIRECT": True,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
}


def checked(home: Path, **changed: Any) -> subprocess.CompletedProcess[str]:
    settings = disk_settings(home / "kist")
    settings = dataclasses.replace(settings, database=f"sqlite:///{home / 'db.sqlite3'}", secret=SECRET)
    env = told(settings, home, **changed)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_project_that_is_set_up_as_it_should_be(tmp_path: Path) -> None:
    done = checked(tmp_path, **DEPLOYED)
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    done = checked(tmp_path, **DEPLOYED, ROOT_URLCONF="tests.django_host.urls_without_door")
    assert done.returncode == 1
    assert "kist.W001" in done.stderr
