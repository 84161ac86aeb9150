"""The native API: files, uploads, links, shares, buckets, syncs, keys, health, numbers. Errors: RFC 9457."""

from __future__ import annotations

from functools import cache

from kist.dialects.native import buckets, files, health, keys, links, metrics, shares, syncs, uploads
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.docs_page import docs_reply
from kist.wire.openapi import describe
from kist.wire.problems import problem
from kist.wire.reply import Reply
from kist.wire.routes import Dialect, Needs, Route


async def openapi(call: Call, kist: Kist) -> Reply:
    """The description of this API (OpenAPI 3.1)."""
    return Reply.json(_description(call.base_url))


async def docs(call: Call, kist: Kist) -> Reply:
    """The same for people."""
    return docs_reply(_description(call.base_url))


@cache
def _description(base_url: str) -> dict[str, object]:
    return describe(DIALECT, base_url)


DESCRIPTION_ROUTES = (
    Route(
        method="GET",
        path="/openapi.json",
        handler=openapi,
        name="openapi",
        summary="This description",
        needs=Needs.NOTHING,
    ),
    Route(method="GET", path="/docs", handler=docs, name="docs", summary="The same for people", needs=Needs.NOTHING),
)

DIALECT = Dialect(
    name="native",
    routes=(
        *files.ROUTES,
        *uploads.ROUTES,
        *links.ROUTES,
        *shares.ROUTES,
        *buckets.ROUTES,
        *syncs.ROUTES,
        *keys.ROUTES,
        *health.ROUTES,
        *metrics.ROUTES,
        *DESCRIPTION_ROUTES,
    ),
    show_error=problem,
)
