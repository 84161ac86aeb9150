"""The backend on the local home, also while a server runs on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime

import msgspec

from kist.app import Assembled, assemble
from kist.cli.backend import LOOK, Content, Source
from kist.cli.elsewhere import keys_for
from kist.cli.threads import in_thread
from kist.dialects.native.buckets import BucketShape, NewBucket, shape_bucket
from kist.dialects.native.links import LinkRow, MadeLinksShape, NewLinks, shape_link, shape_made, terms_of
from kist.dialects.native.shapes import FileShape, KeyShape, MadeKey, shape_file, shape_key
from kist.dialects.native.shares import NewShare, ShareShape, shape_share
from kist.dialects.native.sync_steps import StepShape, shape_step
from kist.dialects.native.syncs import JobShape, NewSync, options_of, shape_job
from kist.errors import LeaseLost, Misconfigured, Stale
from kist.model.actor import Actor, Role, check_actor_id
from kist.model.content import Opened, Span
from kist.model.endpoint import EndpointKeys
from kist.model.query import MAX_PAGE, Cursor, FileQuery, Sort
from kist.model.upload import Intent
from kist.service.kist import Kist
from kist.settings import Settings, read_settings
from kist.system import SystemIds

LOCAL = Actor("local", Role.ADMIN)


async def open_local(act_as: str | None, *, makes: bool) -> LocalKist:
    """The home that the settings name. ``Misconfigured`` when there is none, unless this command ``makes`` it."""
    settings = read_settings() if makes else settings_of_home()
    actor = LOCAL if act_as is None else Actor(check_actor_id(act_as), via=LOCAL.id)
    return LocalKist(await assemble(settings), actor, settings)


def settings_of_home() -> Settings:
    """The settings, of a home that is there already. ``Misconfigured`` when it is not."""
    settings = read_settings()
    if not settings.home.exists():
        raise Misconfigured(
            f"there is no Kist at {settings.home}: set KIST_HOME to where it is, or make it with `kist serve`"
        )
    return settings


class LocalKist:
    """See ``Backend``."""

    def __init__(self, assembled: Assembled, actor: Actor, settings: Settings) -> None:
        self._kist: Kist = assembled.kist
        self._work = assembled.work
        self._actor = actor
        self._settings = settings

    @property
    def where(self) -> str:
        return str(self._settings.home)

    @property
    def is_local(self) -> bool:
        return True

    async def me(self) -> str:
        return self._actor.id

    async def file(self, file_id: str) -> FileShape:
        return shape_file(await self._kist.files.get(self._actor, file_id))

    async def files(
        self, *, text: str | None = None, owner: str | None = None, sort: str = "name", limit: int | None = None
    ) -> AsyncIterator[FileShape]:
        size = min(limit or MAX_PAGE, MAX_PAGE)
        asked = FileQuery(text=text, owner=owner, sort=Sort(sort.lstrip("-")), descending=sort[0] == "-", limit=size)
        after, given = None, 0
        while True:
            page = await self._kist.files.page(self._actor, _after(asked, after))
            for file in page.items:
                yield shape_file(file)
                given += 1
                if given == limit:
                    return
            if page.next is None:
                return
            after = page.next

    async def put(self, source: Source) -> FileShape:
        return shape_file(await self._kist.uploads.receive(self._actor, _intent(source), _body(source)))

    async def replace(self, file: FileShape, source: Source) -> FileShape:
        replaced = await self._kist.uploads.replace(
            self._actor, file.id, _intent(source), _body(source), only_if=lambda now: now.version == file.version
        )
        return shape_file(replaced)

    async def open(self, file: FileShape, start: int = 0) -> Content:
        found = await self._kist.files.get(self._actor, file.id)
        if found.version != file.version:
            raise Stale("the file has been replaced meanwhile: get it again")
        opened = await self._kist.downloads.open(self._actor, found, Span(start, found.size) if start else None)
        return Content(start, _blocks(opened))

    async def rename(self, file_id: str, name: str) -> FileShape:
        return shape_file(await self._kist.files.change(self._actor, file_id, name=name))

    async def remove(self, file_id: str) -> None:
        await self._kist.files.remove(self._actor, file_id)

    async def keys(self) -> tuple[KeyShape, ...]:
        return tuple(shape_key(key) for key in await self._kist.keys.page(self._actor))

    async def make_key(self, actor: str, *, admin: bool, label: str, expires_at: datetime | None) -> MadeKey:
        role = Role.ADMIN if admin else Role.USER
        row, text = await self._kist.keys.create(self._actor, actor, role=role, label=label, expires_at=expires_at)
        return MadeKey(row.id, row.actor, row.role, row.label, row.created_at, row.expires_at, text)

    async def revoke_key(self, key_id: str) -> None:
        await self._kist.keys.revoke(self._actor, key_id)

    async def shares(self, file_id: str) -> tuple[ShareShape, ...]:
        return tuple(map(shape_share, await self._kist.shares.of_file(self._actor, file_id)))

    async def share(self, file_id: str, actor: str, wanted: NewShare) -> ShareShape:
        return shape_share(
            await self._kist.shares.grant(self._actor, file_id, actor, wanted.actions, expires_at=wanted.expires_at)
        )

    async def withdraw(self, file_id: str, actor: str) -> None:
        await self._kist.shares.withdraw(self._actor, file_id, actor)

    async def make_links(self, wanted: NewLinks) -> MadeLinksShape:
        made = await self._kist.links.make(self._actor, wanted.files, terms_of(wanted))
        return shape_made(self._kist, made, self._settings.address)

    async def links(self) -> tuple[LinkRow, ...]:
        found = await self._kist.links.page(self._actor, MAX_PAGE)
        return tuple(shape_link(self._kist, link, self._settings.address) for link in found.items)

    async def revoke_link(self, link_id: str) -> None:
        await self._kist.links.revoke(self._actor, link_id)

    async def buckets(self) -> tuple[BucketShape, ...]:
        return tuple(map(shape_bucket, await self._kist.buckets.list(self._actor)))

    async def make_bucket(self, wanted: NewBucket) -> BucketShape:
        return shape_bucket(await self._kist.buckets.create(self._actor, wanted.name))

    async def drop_bucket(self, name: str) -> None:
        await self._kist.buckets.remove(self._actor, name)

    async def sync(self, wanted: NewSync) -> JobShape:
        keys = keys_for(wanted.source, wanted.dest)
        return shape_job(
            await self._kist.jobs.start(self._actor, wanted.source, wanted.dest, options_of(wanted), keys=keys)
        )

    async def undo_job(self, job: str) -> JobShape:
        return shape_job(await self._kist.jobs.undo(self._actor, job, keys=await self._keys_of(job)))

    async def confirm_job(self, job: str, plan: str | None = None) -> JobShape:
        return shape_job(await self._kist.jobs.confirm(self._actor, job, plan))

    async def cancel_job(self, job: str) -> JobShape:
        return shape_job(await self._kist.jobs.cancel(self._actor, job))

    async def resume_job(self, job: str) -> JobShape:
        return shape_job(await self._kist.jobs.resume(self._actor, job, keys=await self._keys_of(job)))

    async def _keys_of(self, job: str) -> EndpointKeys | None:
        """The keys of the environment, where a job goes to another server: nothing has kept those that it had."""
        found = await self._kist.jobs.get(self._actor, job)
        return keys_for(found.source, found.dest)

    async def job(self, job: str) -> JobShape:
        return shape_job(await self._kist.jobs.get(self._actor, job))

    async def jobs(self) -> AsyncIterator[JobShape]:
        before: int | None = None
        while page := await self._kist.jobs.page(self._actor, MAX_PAGE, before):
            for job in page:
                yield shape_job(job)
            before = page[-1].number

    async def steps(self, job: str) -> AsyncIterator[StepShape]:
        after = ""
        while page := await self._kist.jobs.steps(self._actor, job, MAX_PAGE, after):
            for step in page:
                yield shape_step(step)
            after = page[-1].key

    async def follow(self, job: str, told: Callable[[JobShape], None]) -> JobShape:
        name = SystemIds().token()
        while True:
            seen = await self._kist.jobs.get(self._actor, job)
            if not seen.state.wants_worker:
                return shape_job(seen)
            lease = await self._work.claimed(seen, name)
            if lease is None:
                told(shape_job(seen))
                await asyncio.sleep(LOOK)
                continue
            with suppress(LeaseLost):  # this machine slept, and another worker goes on
                await self._work.carry_out(lease, lambda now: told(shape_job(now)))

    async def close(self) -> None:
        await self._kist.close()


def _after(asked: FileQuery, after: Cursor | None) -> FileQuery:
    following: FileQuery = msgspec.structs.replace(asked, after=after)
    return following


def _intent(source: Source) -> Intent:
    return Intent(name=source.name, type=source.type, size=source.size)


async def _body(source: Source) -> AsyncIterator[bytes]:
    """Read in threads: a slow disk or pipe must not hold up the other transfers."""
    blocks = source.blocks()
    try:
        while block := await in_thread(lambda: next(blocks, b"")):
            yield block
    finally:
        with suppress(ValueError):  # a thread is still reading, and closes it when the process ends
            blocks.close()


async def _blocks(opened: Opened) -> AsyncIterator[bytes]:
    try:
        async for block in opened.body:
            yield block
    finally:
        await opened.close()
