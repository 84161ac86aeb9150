"""Requests that are safe to send again: the same idempotency key gets the same answer for a day."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from kist.errors import Clash, InProgress, Invalid
from kist.model.actor import Actor
from kist.model.changes import Drop
from kist.model.file import File
from kist.model.rows import Idempotency
from kist.model.upload import Repeat, Upload
from kist.service.ports import Ports

MAX_KEY_CHARACTERS = 255

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(File).decode


class Repeats:
    """Idempotency records, made with the upload and answered in the commit that makes its file ready."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def earlier(self, actor: Actor, repeat: Repeat | None) -> File | None:
        """The file that answered an earlier request with this key, None when there was none."""
        answer = await self.answer(actor, repeat)
        return None if answer is None else _decode(answer)

    async def answer(self, actor: Actor, repeat: Repeat | None) -> bytes | None:
        """What answered an earlier request with this key, None when there was none.

        ``Invalid`` when the key was used for another request, ``InProgress`` while the first is being carried out.
        """
        if repeat is None:
            return None
        record = await self._ports.catalogue.idempotency(actor.id, repeat.key)
        if record is None:
            return None
        if record.answer is not None and self._is_old(record):
            with suppress(Clash):  # another request or the chore was quicker
                await self._ports.catalogue.commit(Drop(record))
            return None
        if record.fingerprint != repeat.fingerprint:
            raise Invalid("this Idempotency-Key was used for another request: take a new one for each request")
        if record.answer is None:
            raise in_progress()
        return record.answer

    def record(self, actor: Actor, repeat: Repeat | None) -> Idempotency | None:
        """The record of a request that is about to be carried out."""
        if repeat is None:
            return None
        if not 1 <= len(repeat.key) <= MAX_KEY_CHARACTERS or not repeat.key.isprintable():
            raise Invalid(f"an Idempotency-Key has 1 to {MAX_KEY_CHARACTERS} printable characters")
        return Idempotency(
            actor=actor.id, key=repeat.key, fingerprint=repeat.fingerprint, created_at=self._ports.clock.now()
        )

    def _is_old(self, record: Idempotency) -> bool:
        return record.created_at + self._ports.limits.repeat_life < self._ports.clock.now()


def answered(record: Idempotency, file: File) -> Idempotency:
    """The record with its answer."""
    done: Idempotency = msgspec.structs.replace(record, answer=_encode(file))
    return done


async def open_record(ports: Ports, upload: Upload) -> Idempotency | None:
    """The record that was made with ``upload`` and has no answer yet."""
    if upload.repeat_key is None:
        return None
    record = await ports.catalogue.idempotency(upload.actor, upload.repeat_key)
    return record if record is not None and record.answer is None else None


def in_progress() -> InProgress:
    """What a repeat is told while the first request is being carried out."""
    return InProgress("the same request is being carried out right now: ask again", after=1)
