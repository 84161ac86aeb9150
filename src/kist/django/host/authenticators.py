"""Who is calling, as the project's settings of Django REST framework say. Imported where it is installed."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, QueryDict
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.request import Request
from rest_framework.settings import api_settings

from kist.django.host.csrf import fields_of
from kist.errors import NotAllowed, NotSignedIn


class _Asked(Request):
    """The request as authenticators see it. They have no parsers, since the body is for the handler to read."""

    @property
    def POST(self) -> QueryDict:
        return fields_of(self._request)


def known_user(request: HttpRequest) -> Any:
    """The user whom one of the authenticators recognises, None for nobody. See ``callers.user_of``."""
    asked = _Asked(request, authenticators=[kind() for kind in api_settings.DEFAULT_AUTHENTICATION_CLASSES])
    try:
        user = asked.user
    except PermissionDenied as error:
        raise NotAllowed(str(error.detail)) from error
    except APIException as error:
        raise NotSignedIn(str(error.detail)) from error
    return user if user is not None and user.is_authenticated else None
