"""What a command works on: opens the backend that the caller chose, and closes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kist.cli.backend import Backend
from kist.cli.options import Options


@asynccontextmanager
async def backend(options: Options, *, makes: bool = False) -> AsyncIterator[Backend]:
    """A running server when one was named, else the local home.

    ``makes``: whether a home that is not there is to be made.
    """
    opened = await _open(options, makes)
    try:
        yield opened
    finally:
        await opened.close()


async def _open(options: Options, makes: bool) -> Backend:
    from kist.settings import read_client_settings  # not at import: `kist --help` needs no settings

    client = read_client_settings(server=options.server)
    if client.server is not None:
        from kist.cli.remote import RemoteKist

        key = None if client.key is None else client.key.reveal()
        return RemoteKist(client.server, key=key, act_as=options.act_as)
    from kist.cli.local import open_local

    return await open_local(options.act_as, makes=makes)
