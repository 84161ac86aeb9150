"""List: every object of a bucket under a prefix, in byte order, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

from kist.errors import StoreRefused
from kist.model.content import Listed
from kist.stores.s3.reading import unquoted
from kist.stores.s3.sender import Ask, Sender
from kist.stores.s3.xml import is_last, key_decoder, parse_root

_EMPTY_PAGES = 100
_THIN_PAGES = 1000
_THIN = 10
"""Keys a page: pages of fewer come to an end, so that a list cannot go on for ever by telling next to nothing."""


async def list_objects(sender: Sender, bucket: str, prefix: str, after: str) -> AsyncIterator[Listed]:
    """Trusts no server: keys must rise and begin with ``prefix``, and pages must get on."""
    start = (("start-after", after),) if after else ()
    fixed = (("encoding-type", "url"), ("list-type", "2"), *((("prefix", prefix),) if prefix else ()))
    last = after.encode()
    token, empty, pages, keys = "", 0, 0, 0
    while True:
        query = (("continuation-token", token), *fixed) if token else (*fixed, *start)
        root = parse_root((await sender.ask(Ask("GET", bucket, query=query))).body, "ListBucketResult")
        decoded = key_decoder(root)
        empty += 1
        pages += 1
        for node in root.all("Contents"):
            listed = Listed(
                key=decoded(node.text("Key")),
                size=node.size(),
                etag=unquoted(node.find("ETag") or ""),
                modified=node.time("LastModified"),
            )
            encoded = listed.key.encode()
            if encoded <= last or not listed.key.startswith(prefix):
                raise StoreRefused("the object store's listing is out of order or holds what was not asked for")
            last, empty = encoded, 0
            keys += 1
            yield listed
        following = root.find("NextContinuationToken") or ""
        if is_last(root, following):
            return
        thin = pages > _THIN_PAGES and keys < pages * _THIN
        if not following or following == token or empty > _EMPTY_PAGES or thin:
            raise StoreRefused("the object store's listing repeats itself")
        token = following
