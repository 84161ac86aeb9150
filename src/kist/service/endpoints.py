"""Jobs that go to another S3 server: whether they may, and their keys, sealed for as long as they have not ended."""

from __future__ import annotations

import msgspec

from kist.errors import EndpointRefused, Invalid, NotAllowed, Unsupported, WrongState
from kist.model.actor import Actor
from kist.model.endpoint import Endpoint, EndpointKeys, listed
from kist.model.ends import End, ForeignEnd
from kist.model.job import Job
from kist.model.rows import SealedKeys
from kist.ports.store import ObjectStore
from kist.ports.vault import Vault
from kist.service.ports import Ports

LONGEST_KEY = 1024
LONGEST_TOKEN = 8192

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(EndpointKeys).decode


class Endpoints:
    """Other servers, as jobs come to them."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def check(self, actor: Actor, ends: tuple[End, End], keys: EndpointKeys | None) -> None:
        """Raise unless ``actor`` may have a job between ``ends``, as far as they lie on other servers.

        ``NotAllowed`` unless an admin asks, ``EndpointRefused`` for a server that the operator has not listed, and
        without keys of its own: those of Kist go nowhere else.
        """
        foreign = [end for end in ends if isinstance(end, ForeignEnd)]
        if not foreign:
            if keys is not None:
                raise EndpointRefused("keys are for an end on another S3 server: leave them out")
            return
        if not actor.is_admin:
            raise NotAllowed("only an admin may sync with another S3 server")
        if len(foreign) > 1:
            raise Invalid("only one of the two ends may lie on another S3 server")
        if keys is None:
            raise EndpointRefused(f"{foreign[0]} needs access_key and secret_key of its own: send both")
        _check_keys(keys)
        self._vault()
        self._allowed(foreign[0], keys)

    def sealed(self, job: Job, keys: EndpointKeys) -> SealedKeys:
        """The keys of ``job`` as a row that nobody reads anything in."""
        return SealedKeys(job=job.id, sealed=self._vault().seal(_encode(keys), _about(job)))

    async def reach(self, job: Job, end: ForeignEnd) -> ObjectStore:
        """The store that ``end`` is on, with the keys of ``job``; close it after use.

        ``EndpointRefused``, ``StoreUnavailable``, ``WrongState`` when the keys are gone, ``Corrupt`` when they cannot
        be opened.
        """
        row = await self._ports.catalogue.sealed_keys(job.id)
        if row is None:
            raise WrongState("the keys of the other S3 server are gone: start the sync again")
        keys = _decode(self._vault().open(row.sealed, _about(job)))
        if self._ports.endpoints is None:
            raise _unreachable()
        return await self._ports.endpoints.reach(self._allowed(end, keys), keys)

    def _allowed(self, end: ForeignEnd, keys: EndpointKeys) -> Endpoint:
        """The endpoint, with what is known of it."""
        if keys.trusted:
            trusted: Endpoint = msgspec.structs.replace(end.endpoint, region=keys.region, internal=True)
            return trusted
        found = listed(self._ports.contracts.sync_endpoints, end.endpoint)
        if found is None:
            raise EndpointRefused("this endpoint is not among those in KIST_SYNC_ENDPOINTS")
        return found

    def _vault(self) -> Vault:
        if self._ports.vault is None:
            raise _unreachable()
        return self._ports.vault


def _about(job: Job) -> str:
    return f"{job.id}\n{job.actor}"


def _check_keys(keys: EndpointKeys) -> None:
    """They come into headers, so they hold nothing that does not belong there."""
    if not _is_key(keys.access_key, LONGEST_KEY) or not _is_key(keys.secret_key, LONGEST_KEY):
        raise EndpointRefused("access_key and secret_key are printable ASCII without spaces")
    if keys.session_token is not None and not _is_key(keys.session_token, LONGEST_TOKEN):
        raise EndpointRefused("a session token is printable ASCII without spaces")


def _is_key(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isascii() and text.isprintable() and " " not in text


def _unreachable() -> Unsupported:
    return Unsupported("this server syncs with no other S3 server")
