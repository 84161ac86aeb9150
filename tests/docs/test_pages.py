"""Every page leads to where it says, and none says what only belongs to one machine."""

from __future__ import annotations

import re
import tomllib

import pytest
from tests.docs.pages import DOCS, ROOT, Page, anchor, pages

from kist.detection import detect
from kist.model import names
from kist.model.limits import Limits
from kist.wire.disposition import INLINE_TYPES

WRITTEN_BY_MEASURING = {"docs/benchmarks.md"}
EXAMPLES = re.compile(r"shelf|shout")
"""Names of parts that readers are shown how to write."""
FORBIDDEN = re.compile(r"/root\b|/tmp/|/home/(?!ann\b)|localhost:\d|index-url|\bTODO\b|\bFIXME\b")
"""What belongs to a writer's machine or to unfinished work, and in no page."""
_PATHS = re.compile(r"(?:src/kist|tests|docs|scripts|bench|requirements)/[\w./-]*\w")
_NUMBERED = re.compile(r"(\d{4})-[a-z0-9-]+\.md")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Page) -> None:
    wrong = []
    for link in page.links():
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, fragment = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        if str(target.relative_to(ROOT)) in WRITTEN_BY_MEASURING:
            continue
        if not target.exists() or (fragment and fragment not in Page(target).anchors()):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_path_that_is_named_is_there(page: Page) -> None:
    named = {path.rstrip("/") for text in page.code() for path in _PATHS.findall(text) if not EXAMPLES.search(text)}
    assert sorted(path for path in named if not (ROOT / path).exists() and path not in WRITTEN_BY_MEASURING) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_no_page_knows_a_machine(page: Page) -> None:
    assert FORBIDDEN.findall(page.text) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_no_line_is_far_too_long_and_no_picture_characters(page: Page) -> None:
    prose = [line for line in page.prose.splitlines() if not line.startswith("|") and "](" not in line]
    if page.path.parent.name != "reference":
        assert [line for line in prose if len(line) > 130] == []
    assert [character for character in page.text if ord(character) > 0x1F000] == []


def test_an_anchor_is_what_renderers_make_of_a_heading() -> None:
    assert anchor("GET /v1/files/{id}") == "get-v1filesid"
    assert anchor("What is not there") == "what-is-not-there"


def decisions() -> list[Page]:
    return [Page(path) for path in sorted((DOCS / "decisions").glob("[0-9]*.md"))]


def test_every_decision_is_in_the_index_once() -> None:
    index = Page(DOCS / "decisions" / "README.md")
    assert sorted(index.links()) == sorted(page.path.name for page in decisions())


def test_decisions_are_numbered_without_gaps_or_doubles() -> None:
    numbers = [_NUMBERED.fullmatch(page.path.name) for page in decisions()]
    assert [match and int(match[1]) for match in numbers] == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("page", decisions(), ids=lambda page: page.path.name)
def test_a_decision_says_context_decision_and_consequences(page: Page) -> None:
    number = page.path.name[:4].lstrip("0")
    assert page.text.startswith(f"# {number}. ")
    assert {"context", "decision", "consequences"} <= page.anchors()


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *(name for extra in project["project"]["optional-dependencies"].values() for name in extra),
        *(name for group in project["dependency-groups"].values() for name in group if isinstance(name, str)),
    ]
    text = "\n".join(page.text.lower() for page in decisions())
    names_ = {re.split(r"[^\w-]", name, maxsplit=1)[0].lower() for name in wanted}
    assert sorted(name for name in names_ if f"`{name}`" not in text) == []


def test_the_rules_for_files_are_those_of_the_code() -> None:
    policy = (DOCS / "files-policy.md").read_text()
    limits = Limits()
    figures = (
        f"{limits.max_upload_size // 1024**3} GiB", f"{limits.max_base64_size // 1024**2} MiB",
        f"{names.MAX_CHARACTERS} characters", f"{names.MAX_BYTES} bytes",
    )  # fmt: skip
    assert [figure for figure in figures if figure not in policy] == []
    shown = set(re.findall(r"^\| `([\w/.+-]+)` \|", policy, re.MULTILINE))
    assert shown == set(INLINE_TYPES)
    assert detect(b"<svg xmlns='http://www.w3.org/2000/svg'/>") not in INLINE_TYPES
