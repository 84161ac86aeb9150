"""Whether bytes that come over a network are those that their ETag names: networks flip bits, and TCP misses some."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator

from kist.errors import Corrupt
from kist.ports.tree import Item, Tree
from kist.sync.bucket import BucketTree

_MD5 = re.compile(r"[0-9a-f]{32}")


class Wanted:
    """The MD5s of which bytes must have one; ``came``: which they had."""

    def __init__(self, *digests: str) -> None:
        self.digests = digests
        self.came = ""


class Proof:
    """What is asked of the bytes of ``source``.

    Some stores name no MD5 where they seem to (encryption by managed keys). So a file is fetched once more when it
    does not fit, and taken when it comes out the same; from then on nothing is asked.
    """

    def __init__(self, source: Tree) -> None:
        self.asked = isinstance(source, BucketTree) and source.md5_etags

    def named(self, item: Item) -> str | None:
        """The MD5 that the bytes must have, where the ETag says it."""
        return item.etag if self.asked and _MD5.fullmatch(item.etag) else None

    def parts(self, item: Item) -> int:
        """In how many parts the object was sent whose ETag this is, 0 when it does not say."""
        count = item.etag[33:] if self.asked and item.etag[32:33] == "-" else ""
        return int(count) if count.isdigit() else 0

    def same_again(self) -> None:
        """Bytes that did not fit came out the same the second time: these ETags are no MD5."""
        self.asked = False


async def proven(item: Item, blocks: AsyncIterator[bytes], wanted: Wanted) -> AsyncIterator[bytes]:
    """``blocks`` as they come. ``Corrupt`` instead of their end when their MD5 is none of ``wanted``."""
    digest = hashlib.md5(usedforsecurity=False)
    async for block in blocks:
        digest.update(block)
        yield block
    wanted.came = digest.hexdigest()
    if wanted.came not in wanted.digests:
        raise damaged(item)


def damaged(item: Item) -> Corrupt:
    """The error for bytes that are not those that were stored."""
    return Corrupt(f"the bytes of {item.key} were damaged on their way from the store")


def joined(digests: list[bytes]) -> str:
    """The ETag of an object whose parts have these MD5s."""
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"
