"""Who is taken for a page of another site when a GET of an older contract changes something."""

from __future__ import annotations

import pytest

from kist.errors import NotAllowed
from kist.model.actor import Actor
from kist.wire.call import Call, Headers
from kist.wire.pages import is_own_page, refuse_foreign_changes

ANN = Actor("ann")


def asked(method: str = "GET", known: Actor | None = None, **headers: str) -> Call:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Call(method=method, path="/sync", known=known, headers=Headers(pairs))


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_the_browser_calls_our_own_page(site: str) -> None:
    assert is_own_page(asked(sec_fetch_site=site))
    assert is_own_page(asked(known=ANN, sec_fetch_site=site))


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
def test_what_the_browser_calls_anothers(site: str) -> None:
    assert not is_own_page(asked(sec_fetch_site=site))
    with pytest.raises(NotAllowed):
        refuse_foreign_changes(asked(known=ANN, sec_fetch_site=site))


def test_a_program_says_nothing_of_pages() -> None:
    assert is_own_page(asked(authorization="Bearer kist_1_2"))
    refuse_foreign_changes(asked(authorization="Bearer kist_1_2"))


def test_a_get_by_a_session_of_the_application_around_must_say_where_it_comes_from() -> None:
    assert not is_own_page(asked(known=ANN))
    assert is_own_page(asked(known=ANN, authorization="Bearer of the application"))
    assert is_own_page(asked("POST", known=ANN)), "that was judged when the caller was let in"
