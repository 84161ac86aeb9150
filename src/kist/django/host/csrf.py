"""The CSRF check of Django for a change that a session asks for, once it is known that it is one, and whose pages it
trusts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.middleware.csrf import CsrfViewMiddleware

from kist.errors import Invalid, NotAllowed, TooLarge

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


def fields_of(request: HttpRequest) -> QueryDict:
    """The form that a token may be in. With one in a header, as scripts send it, the body is left alone: Django would
    take it apart, into files of its own and without some letters of their names.

    ``TooLarge`` and ``Invalid`` for a form that Django does not take.
    """
    if request.META.get(settings.CSRF_HEADER_NAME):
        return QueryDict()
    try:
        return request.POST
    except RequestDataTooBig as error:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raise TooLarge(f"the fields of the form are larger than the {limit} bytes allowed here", limit=limit) from error
    except (SuspiciousOperation, BadRequest, MultiPartParserError) as error:
        raise Invalid(f"the form cannot be read: {error}") from error


def check_csrf(request: HttpRequest) -> None:
    """``NotAllowed`` for a change without the token of the session, or that a page of another site asks for."""
    if request.method in _SAFE:
        return
    check = _Check(lambda _: None)  # no response is ever asked of it
    seen = _Seen(request)
    check.process_request(seen)
    reason = check.process_view(seen, _needs_csrf, (), {})
    if reason:
        raise NotAllowed(f"CSRF Failed: {reason}")


def trusted_origins(request: HttpRequest) -> frozenset[str]:
    """The origin of the page that sent ``request``, where it is this site's or among ``CSRF_TRUSTED_ORIGINS``."""
    origin = request.META.get("HTTP_ORIGIN")
    return frozenset((origin,) if origin and _Check(lambda _: None)._origin_verified(request) else ())


class _Check(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


class _Seen:
    """The request as the check sees it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)

    @property
    def POST(self) -> QueryDict:
        return fields_of(self._request)


def _needs_csrf(request: HttpRequest) -> None:
    """Stands for a view that is not exempt."""
