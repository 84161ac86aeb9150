"""Where this site is reached: what absolute URLs begin with.

Django judges the Host header by ``ALLOWED_HOSTS``, so while one of Kist's own views answers, the address that was asked
can be used. Elsewhere only ``KIST["PUBLIC_URL"]`` can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from kist.errors import Misconfigured
from kist.settings import Settings

_asked_at: ContextVar[str | None] = ContextVar("kist_asked_at", default=None)


@contextmanager
def asked_at(request: HttpRequest) -> Iterator[None]:
    """While the block runs, this site is where ``request`` has found it."""
    token = _asked_at.set(f"{request.scheme}://{request.get_host()}")
    try:
        yield
    finally:
        _asked_at.reset(token)


def site_url(settings: Settings) -> str:
    """Scheme and host of this site, without a trailing slash; empty where nobody knows them."""
    if settings.public_url is not None:
        parts = urlsplit(settings.public_url)
        return f"{parts.scheme}://{parts.netloc}"
    return _asked_at.get() or ""


def public_url(settings: Settings) -> str:
    """What the disk store's signed URLs begin with: the site, and the path at which its URLs are included.

    Where nobody knows the site they are paths alone, as those of Django's own media are, for pages of the site.
    """
    try:
        path: str = reverse("kist-door:door-post")
    except NoReverseMatch as error:
        raise Misconfigured(
            "signed URLs of files on disk lead here: add path('', include('kist.django.urls.door')) to its URLs",
            settings="KIST_STORE",
        ) from error
    return site_url(settings) + path.rstrip("/").removesuffix("/door") or "/"
