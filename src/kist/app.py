"""Composition root: ``build(settings)`` makes a Kist. The only file that knows all parts."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from kist.detection import detect
from kist.drive import right_here
from kist.errors import AlreadyThere, Misconfigured, Unavailable
from kist.model.actor import Actor, Role
from kist.model.endpoint import Endpoint, EndpointKeys
from kist.ports.catalogue import Catalogue
from kist.ports.gate import Recognises
from kist.ports.measures import Measures
from kist.ports.store import HoldsBuckets, ObjectStore
from kist.ports.system import Clock, Ids
from kist.ports.wiring import Aside, Wiring
from kist.roots import SyncRoots
from kist.saving import SavingFolder
from kist.service.entry import Entry
from kist.service.gate import OwnerGate
from kist.service.keys import Keys
from kist.service.kist import Kist
from kist.service.ports import Ports
from kist.service.rates import Rates
from kist.service.tokens import SHORTEST_SECRET
from kist.service.uncounted import Uncounted
from kist.setting_texts import without_password
from kist.settings import Settings
from kist.system import SystemClock, SystemIds
from kist.vault import AesVault
from kist.wire.routes import Dialect
from kist.working import Work

THREADS = 16
LOCAL_STORES = ("disk", "memory")
"""Schemes of stores whose bytes never cross a network."""
FIRST_ADMIN = "admin"
SECRET_FILE = "secret"  # noqa: S105  # its name, not its content
ADMIN_KEY_FILE = "admin-key"
"""In the home: the key that the first start made."""

log = logging.getLogger("kist")


@dataclass(frozen=True)
class Assembled:
    """A Kist, and what it takes to carry out its jobs in this process."""

    kist: Kist
    work: Work


async def build(settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None) -> Kist:
    """The Kist that ``settings`` describe. Close what is returned. Its jobs are left to others.

    ``Misconfigured`` or ``StoreRefused`` when the settings cannot work.
    """
    return (await assemble(settings, clock=clock, ids=ids)).kist


async def assemble(
    settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None, process: str = ""
) -> Assembled:
    """The same with what carries out its jobs. ``process``: which of several on one port it is for."""
    recognise_token = token_reader(settings)
    ports = await open_ports(settings, clock or SystemClock(), ids or SystemIds())
    rates = Rates(ports.catalogue, ports.clock, per_actor=settings.rate_key, per_address=settings.rate_address)
    kist = join(
        ports,
        recognise_token=recognise_token,
        anonymous=settings.anonymous,
        rates=rates,
        measures=partial(prometheus, ports.clock, process),
    )
    return Assembled(kist, Work(ports, threads()))


async def open_ports(settings: Settings, clock: Clock, ids: Ids) -> Ports:
    """Open the store and the catalogue that ``settings`` name, and bring both up to date.

    Makes the home folder (0700), the tables and the base bucket where they are absent. A store that cannot be reached
    right now is no error: everything but bytes works, and ``Kist.problems`` says so. On an error nothing stays open.
    """
    make_home(settings.home)
    aside = threads()
    async with AsyncExitStack() as opened:
        secret = signing_secret(settings, ids)
        store = open_store(settings, clock, ids, aside, secret)
        opened.push_async_callback(store.close)
        catalogue = await open_catalogue(settings, clock, ids, aside)
        opened.push_async_callback(catalogue.close)
        await try_base_bucket(store, settings.bucket)
        opened.pop_all()  # from here on the Kist closes them
    return fill_ports(settings, clock, ids, aside, store=store, catalogue=catalogue, secret=secret)


def fill_ports(
    settings: Settings, clock: Clock, ids: Ids, aside: Aside, *, store: ObjectStore, catalogue: Catalogue, secret: bytes
) -> Ports:
    """The sockets of the service with these in them, and what else the settings say."""
    return Ports(
        store=store,
        catalogue=catalogue,
        gate=OwnerGate(),
        clock=clock,
        ids=ids,
        detect=detect,
        limits=settings.limits,
        bucket=settings.bucket,
        secret=secret,
        verify_reads=urlsplit(settings.store).scheme not in LOCAL_STORES,
        origins=settings.origins,
        stream_links=settings.links == "stream",
        contracts=settings.contracts,
        saving=SavingFolder(settings.save_folder, aside, ids) if settings.save_folder else None,
        roots=SyncRoots(settings.folders, aside),
        vault=AesVault(secret, ids),
        endpoints=_Foreign(clock, ids),
    )


class _Foreign:
    """``ReachesEndpoints``. The S3 client is imported once it is needed."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    async def reach(self, endpoint: Endpoint, keys: EndpointKeys) -> ObjectStore:
        from kist.stores.s3.foreign import ForeignStores

        return await ForeignStores(self._clock, self._ids).reach(endpoint, keys)


