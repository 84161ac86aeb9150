"""The parts that the how-to guides show are ones that work."""

from __future__ import annotations

import ast
import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.served import memory_settings, serving
from tests.docs.pages import DOCS, Page
from tests.docs.transcripts import INTERRUPT, Reader, Step
from tests.unit.asgi.asking import ask

from kist.settings import read_settings


def python(name: str) -> list[str]:
    return Page(DOCS / "how-to" / name).blocks("python")


def test_the_dialect_that_is_shown_can_be_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = python("add-a-dialect.md")
    module = types.ModuleType("kist.dialects.shout")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, "add-a-dialect.md", "exec"), module.__dict__)
    with serving(memory_settings(tmp_path, KIST_DIALECTS="native,shout")) as site:
        site.ann.put("quiet.txt", b"hello")
        assert site.ann.call("GET", "/shout").json == {"names": ["QUIET.TXT"]}
        assert site.bob.call("GET", "/shout").json == {"names": []}
        refused = site.nobody.call("GET", "/shout")
        assert (refused.status, list(refused.json)) == (401, ["no"])
        assert refused.headers["www-authenticate"] == 'Bearer realm="kist"'


def test_what_the_store_that_is_shown_imports_is_there() -> None:
    page = Page(DOCS / "how-to" / "add-a-store.md").text
    lines = [line.strip() for line in page.splitlines() if line.strip().startswith("from kist.")]
    named = [node for line in lines for node in ast.parse(line).body if isinstance(node, ast.ImportFrom)]
    assert len(named) >= 4
    for node in named:
        if node.module != "kist.stores.shelf":
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


async def test_the_application_that_is_shown_has_kist_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIST_HOME", str(tmp_path / "home"))
    module = types.ModuleType("shown")
    exec(compile(python("fastapi.md")[0], "fastapi.md", "exec"), module.__dict__)
    async with module.app.router.lifespan_context(module.app):
        assert (await ask(module.app, "GET", "/ready")).json == {}
        assert (await ask(module.app, "GET", "/files/readyz")).status == 200


@pytest.mark.parametrize("name", ["s3.md", "file-drop.md", "identity.md", "crowdbotics.md", "dabapps.md", "syncano.md"])
def test_the_settings_that_are_shown_are_understood(name: str, tmp_path: Path) -> None:
    lines = "\n".join(Page(DOCS / "how-to" / name).blocks("sh")).splitlines()
    shown = dict(line.split("=", 1) for line in lines if line.startswith("KIST_"))
    assert shown
    read_settings({name: value.strip("'") for name, value in shown.items()}, tmp_path)


@pytest.fixture
def reader(tools: None, tmp_path: Path) -> Iterator[Reader]:
    """Somebody with a server that runs and a key."""
    with closing(Reader(tmp_path / "kist")) as found:
        found.follow(Step("make run"))
        found.follow(Step("export KEY=$(cat kist-data/admin-key)"))
        yield found


@pytest.mark.parametrize("name", ["file-drop.md", "identity.md"])
def test_the_calls_that_are_shown_succeed(name: str, reader: Reader) -> None:
    reader.follow(Step("echo not really > photo.png"))
    calls = [line for block in Page(DOCS / "how-to" / name).blocks("sh") for line in block.splitlines()]
    calls = [line for line in calls if line.startswith("curl ")]
    assert len(calls) >= 2
    for call in calls:
        reader.follow(Step(call.replace("curl ", "curl -fsS ", 1)))


def test_what_was_saved_as_the_page_says_can_be_restored(reader: Reader) -> None:
    (save,) = Page(DOCS / "how-to" / "backup-and-operations.md").blocks("sh")
    reader.follow(Step("seq 1000000 | .venv/bin/kist put - --name numbers"))
    reader.follow(Step(save))
    reader.follow(Step(INTERRUPT))
    reader.follow(Step("mv kist-data lost && mv backup kist-data"))
    assert reader.follow(Step(".venv/bin/kist get numbers -o - | tail -1")) == ["1000000"]
    findings = reader.follow(Step(".venv/bin/kist doctor"))
    assert findings[-1] == "All is well.", findings
