"""Read the bytes of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from kist.errors import Corrupt, FileMissing, ObjectMissing, Unsupported
from kist.model.actor import Action, Actor
from kist.model.content import Opened, Span
from kist.model.file import File, FileState
from kist.ports.store import Receives
from kist.service.access import may
from kist.service.audits import audited
from kist.service.ports import Ports

MOST_ADDRESSES = 4096
"""Signed addresses that are remembered: within a window the same question has the same answer."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Downloads:
    """The way out for bytes that pass through the server."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        # What leads to Kist itself begins with where this request has found it, and costs little to sign.
        self._remembers = not isinstance(ports.store, Receives)
        self._addresses: dict[object, str] = {}

    async def open(self, actor: Actor, file: File, span: Span | None = None) -> Opened:
        """Open the content of ``file``, or the ``span`` of it. Whoever asked closes what is returned.

        ``FileMissing`` when ``actor`` may not read it, ``BadRange``, and ``Corrupt`` when the store has lost it.
        Where reads are verified, the body of a whole download raises ``Corrupt`` before its last block unless the
        bytes have the file's sha256.
        """
        if file.state is not FileState.READY or not await may(self._ports, actor, Action.READ, file):
            raise FileMissing("there is no such file")
        await self.note_read(actor, file)
        return await self.give(file, span)

    async def note_read(self, actor: Actor, *files: File) -> None:
        """Write down that an admin is about to be given what is in others' files. For every other actor: nothing.

        Whoever hands out ``signed`` addresses awaits this first; ``open`` does so by itself.
        """
        entries = [entry for file in files for entry in audited(self._ports, actor, Action.READ, file)]
        if entries:
            await self._ports.catalogue.commit(*entries)

    def signed(self, file: File, life: timedelta, *, shown_as: tuple[str, str] | None = None) -> str:
        """A signed address of the store's for ``file``, without a record of it, for contracts that hand out these.

        ``life`` is cut to the longest of a link. ``shown_as``: the Content-Type and Content-Disposition to answer
        with. The caller has let the reader in. ``Unsupported`` on a store that signs nothing.
        """
        if self._ports.signs is None:
            raise Unsupported("this store signs no addresses: read the file through Kist")
        query = () if shown_as is None else _answering(shown_as)
        return self._ports.signs.sign("GET", file.place, min(life, self._ports.limits.link_life_max), query=query).url

    def address(
        self, file: File, life: timedelta, *, shown_as: tuple[str, str], window: timedelta | None = None
    ) -> str | None:
        """A signed address at which the store itself gives the bytes of ``file``; None where it signs none.

        ``shown_as``: the Content-Type and the Content-Disposition that it is to answer with. ``window``: for that
        long the address stays the same. The caller has let the reader in.
        """
        if self._ports.signs is None or self._ports.stream_links:
            return None
        now = self._ports.clock.now()
        since = now if window is None else now - (now - _EPOCH) % window
        asked = (file.bucket, file.key, life, shown_as, since)
        known = self._addresses.get(asked)
        if known is None:
            known = self._ports.signs.sign("GET", file.place, life, query=_answering(shown_as), since=since).url
            if self._remembers:
                self._remember(asked, known)
        return known

    def _remember(self, asked: object, address: str) -> None:
        if len(self._addresses) >= MOST_ADDRESSES:
            self._addresses.clear()
        self._addresses[asked] = address

    async def give(self, file: File, span: Span | None = None) -> Opened:
        """``open`` for somebody who was let in already, by a link."""
        try:
            opened = await self._ports.store.open(file.place, span and span.within(file.size))
        except ObjectMissing as error:
            raise Corrupt(f"the bytes of file {file.id} are missing from the store", file=file.id) from error
        if span is None and file.sha256 is not None and self._ports.verify_reads:
            return Opened(opened.stored, None, verified(opened.body, file), opened.close)
        return opened


def _answering(shown_as: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """The query that has a store answer with this Content-Type and Content-Disposition."""
    return (("response-content-disposition", shown_as[1]), ("response-content-type", shown_as[0]))


async def verified(body: AsyncIterator[bytes], file: File) -> AsyncIterator[bytes]:
    """Pass ``body`` on one block late, and its last block only if the whole has the file's sha256."""
    digest = sha256()
    held = b""
    async for block in body:
        digest.update(block)
        if held:
            yield held
        held = block
    if digest.hexdigest() != file.sha256:
        raise Corrupt(f"the store gave other bytes for file {file.id} than it was given", file=file.id)
    if held:
        yield held
