"""Which pages in a browser may call without a credential: only those of this server itself (T78, T81).

A caller whom ``KIST_ANONYMOUS`` lets in is known by nothing but the way it comes. A page of any site could come the
same way through its visitor's browser: by a form, or under a name of its own that it makes point here (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from kist.errors import NotAllowed
from kist.wire.call import Call

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PAGES = ("same-origin", "none")
_REMEMBERED = ("basic", "digest", "negotiate", "ntlm")
"""Schemes by which browsers sign in by themselves, whatever page has them send something."""


def refuse_foreign_pages(call: Call, origins: frozenset[str]) -> None:
    """``NotAllowed`` for what a page of another site could have made a browser send. ``origins`` are trusted."""
    host = call.headers.get("host")
    if host is not None and not _is_ours(host, call.base_url):
        raise NotAllowed("without a key, call this server by its address or by the name in KIST_PUBLIC_URL")
    if _from_elsewhere(call, origins):
        raise NotAllowed("pages of other sites may change nothing here without a key")


def refuse_foreign_forms(call: Call, origins: frozenset[str]) -> None:
    """``NotAllowed`` for a change by the key that a browser remembers, when a page of another site sent it.

    A browser that was asked for a key by Basic adds it to whatever goes to this server, forms of any page included.
    No page can make it add a Bearer.
    """
    if (call.headers.get("authorization") or "").lower().startswith(_REMEMBERED) and _from_elsewhere(call, origins):
        raise NotAllowed("pages of other sites may change nothing here by a key that the browser remembers")


def refuse_foreign_changes_of_known(call: Call, origins: frozenset[str]) -> None:
    """``NotAllowed`` for a change by somebody whom the application around knows, when a page of another site sent it
    and a browser could have signed it: by a cookie, an address, or what it remembers."""
    refuse_foreign_forms(call, origins)
    if call.headers.get("authorization") is None and _from_elsewhere(call, origins):
        raise NotAllowed("pages of other sites may change nothing here, unless the application trusts their origin")


def refuse_foreign_changes(call: Call) -> None:
    """``NotAllowed`` for a GET of an older contract that changes something and comes from a page of another site.

    Any page can make a browser send a GET, by an image or a link. Changes by other methods were judged when the caller
    was let in.
    """
    if call.method in _SAFE and not is_own_page(call):
        raise NotAllowed("pages of other sites change nothing by GET: send this by POST")


def is_own_page(call: Call) -> bool:
    """Whether a page of this server, or no page at all, sent this, as far as the browser says.

    Browsers say nothing to plain http beyond this machine. There a GET of somebody whom the application around knows,
    by a cookie as it seems, may be a page's doing.
    """
    site = call.headers.get("sec-fetch-site")
    if site is None and call.known is not None and call.method in _SAFE:
        return call.headers.get("authorization") is not None
    return site in (None, *_OWN_PAGES)


def _from_elsewhere(call: Call, origins: frozenset[str]) -> bool:
    """Whether a page of another site has made a browser send something that is no plain question."""
    origin, site = call.headers.get("origin"), call.headers.get("sec-fetch-site")
    if call.method in _SAFE or origin in origins:
        return False
    if site is not None:
        return site not in _OWN_PAGES
    return origin is not None and urlsplit(origin).netloc != call.headers.get("host")


def _is_ours(host: str, base_url: str) -> bool:
    """Whether no stranger can make ``host`` point here: an address, this machine, or the public name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost") or name == urlsplit(base_url).hostname:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
