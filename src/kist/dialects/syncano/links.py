"""``make-links``: addresses to read many files at once, for an application's back end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from unicodedata import normalize

import msgspec

from kist.dialects.syncano.arguments import read
from kist.dialects.syncano.callers import Callers, callers
from kist.dialects.syncano.instances import bucket_of
from kist.dialects.syncano.uploads import LONG, link_life
from kist.errors import BadName, FileMissing, Missing, UploadRefused
from kist.model.address import Address
from kist.model.file import File
from kist.model.query import MAX_PAGE
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.reply import Reply

EXPECTED = "fileNames: an array of strings, or one string"
_SHOWN = 200
"""Characters of somebody's mistake that are shown to them again."""


class LinksByName(msgspec.Struct, frozen=True):
    """Addresses by name, and why there is none for the others."""

    files: dict[str, str]
    errors: tuple[str, ...]


class InvalidUsage(msgspec.Struct, frozen=True):
    """The answer to anything else than names."""

    message: str
    expected: str
    got: object


async def make_links(call: Call, kist: Kist) -> Reply:
    """An address for each of the files that are there, and that the user may read where the call names one."""
    sent = await read(call)
    who = await callers(call, kist, sent.keys)
    admin = who.the_admin()
    names = sent.arguments.names
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list):
        return Reply.json(InvalidUsage("invalid usage", EXPECTED, _shown(names)), status=400)
    bucket = await bucket_of(call, kist, sent.arguments, admin, admin=True)
    making = _Making(kist, who, bucket, link_life(kist, LONG))
    return Reply.json(await making.links(names))


class _Making:
    """One call of ``make-links``: for whom, where, and for how long."""

    def __init__(self, kist: Kist, who: Callers, bucket: str, life: timedelta) -> None:
        self._kist = kist
        self._admin = who.the_admin()
        self._user = who.user
        self._bucket = bucket
        self._life = life

    async def links(self, names: Sequence[object]) -> LinksByName:
        addresses, errors = _texts(names)
        found: dict[str, File] = {}
        for some in _in_turn(list(addresses.values())):
            found |= await self._kist.addressed.find(self._bucket, some)
        files: dict[str, File] = {}
        links: dict[str, str] = {}
        for name, address in addresses.items():
            try:
                file = await self._readable(address, found.get(address))
                if file is None:
                    links[name] = await self._object_link(name)
                else:
                    files[name] = file
            except BadName as error:
                errors.append(f"{_shown_text(name)}: {error.message}")
            except UploadRefused as error:
                errors.append(f"{name}: {error.message}")
            except Missing:
                errors.append(f"{name} does not exist")
        await self._kist.downloads.note_read(self._user or self._admin, *files.values())
        for name, file in files.items():
            links[name] = self._kist.downloads.signed(file, self._life)
        return LinksByName(links, tuple(errors))

    async def _readable(self, address: str, file: File | None) -> File | None:
        """The file at ``address`` that a link may lead to. None: nothing there is a file, and all may be read.

        What looks absent may have come by a link and have been refused: its owner and admins are told why.
        """
        if file is None:
            Address(self._bucket, address)  # only now: what was found had a good one
        if self._user is None:
            with suppress(FileMissing):
                return file or await self._kist.addressed.get(self._admin, self._bucket, address)
            return None
        if file is None and address.startswith(f"{self._user.id}/"):
            return await self._kist.addressed.get(self._user, self._bucket, address)
        if file is None or not await self._kist.addressed.may_read(self._user, file):
            raise FileMissing("there is no such file")
        return file

    async def _object_link(self, name: str) -> str:
        """For what lay in the bucket before Kist."""
        return await self._kist.objects.address(self._admin, self._bucket, name, self._life)


def _texts(names: Sequence[object]) -> tuple[dict[str, str], list[str]]:
    """The names with the addresses that they mean, and what is said of what is no name."""
    errors = [f"{_shown_text(name)} is not a string" for name in names if not isinstance(name, str)]
    return {name: normalize("NFC", name) for name in names if isinstance(name, str)}, errors


def _in_turn(addresses: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at a time as may be asked for at once."""
    return (addresses[at : at + MAX_PAGE] for at in range(0, len(addresses), MAX_PAGE))


def _shown(value: object) -> object:
    """What was sent, to be shown to who sent it; only its beginning where it is long."""
    text = msgspec.json.encode(value)
    return value if len(text) <= _SHOWN else f"{text[:_SHOWN].decode(errors='ignore')}…"


def _shown_text(value: object) -> str:
    shown = _shown(value)
    return shown if isinstance(shown, str) else msgspec.json.encode(shown).decode()
