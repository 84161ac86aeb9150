"""Completing an upload of 64 MiB that lies in Ceph's gateway, against the bare copy and one HEAD by the same client."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterator

import urllib3
import uvloop
from bench import direct, programs
from bench.figures import Finding, Goal, Plan, Sample, Spread, interleaved
from bench.load import MIB
from bench.machine import CLIENT_CORE, SERVER_CORE, on_core
from tests.acceptance.holder import Holder, Ticket, begin, complete
from tests.acceptance.served import Client
from tests.servers.rgw import rgw
from tests.servers.server import S3Server

from kist.model.place import Place
from kist.stores.s3 import S3Settings
from kist.stores.s3.identity import FixedIdentity
from kist.stores.s3.reading import head_object
from kist.stores.s3.sender import Ask, Sender
from kist.stores.s3.signer import Credential, Signer
from kist.stores.s3.transport_async import AsyncTransport
from kist.system import SystemClock, SystemIds

GOAL = Goal(1.6, at_least=False)
SIZE = 64 * MIB
AT_A_TIME = 3
"""Uploads in a round. Each can be completed only once."""
TYPE = "application/octet-stream"


def measure(plan: Plan) -> Iterator[Finding]:
    home, content = plan.folder / "sealing", os.urandom(SIZE)
    with on_core(SERVER_CORE), rgw() as server:
        settings = direct.settings(server.endpoint, server.key, server.secret)
        direct.open_ways(home, settings)
        with (
            programs.kist(home, settings, core=CLIENT_CORE) as kist,
            on_core(CLIENT_CORE),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            client, holder = Client(kist.url, kist.key), Holder(urllib3.PoolManager(retries=False))
            copies = runner.run(_copier(server))

            def ours() -> Sample:
                return _timed(lambda ticket: _complete(client, ticket), _arrived(client, holder, content))

            def theirs() -> Sample:
                return _timed(lambda ticket: runner.run(copies.copy(ticket)), _arrived(client, holder, content))

            found = interleaved(plan.rounds, ours, theirs)
            runner.run(copies.close())
    yield Finding(
        "complete of a form upload of 64 MiB on Ceph, against its copy and one HEAD: time",
        Spread.of([theirs.rate / ours.rate for ours, theirs in found]),
        _milliseconds([ours for ours, _ in found]),
        _milliseconds([theirs for _, theirs in found]),
        GOAL,
    )


def _arrived(client: Client, holder: Holder, content: bytes) -> list[Ticket]:
    """Tickets by which the bytes have arrived, and which are not completed."""
    tickets = [begin(client, SIZE, "form", type=TYPE) for _ in range(AT_A_TIME)]
    for ticket in tickets:
        answer = holder.send(ticket, content)
        assert answer.status in (200, 201, 204), answer.body
    return tickets


def _complete(client: Client, ticket: Ticket) -> None:
    answer = complete(client, ticket)
    assert answer.status == 200, answer.body


def _timed(call: Callable[[Ticket], None], tickets: list[Ticket]) -> Sample:
    begun = time.perf_counter()
    for ticket in tickets:
        call(ticket)
    return Sample(len(tickets) / (time.perf_counter() - begun), 0.0)


class _Copier:
    """What sealing cannot do without: the copy, and one look at what it made."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def copy(self, ticket: Ticket) -> None:
        key = ticket["fields"]["key"]
        target = Place(direct.BUCKET, f"copies/{ticket['id']}")
        headers = (
            ("x-amz-copy-source", f"/{direct.BUCKET}/{key}"),
            ("x-amz-metadata-directive", "REPLACE"),
            ("content-type", TYPE),
        )
        await self._sender.ask(Ask("PUT", target.bucket, target.key, headers=headers))
        assert (await head_object(self._sender, target)).size == SIZE

    async def close(self) -> None:
        await self._sender.close()


async def _copier(server: S3Server) -> _Copier:
    """Over the transport that Kist uses, made in the loop that it is used in."""
    settings = S3Settings(endpoint=server.endpoint, key=server.key, secret=server.secret)
    identity = FixedIdentity(Signer(Credential(server.key, server.secret), server.region))
    transport = AsyncTransport(connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout)
    return _Copier(Sender(transport, identity, settings, SystemClock(), SystemIds()))


def _milliseconds(samples: list[Sample]) -> str:
    return f"{statistics.median(1000 / sample.rate for sample in samples):.1f} ms"
