"""Puts small objects to an S3 server, by Kist's store or by boto3, and prints what that cost this process.

python -m bench.object_client kist|boto3 ENDPOINT KEY SECRET BUCKET COUNT
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

AT_ONCE = 64
CONTENT = os.urandom(4096)
TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Target:
    """Where to put objects."""

    endpoint: str
    key: str
    secret: str
    bucket: str


@dataclass
class Timed:
    """What a stretch of work took: seconds, and CPU seconds of the whole process."""

    seconds: float = 0.0
    cpu: float = 0.0

    def __enter__(self) -> Timed:
        self.seconds, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu = time.perf_counter() - self.seconds, time.process_time() - self.cpu


def by_kist(target: Target, count: int) -> Timed:
    """64 coroutines over aiohttp, in the event loop that Kist serves in."""
    from kist.asgi.serving import run

    return run(_by_kist(target, count))


async def _by_kist(target: Target, count: int) -> Timed:
    from kist.model.content import PutRules
    from kist.model.place import Place
    from kist.stores.s3 import S3Settings, open_store
    from kist.system import SystemClock, SystemIds

    settings = S3Settings(endpoint=target.endpoint, key=target.key, secret=target.secret)
    store = open_store(settings, SystemClock(), SystemIds())
    rules = PutRules(type=TYPE, size=len(CONTENT))

    async def body() -> AsyncIterator[bytes]:
        yield CONTENT

    async def put(numbers: range) -> None:
        for number in numbers:
            await store.put(Place(target.bucket, f"kist/{number}"), body(), rules)

    async def put_all(total: int) -> None:
        await asyncio.gather(*(put(range(first, total, AT_ONCE)) for first in range(AT_ONCE)))

    await put_all(AT_ONCE)  # opens the connections
    with Timed() as timed:
        await put_all(count)
    await store.close()
    return timed


def by_boto3(target: Target, count: int) -> Timed:
    """64 threads with one client and a connection for each."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=target.endpoint,
        region_name="us-east-1",
        aws_access_key_id=target.key,
        aws_secret_access_key=target.secret,
        config=Config(max_pool_connections=AT_ONCE),
    )

    def put(number: int) -> None:
        client.put_object(Bucket=target.bucket, Key=f"boto3/{number}", Body=CONTENT, ContentType=TYPE)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(put, range(AT_ONCE)))  # opens the connections
        with Timed() as timed:
            list(threads.map(put, range(count)))
    return timed


CLIENTS: dict[str, Callable[[Target, int], Timed]] = {"kist": by_kist, "boto3": by_boto3}


def main() -> None:
    name, *target, count = sys.argv[1:]
    timed = CLIENTS[name](Target(*target), int(count))
    print(json.dumps({"rate": int(count) / timed.seconds, "cpu": timed.cpu / int(count)}))


if __name__ == "__main__":
    main()
