"""An S3 server whose bucket lists as many empty objects as it was told. It keeps none, and takes none.

    python -m bench.list_stub COUNT [MILLISECONDS]

Each answer takes so many milliseconds on its way, as those of a store that is far away.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import uvloop

from kist.asgi.serving import address_of, bind

EMPTY = "d41d8cd98f00b204e9800998ecf8427e"
PAGE = 1000
PREFIX = "million/"
MODIFIED = "2099-01-01T00:00:00.000Z"


def name_of(number: int) -> str:
    """The key of an object, in the order of numbers, a hundred in a folder."""
    return f"folder-{number // 100:05}/file-{number:07}"


def page(query: dict[str, list[str]], count: int) -> str:
    """A page of the listing, as the query asks for it."""
    first = int(query["continuation-token"][0]) if "continuation-token" in query else _behind(query)
    last = min(first + PAGE, count) if query.get("prefix") == [PREFIX] else first
    lines = [
        f"<Contents><Key>{PREFIX}{name_of(number)}</Key><LastModified>{MODIFIED}</LastModified>"
        f'<ETag>"{EMPTY}"</ETag><Size>0</Size><StorageClass>STANDARD</StorageClass></Contents>'
        for number in range(first, last)
    ]
    more = last > first and last < count
    token = f"<NextContinuationToken>{last}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(lines)}</ListBucketResult>"
    )


def _behind(query: dict[str, list[str]]) -> int:
    """The number of the first object behind a key that a listing is to start after: that of one of them."""
    after = query.get("start-after", [""])[0]
    return int(after.rpartition("-")[2]) + 1 if after else 0


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int, way: float) -> None:
    """One kept connection. No request here has a body."""
    while head := await reader.readuntil(b"\r\n\r\n"):
        method, target, _ = head.decode("ascii").split(" ", 2)
        await asyncio.sleep(way)
        body = page(parse_qs(urlsplit(target).query), count).encode() if method == "GET" else b""
        writer.write(b"HTTP/1.1 200 Stub\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


async def main(count: int, milliseconds: int = 0) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer, count, milliseconds / 1000)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    listener = bind("127.0.0.1", 0)
    server = await asyncio.start_server(serve, sock=listener)
    print(json.dumps({"url": address_of(listener)}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*map(int, sys.argv[1:3])))
