"""The guide to the Django app is followed from an empty folder to its end: files are written, commands are run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.docs.pages import DOCS
from tests.docs.transcripts import INTERRUPT, Reader, Step, blocks, differs
from tests.servers.daemon import listens, running, wait_until

GUIDE = (DOCS / "how-to" / "django.md").read_text()
LEAST = 18
"""How many steps are run at least."""
SERVES = "python manage.py runserver 127.0.0.1:8000"
_FILE = re.compile(
    r"^```(?:python|bash\n#![^\n]*)\n# (?P<name>[\w/]+\.(?:py|sh))[^\n]*\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE
)
"""A file that the page shows, named in a comment at its beginning."""


class Project(Reader):
    """Somebody who makes a project in a folder, with an environment that is active."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._environment["PATH"] = f"{Path(sys.executable).parent}:{self._environment['PATH']}"
        self._serving = ExitStack()

    def follow(self, step: Step) -> list[str]:
        if step.command != SERVES:
            return super().follow(step)
        command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{self.port}"]
        log = self.folder / "server.log"
        process = self._serving.enter_context(running(command, log, self._environment))
        wait_until(lambda: listens(int(self.port)), process, log)
        return []

    def write(self, name: str, body: str) -> None:
        """Put ``body`` at the end of a file. What ``startapp`` has made gives way."""
        path = self.folder / name
        mine = (
            path.exists()
            and "Create your models here" not in path.read_text()
            and "Register your" not in path.read_text()
        )
        path.write_text((path.read_text() if mine else "") + "\n" + body)

    def close(self) -> None:
        self._serving.close()
        super().close()


def deeds(text: str) -> Iterator[Step | tuple[str, str]]:
    """What the page has its reader do, in order: files to write, and commands."""
    found: list[tuple[int, Step | tuple[str, str]]] = [
        (match.start(), (match["name"], match["body"])) for match in _FILE.finditer(text)
    ]
    found += [(block.start + step.first, step) for block in blocks(text) for step in block.steps]
    for _, deed in sorted(found, key=lambda one: one[0]):
        yield deed


@pytest.mark.usefixtures("tools")
def test_the_guide_works_as_it_stands(tmp_path: Path) -> None:
    wrong = []
    with closing(Project(tmp_path / "farm")) as project:
        for deed in deeds(GUIDE):
            if isinstance(deed, tuple):
                project.write(*deed)
            elif (problem := differs(deed, project.follow(deed))) is not None:
                wrong.append(problem)
        project.follow(Step('python manage.py shell -c "import llamas.admin, llamas.forms, llamas.signals"'))
    assert not wrong, "\n\n".join(wrong)


def test_nearly_everything_that_is_shown_is_done() -> None:
    done = list(deeds(GUIDE))
    assert sum(isinstance(deed, Step) for deed in done) >= LEAST
    assert {deed[0] for deed in done if isinstance(deed, tuple)} >= {"farm/settings.py", "farm/urls.py"}
    assert INTERRUPT not in GUIDE
