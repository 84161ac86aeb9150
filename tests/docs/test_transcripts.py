"""What README and tutorial show is what happens to those who follow them."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.docs.pages import DOCS, ROOT
from tests.docs.transcripts import Reader, Step, blocks, differs, masked, prepare, run_recipe, walk, written_anew
from tests.servers.server import S3Server

README = (ROOT / "README.md").read_text()
TUTORIAL = (DOCS / "tutorial.md").read_text()
POSTGRES = (DOCS / "how-to" / "postgres.md").read_text()
ON_S3 = "## Keep the bytes in S3"
HERE, THERE = TUTORIAL.split(ON_S3)
GUIDES = {
    "direct-uploads.md": 12,
    "links-and-shares.md": 12,
    "buckets.md": 9,
    "sync.md": 20,
    "crowdbotics.md": 12,
    "dabapps.md": 7,
    "syncano.md": 12,
    "s3sync.md": 14,
    "fastapi.md": 12,
}
"""How many steps of each are run at least."""


def follow(text: str, folder: Path, **variables: str) -> None:
    with closing(Reader(folder / "kist", **variables)) as reader:
        prepare(text, reader)
        wrong = [problem for step, came in walk(text, reader) if (problem := differs(step, came)) is not None]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.usefixtures("tools")
def test_the_readme_works_as_it_stands(tmp_path: Path) -> None:
    follow(README, tmp_path)


@pytest.mark.usefixtures("tools")
def test_the_tutorial_works_as_it_stands(tmp_path: Path) -> None:
    follow(HERE, tmp_path)


@pytest.mark.usefixtures("tools")
def test_the_tutorial_works_on_a_real_s3_server(tmp_path: Path, rgw: S3Server) -> None:
    bucket = f"tutorial-{uuid.uuid4().hex[:12]}"
    follow(THERE, tmp_path, ENDPOINT=rgw.endpoint, BUCKET=bucket, S3_KEY=rgw.key, S3_SECRET=rgw.secret)


@pytest.mark.usefixtures("tools")
def test_the_move_to_postgresql_works_as_it_stands(tmp_path: Path, database: str) -> None:
    parts = urlsplit(database)
    own = {"DB_HOST": f"127.0.0.1:{parts.port}", "DB_NAME": parts.path[1:]}
    follow(POSTGRES, tmp_path, DB_USER=parts.username or "", DB_PASSWORD=parts.password or "", **own)


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("name", GUIDES)
def test_the_guide_works_as_it_stands(name: str, tmp_path: Path) -> None:
    follow((DOCS / "how-to" / name).read_text(), tmp_path)


def test_nearly_everything_that_is_shown_is_run() -> None:
    guides = [((DOCS / "how-to" / name).read_text(), least) for name, least in GUIDES.items()]
    for text, least in ((README, 8), (HERE, 35), (THERE, 8), (POSTGRES, 8), *guides):
        assert sum(len(block.steps) for block in blocks(text)) >= least


def test_make_run_is_what_the_transcripts_run() -> None:
    assert run_recipe() == ".venv/bin/kist serve"


def test_a_step_holds_its_continuation_and_what_it_shows() -> None:
    text = "```console\n$ echo a \\\n>   b\na b\n$ true\n^C\nbye\n```\n<!-- not run: no -->\n```console\n$ rm\n```\n"
    (block,) = blocks(text)
    assert [(step.command, step.shown) for step in block.steps] == [
        ("echo a \\\n  b", ["a b"]),
        ("true", []),
        ("^C", ["bye"]),
    ]


def test_what_differs_each_time_is_not_compared_and_the_rest_is() -> None:
    one = "made 0b6b6cf6-4ea9-4c18-9e3a-1c2d3e4f5a6b at 2025-11-20T11:52:43.318540Z"
    two = "made 910cece6-2295-496f-9ee0-f31d3d9b3aca at 2026-01-01T00:00:00Z"
    assert masked([one]) == masked([two])
    assert differs(Step("x", [one]), [two]) is None
    assert differs(Step("x", [one]), [two, "more"]) is not None
    assert differs(Step("x", ["a", "…", "z"]), ["a", "b", "c", "z"]) is None
    assert differs(Step("x", ["…", "z"]), ["z"]) is None, "there may be none"
    assert differs(Step("x", ["a", "…", "z"]), ["a", "b"]) is not None


@pytest.mark.usefixtures("tools")
def test_a_page_is_written_anew_with_what_comes(tmp_path: Path) -> None:
    text = "One.\n\n```console\n$ echo $NAME\n?\n$ export A=1\n$ echo $A; echo '{\"time\":1}'\n2\n```\n\nTwo.\n"
    with closing(Reader(tmp_path / "kist", NAME="ann")) as reader:
        assert written_anew(text, reader) == text.replace("?", "ann").replace("\n2\n", "\n1\n")


@pytest.mark.usefixtures("tools")
def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    with closing(Reader(tmp_path / "kist")) as reader, pytest.raises(AssertionError, match="left with 3"):
        reader.follow(Step("exit 3"))
