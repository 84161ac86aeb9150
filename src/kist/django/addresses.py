"""Where this site is reached: what absolute URLs begin with.

Django judges the Host header by ``ALLOWED_HOSTS``, so while a request is answered its own address can be used.
Elsewhere, as in a command, only ``KIST["PUBLIC_URL"]`` can tell.
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
    """Scheme and host of this site, without a trailing slash. ``Misconfigured`` when nobody knows them."""
    if settings.public_url is not None:
        parts = urlsplit(settings.public_url)
        return f"{parts.scheme}://{parts.netloc}"
    here = _asked_at.get()
    if here is None:
        raise Misconfigured(
            "KIST: outside a request nobody knows the address of this site: set PUBLIC_URL, like https://www.example.com",
            settings="KIST_PUBLIC_URL",
        )
    return here


def public_url(settings: Settings) -> str:
    """What the disk store's signed URLs begin with: the site, and the path at which its URLs are included."""
    try:
        path = reverse("kist-door:door-post")
    except NoReverseMatch as error:
        raise Misconfigured(
            "signed URLs of files on disk lead here: add path('', include('kist.django.urls.door')) to its URLs",
            settings="KIST_STORE",
        ) from error
    return site_url(settings) + path.rstrip("/").removesuffix("/door")
