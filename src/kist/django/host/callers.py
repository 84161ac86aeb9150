"""Who is calling: a user of the project, by whatever means it knows them, or the holder of a key of Kist.

Keys go first. Then the authenticators of Django REST framework are asked, where it is installed; else the session.
A change that a session asks for needs the CSRF token, as everywhere in Django.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import Error
from django.http import HttpRequest

from kist.django.host.csrf import check_csrf
from kist.django.meaning import translate
from kist.errors import NotSignedIn
from kist.model.actor import Actor, Role
from kist.service.keys import PREFIX


def is_key(token: str | None) -> bool:
    """Whether a credential is a key of Kist; anything else is the project's to judge."""
    return token is not None and token.startswith(PREFIX)


def actor_of(user: Any) -> Actor:
    """The actor that a user of the project is: known by the primary key, an admin where they are staff.

    ``NotSignedIn`` for any other principal that an authenticator may find: its key would be taken for a user's.
    """
    if not isinstance(user, get_user_model()) or user.pk is None:
        raise NotSignedIn("files belong to users of this project, and whoever signed in here is none")
    return Actor(str(user.pk), Role.ADMIN if user.is_staff else Role.USER)


def user_of(request: HttpRequest) -> Any:
    """The user who sent ``request``, None for nobody. ``NotSignedIn`` for a wrong credential; ``NotAllowed`` for a
    change by a session without its CSRF token; ``CatalogueBusy`` when the database of the users does not answer."""
    try:
        return _found(request)
    except Error as error:
        raise translate(error) from error


def _found(request: HttpRequest) -> Any:
    if apps.is_installed("rest_framework"):
        from kist.django.host.authenticators import known_user  # REST framework need not be there

        return known_user(request)
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return None
    check_csrf(request)
    return user