def join(
    ports: Ports,
    *,
    recognise_token: Recognises | None = None,
    anonymous: Mapping[str, str] | None = None,
    rates: Rates | None = None,
    measures: Callable[[], Measures] = Uncounted,
) -> Kist:
    """The service over ``ports``."""
    keys = Keys(ports)
    entry = Entry(
        keys,
        ports.clock,
        recognise_token=recognise_token,
        anonymous=anonymous,
        rates=rates,
        alone=ports.alone(),
    )
    return Kist(ports, keys, entry, measures=measures)


def prometheus(clock: Clock, process: str = "") -> Measures:
    """What counts for Prometheus, in a registry of its own."""
    from kist.metrics import Prometheus  # not at import: commands on the local home count nothing

    return Prometheus(clock, process)


def make_home(home: Path) -> None:
    """Make the data folder, for its owner alone. One that is there already is left as it is."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"KIST_HOME: cannot make {home}: {error.strerror}") from error


def threads() -> Aside:
    """An ``aside`` that runs blocking calls in threads of the running event loop."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="kist-io")
    return partial(asyncio.get_running_loop().run_in_executor, pool)  # type: ignore[return-value]  # the same, untyped


def signing_secret(settings: Settings, ids: Ids) -> bytes:
    """What links and the disk store's tickets are signed with: from the settings, or kept in the home (0600)."""
    if settings.secret is not None:
        return settings.secret.reveal().encode()
    path = settings.home / SECRET_FILE
    try:
        if not path.exists():
            _keep_secret(path, ids.secret(), replace=False)
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise Misconfigured(f"KIST_SECRET: {path} cannot be used: {error}") from error
    if len(text) < SHORTEST_SECRET:
        raise Misconfigured(f"KIST_SECRET: {path} holds no secret: remove it, and every link and ticket ends")
    return text.encode()


def open_store(settings: Settings, clock: Clock, ids: Ids, aside: Aside, secret: bytes) -> ObjectStore:
    """The store whose module is named by the scheme of the store's URL."""
    wiring = Wiring(settings.store, clock, ids, aside, _revealed(settings), secret, settings.address)
    store: ObjectStore = adapter("stores", settings.store).connect(wiring)
    return store


def open_blocking_store(
    settings: Settings, clock: Clock, ids: Ids, secret: bytes, public_url: Callable[[], str]
) -> ObjectStore:
    """The same store for hosts without an event loop: it blocks its thread, and never suspends."""
    module = adapter("stores", settings.store)
    wiring = Wiring(settings.store, clock, ids, right_here, _revealed(settings), secret, public_url)
    store: ObjectStore = getattr(module, "connect_blocking", module.connect)(wiring)
    return store


def _revealed(settings: Settings) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in settings.s3_secrets.items()}


async def open_catalogue(settings: Settings, clock: Clock, ids: Ids, aside: Aside) -> Catalogue:
    """The catalogue whose module is named by the scheme of the database's URL, with its tables brought up to date."""
    module = adapter("catalogues", settings.database)
    catalogue: Catalogue = await module.connect(Wiring(settings.database, clock, ids, aside))
    return catalogue


def adapter(package: str, url: str) -> Any:
    """The module of ``package`` that serves the scheme of ``url``."""
    scheme = urlsplit(url).scheme
    module = module_named(package, scheme)
    if module is None:
        setting = {"stores": "KIST_STORE", "catalogues": "KIST_DATABASE"}[package]
        raise Misconfigured(f"{setting}: there is no {package[:-1]} for {scheme or url!r}")
    return module


def dialects(settings: Settings) -> tuple[Dialect, ...]:
    """The dialects that the settings name. Each is the ``DIALECT`` of the module of its name."""
    found = []
    for name in settings.dialects:
        dialect = getattr(module_named("dialects", name), "DIALECT", None)
        if dialect is None:
            raise Misconfigured(f"KIST_DIALECTS: there is no dialect {name!r}")
        found.append(dialect)
    return tuple(found)


