"""Users of the project are recognised before the body is read, and changes by a session need the CSRF token."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.django_host.databases import in_process

in_process()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import AnonymousUser, Group, User  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from django.utils.functional import SimpleLazyObject  # noqa: E402

from kist.django.host.callers import actor_of, user_of  # noqa: E402
from kist.django.host.forms import form_again  # noqa: E402
from kist.errors import NotAllowed, NotSignedIn  # noqa: E402
from kist.model.actor import Actor, Role  # noqa: E402

TOKEN = "t" * 32
ANN = User(pk=7, username="ann")
BODIES = {
    "application/json": b'{"filename": "a.txt"}',
    "application/octet-stream": b"any bytes",
    "application/x-www-form-urlencoded": b"filename=a.txt",
}


def posted(content_type: str, body: bytes, token: str | None = TOKEN) -> HttpRequest:
    """What a page of ann's session sends."""
    headers = {"X-CSRFToken": token} if token else {}
    request: HttpRequest = RequestFactory().post("/", body, content_type=content_type, headers=headers)
    request.user = ANN
    request.COOKIES[settings.CSRF_COOKIE_NAME] = TOKEN
    return request


@pytest.mark.parametrize("content_type", BODIES)
def test_a_session_with_its_token_is_its_user_whatever_it_sends(content_type: str) -> None:
    request = posted(content_type, BODIES[content_type])
    assert user_of(request) == ANN
    assert request.read() == BODIES[content_type]


def test_a_session_may_send_its_token_as_a_field_of_a_form() -> None:
    form = {"csrfmiddlewaretoken": TOKEN, "filename": "a.txt"}
    request: HttpRequest = RequestFactory().post("/", form)
    request.user = ANN
    request.COOKIES[settings.CSRF_COOKIE_NAME] = TOKEN
    assert user_of(request) == ANN
    again = form_again(request)
    assert again is not None
    assert b'name="filename"\r\n\r\na.txt' in b"".join(again.blocks())


@pytest.mark.parametrize("content_type", BODIES)
def test_a_session_without_its_token_may_change_nothing(content_type: str) -> None:
    with pytest.raises(NotAllowed, match="CSRF"):
        user_of(posted(content_type, BODIES[content_type], token=None))


def test_nobody_is_nobody() -> None:
    request = posted("application/json", b"{}", token=None)
    request.user = AnonymousUser()
    assert user_of(request) is None


@pytest.mark.parametrize(
    "other", [SimpleNamespace(pk=7, is_staff=True), SimpleNamespace(pk=None, is_staff=False), Group(pk=7), User()]
)
def test_another_principal_with_a_users_key_is_not_that_user(other: object) -> None:
    with pytest.raises(NotSignedIn, match="users of this project"):
        actor_of(other)


def test_a_user_is_known_by_the_primary_key() -> None:
    assert actor_of(SimpleLazyObject(lambda: ANN)) == Actor("7")
    assert actor_of(User(pk=1, is_staff=True)) == Actor("1", Role.ADMIN)
