"""Shares: what others may do to a file."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from kist.errors import Clash, FileMissing, Invalid, NotAllowed, ShareMissing
from kist.model.actor import Action, Actor, check_actor_id
from kist.model.changes import Add, Drop, Swap
from kist.model.file import File
from kist.model.moments import in_utc
from kist.model.share import Share
from kist.service.access import share_of
from kist.service.audits import audited
from kist.service.files import TRIES, Files
from kist.service.ports import Ports


class Shares:
    """Grant, show and withdraw. Owners and admins may grant everything, others only what they were granted."""

    def __init__(self, ports: Ports, files: Files) -> None:
        self._ports = ports
        self._files = files

    async def of_file(self, actor: Actor, file_id: str) -> tuple[Share, ...]:
        """The live shares of a file, by actor: all for whoever may share it, else the caller's own."""
        file = await self._files.get(actor, file_id)
        own = await share_of(self._ports, actor, file)
        now = self._ports.clock.now()
        if not self._ports.gate.allows(actor, Action.SHARE, file, own):
            return () if own is None else (own,)
        return tuple(share for share in await self._ports.catalogue.shares(file_id) if share.live(now))

    async def grant(
        self,
        actor: Actor,
        file_id: str,
        to: str,
        actions: Collection[Action],
        *,
        expires_at: datetime | None = None,
    ) -> Share:
        """Let the actor with the id ``to`` do ``actions`` to a file, and nothing else, until ``expires_at``.

        ``FileMissing`` or ``NotAllowed`` without the right to share; ``NotAllowed`` for more than the caller may do,
        or for longer; ``Invalid`` for no action, a time in the past, or the owner.
        """
        check_actor_id(to)
        if not actions:
            raise Invalid("name at least one of read, write, share and remove; DELETE withdraws a share")
        for _ in range(TRIES):
            file = await self._files.get(actor, file_id, Action.SHARE)
            if to == file.owner:
                raise Invalid("the owner of a file may do everything to it already")
            before = await self._ports.catalogue.share(file_id, to)
            share = self._made(actor, file_id, to, frozenset(actions), expires_at)
            await self._check_within_own(actor, file, share, before)
            change = Add(share) if before is None else Swap(before, share)
            try:
                await self._ports.catalogue.commit(change, *audited(self._ports, actor, Action.SHARE, file))
            except Clash:
                continue
            return share
        raise Clash("too many others are sharing this file: try again")

    async def withdraw(self, actor: Actor, file_id: str, whom: str) -> None:
        """Take a share back: at once nothing of it holds. One's own may always be given up. ``ShareMissing``."""
        file = await self._files.get(actor, file_id, Action.READ if whom == actor.id else Action.SHARE)
        share = await self._ports.catalogue.share(file_id, whom)
        if share is None:
            raise ShareMissing("the file is not shared with this actor")
        if whom != actor.id:
            await self._check_within_own(actor, file, share, share)
        try:
            await self._ports.catalogue.commit(Drop(share), *audited(self._ports, actor, Action.SHARE, file))
        except Clash as clash:
            raise ShareMissing("the file is not shared with this actor") from clash

    def _made(
        self, actor: Actor, file_id: str, to: str, actions: frozenset[Action], expires_at: datetime | None
    ) -> Share:
        now = self._ports.clock.now()
        until = None if expires_at is None else in_utc(expires_at, "a share")
        if until is not None and until <= now:
            raise Invalid("a share must expire in the future")
        # Whoever may write, share or remove must be able to see the file.
        granted = {action.value: action in actions for action in Action} | {"read": True}
        return Share(file_id=file_id, actor=to, granted_by=actor.id, created_at=now, expires_at=until, **granted)

    async def _check_within_own(self, actor: Actor, file: File, share: Share, before: Share | None) -> None:
        """``NotAllowed`` when somebody who was only granted rights passes on, or takes away, more than these."""
        if actor.is_admin or actor.id == file.owner:
            return
        own = await share_of(self._ports, actor, file)
        if own is None:
            raise FileMissing("there is no such file")
        touched = {*share.actions, *(before.actions if before is not None else ())}
        if not touched <= set(own.actions):
            raise NotAllowed("you may share no more than you were granted yourself")
        longer = share.expires_at is None or (own.expires_at is not None and share.expires_at > own.expires_at)
        if own.expires_at is not None and longer and share is not before:
            raise NotAllowed("you may share for no longer than the file is shared with you")
