"""Links in the native API, and what they lead to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from kist.dialects.native.paging import read_time_cursor, write_time_cursor
from kist.errors import Invalid, LinkMissing, NotSignedIn, TooMany
from kist.model.file import File
from kist.model.link import Disposition, Link
from kist.model.query import MAX_PAGE
from kist.service.kist import Kist
from kist.service.links import LinkTerms, MadeLinks
from kist.wire.call import Call, Query
from kist.wire.credentials import bearer_or_basic
from kist.wire.decoding import decode_body, decode_query
from kist.wire.download import plan_download, shown_as
from kist.wire.password_page import password_page
from kist.wire.problems import as_problem
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Needs, Route

FORM = "application/x-www-form-urlencoded"
PASSWORD_HEADER = "kist-link-password"  # noqa: S105  # its name
MOST_FORM = 4096


class NewLinks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Links to make, all on the same terms."""

    files: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_PAGE, description="file ids")]
    expires_in: Annotated[int, Meta(ge=1, description="seconds; cut to KIST_LINK_LIFE_MAX")] | None = None
    disposition: Annotated[Disposition, Meta(description="view is granted to harmless types only")] = (
        Disposition.DOWNLOAD
    )
    max_uses: Annotated[int, Meta(ge=1)] | None = None
    password: Annotated[str, Meta(min_length=1)] | None = None


class LinkShape(msgspec.Struct, frozen=True):
    """A link. Its address is all that a reader needs."""

    id: str
    url: str
    expires_at: datetime


class MadeLinksShape(msgspec.Struct, frozen=True):
    """Links by the id of their file, and a problem for each file for which there is none."""

    links: dict[str, LinkShape]
    errors: dict[str, dict[str, Any]]


class LinkRow(LinkShape, frozen=True):
    """A link and how it was used."""

    file: str
    created_at: datetime
    disposition: Disposition
    max_uses: int | None
    uses: int
    last_used_at: datetime | None
    password: Annotated[bool, Meta(description="whether one is asked for")]


class LinkPage(msgspec.Struct, frozen=True):
    """A page of links. ``next`` is the cursor of the page after it."""

    items: tuple[LinkRow, ...]
    next: str | None


class LinkQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which links."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 100
    cursor: Annotated[str | None, Meta(description="next of the page before")] = None


async def make(call: Call, kist: Kist) -> Reply:
    """Make links."""
    asked = await decode_body(call, NewLinks)
    made = await kist.links.make(call.actor, asked.files, terms_of(asked))
    return Reply.json(shape_made(kist, made, call.base_url))


def terms_of(asked: NewLinks) -> LinkTerms:
    """The terms that a caller names."""
    return LinkTerms(
        life=None if asked.expires_in is None else _span(asked.expires_in),
        disposition=asked.disposition,
        max_uses=asked.max_uses,
        password=asked.password,
    )


def shape_made(kist: Kist, made: MadeLinks, base_url: str) -> MadeLinksShape:
    """Links just made, as the native API shows them. ``base_url``: the address of this Kist."""
    links = {
        file_id: LinkShape(link.id, _url(kist, link, base_url), link.expires_at) for file_id, link in made.links.items()
    }
    return MadeLinksShape(links, {file_id: as_problem(error) for file_id, error in made.errors.items()})


async def page(call: Call, kist: Kist) -> Reply:
    """List my links."""
    asked = decode_query(call.query, LinkQuery)
    found = await kist.links.page(call.actor, asked.limit, read_time_cursor(asked.cursor))
    return Reply.json(
        LinkPage(tuple(shape_link(kist, link, call.base_url) for link in found.items), write_time_cursor(found.next))
    )


async def revoke(call: Call, kist: Kist) -> Reply:
    """Revoke a link."""
    await kist.links.revoke(call.actor, call.params["id"])
    return Reply.empty()


async def follow(call: Call, kist: Kist) -> Reply:
    """Give what a link leads to: send on to the store for a while, or stream. HEAD uses nothing up."""
    token, password = call.params["token"], await _password(call)
    try:
        link, file = await kist.links.follow(token, password=password, address=call.address, used=call.method != "HEAD")
    except NotSignedIn as error:
        if "text/html" in (call.headers.get("accept") or ""):
            return password_page(error.message)
        raise
    return await _give(call, kist, link, file)


async def _give(call: Call, kist: Kist, link: Link, file: File) -> Reply:
    inline = link.disposition is Disposition.VIEW
    window = kist.limits.link_window
    url = None
    if call.method != "HEAD" and link.max_uses is None:  # an address of the store can be used more than once
        url = kist.downloads.address(file, 2 * window, shown_as=shown_as(file, inline=inline), window=window)
    if url is not None:
        headers = [("location", url), ("cache-control", "private, no-store"), ("referrer-policy", "no-referrer")]
        return Reply.empty(302 if call.method == "GET" else 303, headers)
    plan = plan_download(call, file, inline=inline)
    if plan.reply is not None:
        return plan.reply
    return plan.reply_with(await kist.downloads.give(file, plan.span))


async def _password(call: Call) -> str | None:
    """What the caller gave as the password: a header, the password of Basic, or the field of the page's form."""
    if call.method == "POST":
        return Query(await call.body.read(MOST_FORM)).get("password") or ""
    header = call.headers.get(PASSWORD_HEADER)
    return _as_text(header) if header else bearer_or_basic(call)


def _as_text(header: str) -> str:
    """A header as its sender wrote it: programs send UTF-8, pages of a browser only latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return header


def _span(seconds: int) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except OverflowError as error:
        raise Invalid("expires_in is a number of seconds") from error


def _url(kist: Kist, link: Link, base_url: str) -> str:
    return f"{base_url}/l/{kist.links.token(link)}"


def shape_link(kist: Kist, link: Link, base_url: str) -> LinkRow:
    """A link as the native API lists it."""
    return LinkRow(
        link.id,
        _url(kist, link, base_url),
        link.expires_at,
        link.file_id,
        link.created_at,
        link.disposition,
        link.max_uses,
        link.uses,
        link.last_used_at,
        link.password is not None,
    )


ROUTES = (
    Route(
        method="POST",
        path="/v1/links",
        handler=make,
        name="links-make",
        summary="Make links to files, for whoever has their address",
        body=BodyKind.SMALL,
        accepts=NewLinks,
        answers=MadeLinksShape,
    ),
    Route(
        method="GET",
        path="/v1/links",
        handler=page,
        name="links-list",
        summary="My links that are not revoked, newest first",
        query=LinkQuery,
        answers=LinkPage,
    ),
    Route(
        method="DELETE",
        path="/v1/links/{id}",
        handler=revoke,
        name="links-revoke",
        summary="Revoke a link at once",
        status=204,
        errors=(LinkMissing,),
    ),
    Route(
        method="GET",
        path="/l/{token}",
        handler=follow,
        name="links-follow",
        summary="What a link leads to: 302 to the store for a minute, or the bytes",
        needs=Needs.NOTHING,
        answers=bytes,
        errors=(LinkMissing, NotSignedIn, TooMany),
    ),
    Route(
        method="POST",
        path="/l/{token}",
        handler=follow,
        name="links-follow-with-password",
        summary="The same, with the field password of a form",
        needs=Needs.NOTHING,
        body=BodyKind.SMALL,
        accepts_types=(FORM,),
        answers=bytes,
        errors=(LinkMissing, NotSignedIn, TooMany),
    ),
)
