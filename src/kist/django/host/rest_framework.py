"""The users that the authenticators of Django REST framework know."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, QueryDict
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.request import Request
from rest_framework.settings import api_settings

from kist.errors import NotAllowed, NotSignedIn


class Asked(Request):
    """A request whose body is not the framework's to parse."""

    @property
    def POST(self) -> QueryDict:
        """Where the CSRF check looks for its token: Django's own, which leaves every body but a form unread."""
        return self._request.POST


def user_of(request: HttpRequest) -> Any:
    """The user who sent ``request``, None for nobody. ``NotSignedIn`` for a wrong credential, ``NotAllowed`` for a
    change by a session without its CSRF token."""
    asked = Asked(request, authenticators=[kind() for kind in api_settings.DEFAULT_AUTHENTICATION_CLASSES])
    try:
        user = asked.user
    except PermissionDenied as error:
        raise NotAllowed(str(error.detail)) from error
    except APIException as error:
        raise NotSignedIn(str(error.detail)) from error
    return user if user is not None and user.is_authenticated else None
