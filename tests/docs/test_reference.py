"""What can be looked up is all there, and nothing that is not there can be looked up."""

from __future__ import annotations

import re

import pytest
from scripts.reference import PAGES, PARTS, generated, marks
from scripts.reference_cli import tree
from scripts.reference_probe import ASKED
from scripts.reference_tables import ADVICE, CLIENT, leaves
from tests.docs.pages import DOCS, ROOT, Page, commands, pages

from kist.chores.schedule import CHORES
from kist.dialects import crowdbotics, dabapps, filedrop, native, s3sync, syncano
from kist.metrics import LEVELS, Prometheus
from kist.model.profile import NEEDED, Check
from kist.model.upload import Way
from kist.setting_list import SETTINGS
from kist.system import SystemClock

REFERENCE = sorted(PAGES.glob("*.md"))
KNOWN_SETTINGS = {setting.name for setting in SETTINGS} | set(CLIENT)
DIALECTS = (native.DIALECT, filedrop.DIALECT, crowdbotics.DIALECT, dabapps.DIALECT, s3sync.DIALECT)
ROUTES = [route for dialect in DIALECTS for route in dialect.routes]
_PATHS = r"/v1/(?:[\w{}/…-]|\.\.\.)*|/files(?:/[\w{}]+)*|/healthz|/readyz|/metrics|/openapi\.json|/docs"
_PARAMETER = re.compile(r"\{\w+(\.\.\.)?\}")
_ROUTE = re.compile(rf"(?<![\w$.}}])({_PATHS})(?![\w/])")


def section(name: str) -> str:
    return (PAGES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", REFERENCE, ids=lambda path: path.name)
def test_the_reference_is_what_the_code_says(path: str) -> None:
    text = section(path)
    assert generated(text) == text, "out of date: say .venv/bin/python -m scripts.reference"


def test_every_generated_part_stands_on_one_page() -> None:
    assert sorted(mark for path in REFERENCE for mark in marks(path.read_text())) == sorted(PARTS)


def test_the_check_sees_what_is_missing() -> None:
    text = section("settings.md")
    assert generated(text.replace("| `KIST_PORT`", "| `KIST_PORTS`")) != text.replace("| `KIST_PORT`", "| `KIST_PORTS`")


def test_every_setting_and_every_older_name_can_be_looked_up() -> None:
    names = {*KNOWN_SETTINGS, *(older for setting in SETTINGS for older in setting.older)}
    assert [name for name in names if f"`{name}`" not in section("settings.md")] == []


def test_every_error_has_its_code_and_says_what_to_do() -> None:
    kinds = list(leaves())
    assert sorted(ADVICE) == sorted(kind.__name__ for kind in kinds)
    assert [kind.code for kind in kinds if f"| `{kind.code}` |" not in section("errors.md")] == []


def test_every_route_can_be_looked_up() -> None:
    headings = set(re.findall(r"^### ([A-Z]+ /\S*)$", section("api.md"), re.MULTILINE))
    assert headings == {f"{route.method} {route.path}" for route in ROUTES}
    endpoints = {route.path.rpartition("/")[2] for route in syncano.DIALECT.routes}
    guide = Page(DOCS / "how-to" / "syncano.md").text
    assert [
        name for name in endpoints if f"\n### {name}\n" not in section("api.md") or f"| `{name}` |" not in guide
    ] == []


def test_every_command_can_be_looked_up() -> None:
    headings = set(re.findall(r"^### (kist .+)$", section("cli.md"), re.MULTILINE))
    assert headings == {name for name, _ in tree()}


def test_every_chore_can_be_looked_up() -> None:
    assert set(re.findall(r"^\| `(\w+)`", section("chores.md"), re.MULTILINE)) == {chore.name for chore in CHORES}


def test_every_check_can_be_looked_up_with_the_ways_that_it_shuts() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", section("probe.md"), re.MULTILINE)
    shut = {name: {Way(word) for word in re.findall(r"`(form|put|parts)`", words)} for name, words in rows}
    assert shut == {check.value: {way for way in Way if check in NEEDED[way]} for check in Check}
    assert list(ASKED) == list(Check)


def test_every_metric_can_be_looked_up_and_no_page_names_one_that_is_not_there() -> None:
    shown = Prometheus(SystemClock()).shown(dict.fromkeys(LEVELS, 0.0)).body.decode()
    there = set(re.findall(r"^# TYPE (\w+)", shown, re.MULTILINE))
    of_django = {path.stem for path in (ROOT / "src/kist/django/management/commands").glob("kist_*.py")}
    assert set(re.findall(r"^\| `(kist_\w+)` \|", section("metrics.md"), re.MULTILINE)) == there
    mentioned = ((page.name, text) for page in pages() for text in (*page.code(), *page.blocks("yaml")))
    wrong = [
        f"{page}: {name}"
        for page, text in mentioned
        for name in re.findall(r"\bkist_[a-z0-9_]+", text)
        if name not in there | of_django
    ]
    assert wrong == []


def test_no_page_names_a_setting_that_is_not_there() -> None:
    wrong = [
        f"{page.name}: {name}"
        for page in pages()
        for name in re.findall(r"\bKIST_[A-Z0-9_]*[A-Z0-9]\b", page.text)
        if name not in KNOWN_SETTINGS
    ]
    assert wrong == []


def test_no_page_names_a_route_that_is_not_there() -> None:
    there = {re.sub(_PARAMETER, "{id}", route.path) for route in ROUTES}
    wrong = []
    for page in pages():
        for path in {path for text in page.code() for path in _ROUTE.findall(text)}:
            plain = re.sub(_PARAMETER, "{id}", path)
            if plain not in there and not page.name.startswith("docs/decisions/"):
                wrong.append(f"{page.name}: {path}")
    assert wrong == []


def test_no_page_shows_a_command_or_an_option_that_is_not_there() -> None:
    known = {name: {option for each in command.params for option in each.opts} for name, command in tree()}
    shared = {"--server", "--as", "--json", "--debug", "--version", "--help", "-h"}
    wrong = []
    mentioned = ((page, text) for page in pages() for text in page.code())
    for page, line in [*commands(), *mentioned]:
        for call in re.findall(r"(?:^|[\s/(])kist ([a-z][^|&;)>]*)", line):
            words = call.split()
            name = next((" ".join(("kist", *words[:n])) for n in (2, 1) if " ".join(("kist", *words[:n])) in known), "")
            if not name:
                wrong.append(f"{page.name}: kist {call}")
                continue
            options = {word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
            wrong += [f"{page.name}: {name} {word}" for word in options - known[name] - shared]
    assert wrong == []


def test_the_pages_are_where_the_index_says() -> None:
    index = Page(DOCS / "README.md")
    linked = {(index.path.parent / link.partition("#")[0]).resolve() for link in index.links() if "://" not in link}
    there = {path.resolve() for path in DOCS.rglob("*.md") if "decisions" not in path.parts}
    assert sorted(str(path) for path in there - linked - {index.path.resolve()}) == []
