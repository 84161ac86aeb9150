"""The routes of a dialect as URL patterns of Django: what every host owes, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from django.db import connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from kist.django.addresses import asked_at, site_url
from kist.django.composition import assembled
from kist.django.host import callers
from kist.django.host.csrf import trusted_origins
from kist.django.host.requests import NO_LENGTH, give_body, loses_length, read_call
from kist.django.host.responses import response_of
from kist.drive import drive, drive_awaitable
from kist.errors import Invalid, WrongMethod
from kist.service.kist import Kist
from kist.wire.admission import admit, admit_known, check_body, credential, declared_length
from kist.wire.call import Call
from kist.wire.decoding import SMALL_BODY
from kist.wire.failures import show
from kist.wire.reply import Reply
from kist.wire.routes import Dialect, Needs, Route

View = Callable[..., HttpResponseBase]


def url_patterns(dialect: Dialect, at: str = "", names: Mapping[str, str] | None = None) -> list[URLPattern]:
    """The patterns for all routes of ``dialect``, to be included anywhere.

    ``at``: what the paths of its routes begin with, and the patterns leave out. ``names``: those of the patterns, by
    the names of the routes; the routes' own names for the rest. Trailing slashes are accepted and not demanded.
    """
    by_path: dict[str, dict[str, Route]] = {}
    for route in dialect.routes:
        by_path.setdefault(route.path, {})[route.method] = route
    patterns = []
    for path, routes in by_path.items():
        view = _view(dialect, routes, path.removeprefix(at))
        for route in routes.values():
            name = (names or {}).get(route.name, route.name)
            patterns.append(re_path(_pattern(path.removeprefix(at)), view, name=name))
    return patterns


def _pattern(template: str) -> str:
    """The regular expression of a path template, without the slash at its beginning."""
    segments = []
    for segment in template.strip("/").split("/"):
        if segment.endswith("...}"):
            segments.append(f"(?P<{segment[1:-4]}>.+)")
        elif segment.startswith("{"):
            segments.append(f"(?P<{segment[1:-1]}>[^/]+)")
        else:
            segments.append(re.escape(segment))
    return f"^{'/'.join(segments)}/?$" if segments != [""] else "^$"


def _base(path: str, template: str, params: Mapping[str, str]) -> str:
    """What comes before the route in ``path``, without a slash at its end: where its URLs are included."""
    segments = template.strip("/").split("/")
    own = "/".join(params[segment[1:-1].removesuffix("...")] if segment[:1] == "{" else segment for segment in segments)
    return (path.removesuffix(own) if path.endswith(own) else path.removesuffix(f"{own}/")).rstrip("/")


def _view(dialect: Dialect, routes: dict[str, Route], template: str) -> View:
    """The view for the routes of one path. Transactions are the service's; the CSRF check is the session's."""

    @csrf_exempt
    def view(request: HttpRequest, **params: str) -> HttpResponseBase:
        with asked_at(request):
            call = read_call(request, params, _base(request.path, template, params))
            try:
                made = assembled()
                call.base_url = site_url(made.settings) + call.base_url
                reply = _reply(call, request, dialect, routes, made.kist)
            except Exception as error:
                reply = show(error, call, dialect, template if "{token}" in template else request.path)
            return response_of(reply, request)

    for alias in connections:
        view = non_atomic_requests(using=alias)(view)
    return view


def _reply(call: Call, request: HttpRequest, dialect: Dialect, routes: dict[str, Route], kist: Kist) -> Reply:
    route = _route(call, routes)
    if isinstance(route, Reply):
        return route
    if loses_length(request):
        refusal = dialect.show_error(Invalid(NO_LENGTH), call)
        refusal.status = 411
        return refusal
    _let_in(call, request, route, dialect, kist)
    return drive_awaitable(route.handler(call, kist))


def _route(call: Call, routes: dict[str, Route]) -> Route | Reply:
    found = routes.get(call.method) or (routes.get("GET") if call.method == "HEAD" else None)
    if found is not None:
        return found
    allowed = ", ".join(sorted({*routes, *(("HEAD",) if "GET" in routes else ()), "OPTIONS"}))
    if call.method == "OPTIONS":
        return Reply.empty(headers=[("allow", allowed)])
    raise WrongMethod(f"{call.method[:20]} does nothing here: use {allowed}", allowed=allowed)


def _let_in(call: Call, request: HttpRequest, route: Route, dialect: Dialect, kist: Kist) -> None:
    """The gate before the body. What its headers say comes first: looking for a user may mean to read a form whole."""
    call.body.length = declared_length(call)
    check_body(call, route, SMALL_BODY)
    user = None
    if route.needs is not Needs.NOTHING and not callers.is_key(credential(call, dialect)):
        user = callers.user_of(request)
    if user is None:
        drive(admit(call, route, dialect, kist.entry))
    else:
        call.known = callers.actor_of(user)
        drive(admit_known(call, route, dialect, kist.entry, origins=trusted_origins(request)))
    if call.body.length != 0:
        give_body(call, request)
