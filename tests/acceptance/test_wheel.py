"""What is published is what was tested: the wheel, in a fresh environment, serves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the locked versions and the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", ROOT / "requirements" / "run.txt"], check=True, capture_output=True)
    subprocess.run([*pip, "--no-deps", wheel], check=True, capture_output=True)
    return folder / "bin"


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], check=True, capture_output=True, text=True
    )
    names = [line.split()[0] for line in listing.stdout.splitlines()[1:]]
    assert all(re.match(r"(kist|s3_file_uploads)/|kist-[\d.]+\.dist-info/", name) for name in names)
    assert "kist/py.typed" in names
    assert any(name.endswith("0001_foundation.sql") for name in names)
    assert {"kist/django/static/kist/direct-upload.js", "kist/django/templates/kist/direct_upload.html"} <= set(names)


def test_the_installed_wheel_serves(installed: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "KIST_HOME": str(tmp_path / "home")}
    command = [str(installed / "kist"), "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = next(found[1] for line in server.stdout if (found := re.search(r"serves (http://\S+)", line)))
            key = next(found[0] for line in server.stdout if (found := re.search(r"kist_[0-9a-f]+_[\w-]+", line)))
            pool = urllib3.PoolManager(retries=urllib3.Retry(connect=20, backoff_factor=0.1))
            reply = pool.request(
                "POST",
                f"{url}/v1/files?name=hello.txt",
                body=b"hello",
                headers={"authorization": f"Bearer {key}"},
            )
            assert reply.status == 201
        finally:
            server.terminate()
    assert server.returncode == 0