def module_named(package: str, name: str) -> ModuleType | None:
    """The module ``name`` of a package of Kist, None when there is none. What fails inside it passes through."""
    try:
        return import_module(f"kist.{package}.{name}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("kist."):
            raise  # a library that the module needs
        return None


async def migrate(settings: Settings, *, clock: Clock | None = None) -> tuple[str, ...]:
    """Bring the tables of the catalogue up to date. Returns the names of the migrations that this call applied."""
    make_home(settings.home)
    applied: tuple[str, ...] = await adapter("catalogues", settings.database).bring_up_to_date(
        settings.database, clock or SystemClock()
    )
    return applied


def known_migrations(settings: Settings) -> dict[int, str]:
    """The migrations that this release would apply to an empty catalogue, by number."""
    known: dict[int, str] = adapter("catalogues", settings.database).known_migrations()
    return known


async def take_over_rows(settings: Settings, source: str, *, clock: Clock | None = None) -> int:
    """Copy all rows of the database at the URL ``source`` into that of ``settings``, which must be empty; how many.

    ``Misconfigured`` where there is nothing to copy from, or something already in the other.
    """
    make_home(settings.home)
    module, clock = adapter("catalogues", source), clock or SystemClock()
    if not hasattr(module, "exists") or not await module.exists(source):
        raise Misconfigured(f"--from: there is no database to copy from at {without_password(source)}")
    async with AsyncExitStack() as opened:
        wirings = [Wiring(url, clock, SystemIds(), threads()) for url in (source, settings.database)]
        old = await module.connect(wirings[0])
        opened.push_async_callback(old.close)
        new = await adapter("catalogues", settings.database).connect(wirings[1])
        opened.push_async_callback(new.close)
        if not hasattr(new, "take_over"):
            raise Misconfigured("KIST_DATABASE: rows are copied into sqlite and postgresql alone")
        copied: int = await new.take_over(old)
    return copied


async def applied_migrations(settings: Settings) -> frozenset[int]:
    """The numbers of the migrations that a database on a server has, which is looked at and not changed."""
    applied: frozenset[int] = await adapter("catalogues", settings.database).applied_migrations(settings.database)
    return applied


async def first_admin_key(kist: Kist, home: Path, clock: Clock | None = None) -> str | None:
    """Make a key for the actor ``admin`` unless some admin has one that works, and keep it in the home (0600).

    Returns the key, None when there was one.
    """
    now = (clock or SystemClock()).now()
    founder = Actor(FIRST_ADMIN, Role.ADMIN)
    for key in await kist.keys.page(founder):
        if key.role is Role.ADMIN and (key.expires_at is None or key.expires_at > now):
            return None
    row, text = await kist.keys.create(founder, FIRST_ADMIN, role=Role.ADMIN, label="made by the first start")
    try:
        _keep_secret(home / ADMIN_KEY_FILE, text)
    except OSError as error:
        await kist.keys.revoke(founder, row.id)
        raise Misconfigured(f"KIST_HOME: cannot write {home / ADMIN_KEY_FILE}: {error.strerror}") from error
    return text


def _keep_secret(path: Path, text: str, *, replace: bool = True) -> None:
    """Write ``text`` for the eyes of the owner alone, never half. ``replace`` False: what is there already stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as stream:
        stream.write(f"{text}\n")
        stream.flush()
        os.fsync(stream.fileno())
    if replace:
        draft.replace(path)
        return
    with suppress(FileExistsError):  # another process was quicker
        path.hardlink_to(draft)
    draft.unlink()


async def make_base_bucket(store: ObjectStore, bucket: str) -> None:
    """Make the base bucket where the store holds buckets and has none of that name."""
    if not isinstance(store, HoldsBuckets):
        return
    try:
        await store.make_bucket(bucket)
    except AlreadyThere:
        return
    log.info("made the base bucket %s", bucket)


async def try_base_bucket(store: ObjectStore, bucket: str) -> None:
    """The same at a start, which a store that cannot be reached yet does not stop: it is only logged."""
    try:
        await make_base_bucket(store, bucket)
    except Unavailable as error:
        log.warning("the store cannot be reached yet: %s", error.message)


def token_reader(settings: Settings) -> Recognises | None:
    """What recognises the tokens of an identity provider, None when the settings name none."""
    if settings.jwt_issuer is None or settings.jwt_audience is None or settings.jwt_keys is None:
        return None
    from kist.identity import TokenReader  # not at import: it brings cryptography, and few need it

    return TokenReader(settings.jwt_issuer, settings.jwt_audience, settings.jwt_keys)
