"""Numbers for those who watch, in the text format of Prometheus."""

from __future__ import annotations

import ipaddress

from kist.errors import NotAllowed, NotSignedIn
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.credentials import bearer_or_basic
from kist.wire.pages import refuse_foreign_pages
from kist.wire.reply import Reply
from kist.wire.routes import Needs, Route

_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Headers that tell of a proxy. Whom it speaks for is somewhere else, whatever the address says."""


async def metrics(call: Call, kist: Kist) -> Reply:
    """Counts and levels. They hold no names, ids or addresses of users."""
    _check_caller(call)
    shown = await kist.metrics()
    return Reply(headers=[("content-type", shown.type)], body=shown.body)


def _check_caller(call: Call) -> None:
    """An admin, or somebody on this machine who shows no key; ``NotAllowed`` or ``NotSignedIn`` for others."""
    if call.actor.is_admin:
        return
    if bearer_or_basic(call) is not None:
        raise NotAllowed("only an admin may do this")
    if not _is_loopback(call.address) or any(call.headers.get(name) is not None for name in _PASSED_ON):
        raise NotSignedIn("show an admin's key, or ask from the machine that the server runs on, past any proxy")
    refuse_foreign_pages(call, frozenset())


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False  # a socket without an address


ROUTES = (
    Route(
        method="GET",
        path="/metrics",
        handler=metrics,
        name="metrics",
        summary="Numbers for Prometheus: for admins, and on loopback without a key",
        needs=Needs.WHAT_IT_NEEDS,
        errors=(NotSignedIn, NotAllowed),
    ),
)
