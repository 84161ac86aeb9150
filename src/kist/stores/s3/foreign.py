"""S3 servers that somebody names: reached at an address that was looked at first, and with keys of their own alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from kist.errors import EndpointRefused, StoreUnavailable
from kist.model.endpoint import Endpoint, EndpointKeys
from kist.model.reach import is_outside
from kist.ports.system import Clock, Ids
from kist.stores.s3 import assemble
from kist.stores.s3.settings import Names, S3Settings
from kist.stores.s3.store import S3Store
from kist.stores.s3.together import at_once
from kist.stores.s3.transport_async import AsyncTransport

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]

LOOK_UP = 10.0
"""Seconds."""
NAMES = Names(
    key="the access key that was sent",
    secret="the secret key that was sent",  # noqa: S106  # what it is called
    token="the session token that was sent",  # noqa: S106
    place="KIST_SYNC_ENDPOINTS",
)
ENVIRONMENT = "the environment (AWS_REGION, KIST_S3_ENDPOINT or AWS_ENDPOINT_URL)"
"""Where whoever gives trusted keys says the rest."""


class ForeignStores:
    """``ReachesEndpoints``. ``resolve``: the addresses of a name, the system's own resolver if None."""

    def __init__(self, clock: Clock, ids: Ids, resolve: Resolve | None = None) -> None:
        self._clock = clock
        self._ids = ids
        self._resolve = resolve or look_up

    async def reach(self, endpoint: Endpoint, keys: EndpointKeys) -> S3Store:
        hosts: dict[str, tuple[str, ...]] = {}
        if endpoint.is_number:
            _check(endpoint, (endpoint.host,))
        else:
            hosts[endpoint.host] = await self._addresses(endpoint)
        settings = S3Settings(
            endpoint=endpoint.url,
            region=endpoint.region,
            style="path",  # with the bucket before it, the host would be another name
            key=keys.access_key,
            secret=keys.secret_key,
            session_token=keys.session_token,
            names=NAMES._replace(place=ENVIRONMENT) if keys.trusted else NAMES,
        )
        transport = AsyncTransport(
            connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout, hosts=hosts
        )
        return assemble(settings, transport, self._clock, self._ids, aside=asyncio.to_thread, together=at_once)

    async def _addresses(self, endpoint: Endpoint) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(LOOK_UP):
                found = await self._resolve(endpoint.host, endpoint.port)
        except (OSError, UnicodeError) as error:  # a TimeoutError is an OSError
            raise StoreUnavailable("the name of the endpoint cannot be looked up") from error
        if not found:
            raise StoreUnavailable("the name of the endpoint has no address")
        _check(endpoint, found)
        return found


def _check(endpoint: Endpoint, addresses: tuple[str, ...]) -> None:
    """All of them: which one a connection takes is not for whoever answers names to choose."""
    if not endpoint.internal and not all(map(is_outside, addresses)):
        raise EndpointRefused(
            "the endpoint lies at an internal address: the operator may allow that, with internal: before it in "
            "KIST_SYNC_ENDPOINTS"
        )


async def look_up(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a name, as the system resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))
