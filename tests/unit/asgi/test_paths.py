"""Where paths lead."""

from __future__ import annotations

import pytest

from kist.asgi.paths import Paths
from kist.errors import Invalid, Misconfigured

TEMPLATES = ("/", "/v1/files", "/v1/files/{id}", "/v1/files/special", "/v1/files/{id}/content", "/b/{name}/{key...}")


@pytest.fixture
def paths() -> Paths[str]:
    made: Paths[str] = Paths()
    for template in TEMPLATES:
        made.add("GET", template, template)
    return made


@pytest.mark.parametrize(
    ("path", "template", "values"),
    [
        ("/", "/", []),
        ("/v1/files", "/v1/files", []),
        ("/v1/files/", "/v1/files", []),
        ("/v1/files/x", "/v1/files/{id}", ["x"]),
        ("/v1/files/special", "/v1/files/special", []),
        ("/v1/files/special/content", "/v1/files/{id}/content", ["special"]),
        ("/v1/files/a%2Fb", "/v1/files/{id}", ["a/b"]),
        ("/v1/files/%25", "/v1/files/{id}", ["%"]),
        ("/b/x/k", "/b/{name}/{key...}", ["x", "k"]),
        ("/b/x/k%20/l//m", "/b/{name}/{key...}", ["x", "k /l//m"]),
    ],
)
def test_found(paths: Paths[str], path: str, template: str, values: list[str]) -> None:
    methods, found = paths.find(path)
    assert (methods["GET"][0], found) == (template, values)


@pytest.mark.parametrize("path", ["/v1", "/v1//files", "/v1/files//", "/v1/files/x/y", "//", "/b/x", "/V1/files"])
def test_not_found(paths: Paths[str], path: str) -> None:
    assert paths.find(path)[0] == {}


def test_bytes_that_are_no_text(paths: Paths[str]) -> None:
    with pytest.raises(Invalid):
        paths.find("/v1/files/%ff")


def test_two_claims_to_one_address(paths: Paths[str]) -> None:
    paths.add("POST", "/v1/files/{other}", "x")
    assert paths.find("/v1/files/1")[0]["POST"] == ("x", ("other",))
    with pytest.raises(Misconfigured, match="is claimed twice"):
        paths.add("GET", "/v1/files/{name}", "x")
