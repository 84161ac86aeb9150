"""The S3 store and its two builders: one for the event loop, one for hosts without."""

from __future__ import annotations

from kist.drive import right_here
from kist.errors import Misconfigured
from kist.ports.system import Clock, Ids
from kist.ports.wiring import Aside, Wiring
from kist.stores.s3.address import Addresses
from kist.stores.s3.copying import CopyLimits
from kist.stores.s3.identity import FixedIdentity, Identity
from kist.stores.s3.presigning import Presigner
from kist.stores.s3.probe import Prober
from kist.stores.s3.sender import Sender
from kist.stores.s3.settings import S3Settings
from kist.stores.s3.signer import Credential, Signer
from kist.stores.s3.store import S3Store
from kist.stores.s3.together import Together, at_once, one_by_one
from kist.stores.s3.transport import Transport
from kist.stores.s3.url import read_url

__all__ = [
    "CopyLimits",
    "S3Settings",
    "S3Store",
    "assemble",
    "connect",
    "connect_blocking",
    "open_blocking_store",
    "open_store",
]


def connect(wiring: Wiring) -> S3Store:
    """The store that a URL like ``s3://bucket?endpoint=…&region=…`` names, for the event loop."""
    return open_store(read_url(wiring), wiring.clock, wiring.ids, wiring.aside)


def connect_blocking(wiring: Wiring) -> S3Store:
    """The same for hosts without an event loop."""
    return open_blocking_store(read_url(wiring), wiring.clock, wiring.ids)


def open_store(settings: S3Settings, clock: Clock, ids: Ids, aside: Aside | None = None) -> S3Store:
    """A store that waits in the event loop. ``Misconfigured`` when the settings cannot work."""
    import asyncio  # neither is needed by the blocking set

    from kist.stores.s3.transport_async import AsyncTransport

    transport = AsyncTransport(connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout)
    return assemble(settings, transport, clock, ids, aside=aside or asyncio.to_thread, together=at_once)


def open_blocking_store(settings: S3Settings, clock: Clock, ids: Ids) -> S3Store:
    """A store that blocks its thread and never suspends, for ``drive``. ``clock.pause`` must block as well."""
    from kist.stores.s3.transport_blocking import BlockingTransport  # not needed in the event loop

    transport = BlockingTransport(connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout)
    return assemble(settings, transport, clock, ids)


def assemble(
    settings: S3Settings,
    transport: Transport,
    clock: Clock,
    ids: Ids,
    *,
    aside: Aside | None = None,
    copy_limits: CopyLimits | None = None,
    together: Together = one_by_one,
) -> S3Store:
    """A store over any transport. Without ``aside``, what blocks is called in the thread of the caller."""
    identity = _main_identity(settings, clock, aside or right_here)
    signing = _signing_identity(settings) or identity
    public = Addresses(settings.public_endpoint or settings.endpoint, settings.region, settings.style)
    sender = Sender(transport, identity, settings, clock, ids, aside or right_here)
    presigner = Presigner(public, identity, signing, clock)
    prober = Prober(sender, presigner, transport, ids, together)
    return S3Store(sender, presigner, prober, copy_limits=copy_limits)


def _main_identity(settings: S3Settings, clock: Clock, aside: Aside) -> Identity:
    if settings.key is None and settings.secret is None:
        from kist.stores.s3.credentials import ChainIdentity  # brings botocore

        return ChainIdentity(settings.region, clock, aside)
    if not settings.key or not settings.secret:
        raise Misconfigured("an S3 key needs its secret: set both KIST_S3_KEY and KIST_S3_SECRET")
    return FixedIdentity(Signer(Credential(settings.key, settings.secret, settings.session_token), settings.region))


def _signing_identity(settings: S3Settings) -> Identity | None:
    if settings.signing_key is None and settings.signing_secret is None:
        return None
    if not settings.signing_key or not settings.signing_secret:
        raise Misconfigured("a signing key needs its secret: set KIST_S3_SIGNING_KEY and KIST_S3_SIGNING_SECRET")
    return FixedIdentity(Signer(Credential(settings.signing_key, settings.signing_secret), settings.region))
