"""Who is calling: a user of the project, by whatever means it knows them, or the holder of a key of Kist.

Keys go first. Then the authenticators of Django REST framework are asked, where it is installed; else the session.
A change that a session asks for needs the CSRF token, as everywhere in Django.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware

from kist.errors import NotAllowed
from kist.model.actor import Actor, Role
from kist.service.keys import PREFIX

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


def is_key(token: str | None) -> bool:
    """Whether a credential is a key of Kist; anything else is the project's to judge."""
    return token is not None and token.startswith(PREFIX)


def actor_of(user: Any) -> Actor:
    """The actor that a user of the project is: known by the primary key, an admin where they are staff."""
    return Actor(str(user.pk), Role.ADMIN if user.is_staff else Role.USER)


def user_of(request: HttpRequest) -> Any:
    """The user who sent ``request``, None for nobody. ``NotSignedIn`` for a wrong credential; ``NotAllowed`` for a
    change by a session without its CSRF token."""
    if apps.is_installed("rest_framework"):
        from kist.django.host.rest_framework import user_of as known_to_rest_framework  # an extra of a project's own

        return known_to_rest_framework(request)
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return None
    _check_csrf(request)
    return user


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def _check_csrf(request: HttpRequest) -> None:
    if request.method in _SAFE:
        return
    check = _Csrf(lambda _: None)  # no response is ever asked of it
    check.process_request(request)
    reason = check.process_view(request, _needs_csrf, (), {})
    if reason:
        raise NotAllowed(f"CSRF Failed: {reason}")


def _needs_csrf(request: HttpRequest) -> None:
    """Stands for a view that is not exempt."""
