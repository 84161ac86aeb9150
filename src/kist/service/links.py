"""Links: a way to read without credentials, for a limited time.

A link works while it is not revoked, not expired and not used up, and while who made it may read the file. A use is
committed before it is granted where it is limited or behind a password, or where the host runs no chores; others are
written down together, a little later, because a write for each read would be all that the server does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from kist.errors import Clash, FileMissing, Invalid, KistError, LinkMissing, NotSignedIn
from kist.model.actor import Action, Actor, Role
from kist.model.changes import Add, Swap, Use
from kist.model.file import File, FileState
from kist.model.link import Disposition, Link
from kist.model.query import MAX_PAGE, Cursor, Page
from kist.model.rows import AuditEntry
from kist.service.access import may
from kist.service.attempts import Attempts
from kist.service.gate import check_signed_in
from kist.service.passwords import hashed, matches
from kist.service.ports import Ports
from kist.service.tokens import link_id, link_token

TOGETHER = 100
"""Links whose uses are committed at once: a commit for each would take more than the reads themselves."""


@dataclass(frozen=True, kw_only=True)
class LinkTerms:
    """On what terms links are wanted. ``life`` None: as long as the operator's default; it is cut to their most."""

    life: timedelta | None = None
    disposition: Disposition = Disposition.DOWNLOAD
    max_uses: int | None = None
    password: str | None = None


@dataclass(frozen=True)
class MadeLinks:
    """Links by the id of their file, and why there is none for the others."""

    links: dict[str, Link]
    errors: dict[str, KistError]


class Links:
    """Make, list, revoke and follow links."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._attempts = Attempts(ports.clock, "passwords", ports.alone())
        self._used: dict[str, tuple[int, File]] = {}

    async def make(self, actor: Actor, file_ids: Sequence[str], terms: LinkTerms = LinkTerms()) -> MadeLinks:
        """A link for each of at most 1000 files that ``actor`` may read. ``Invalid`` terms refuse the whole call."""
        check_signed_in(actor)
        wanted = tuple(dict.fromkeys(file_ids))
        if not 1 <= len(wanted) <= MAX_PAGE:
            raise Invalid(f"name 1 to {MAX_PAGE} files in a call", limit=MAX_PAGE)
        pattern = self._pattern(actor, terms)
        links: dict[str, Link] = {}
        errors: dict[str, KistError] = {}
        found = await self._ports.catalogue.some_files(wanted)
        for file_id in wanted:
            file = found.get(file_id)
            if file is None or not await self._leads_to(file, actor):
                errors[file_id] = FileMissing("there is no such file")
                continue
            links[file_id] = msgspec.structs.replace(pattern, id=self._ports.ids.uuid(), file_id=file_id)
        if links:
            await self._ports.catalogue.commit(*map(Add, links.values()))
        return MadeLinks(links, errors)

    def token(self, link: Link) -> str:
        """The secret part of the link's address."""
        return link_token(self._ports.secret, link.id)

    async def page(self, actor: Actor, limit: int, after: Cursor | None = None) -> Page[Link]:
        """The links that ``actor`` made and that are not revoked, newest first."""
        check_signed_in(actor)
        await self.write_down()
        return await self._ports.catalogue.links(actor.id, limit, after)

    async def revoke(self, actor: Actor, link: str) -> None:
        """End a link at once: one's own, or as an admin or the owner of the file. ``LinkMissing``."""
        check_signed_in(actor)
        found = await self._ports.catalogue.link(link)
        if found.revoked_at is not None or not await self._may_revoke(actor, found):
            raise LinkMissing("there is no such link")
        revoked: Link = msgspec.structs.replace(found, revoked_at=self._ports.clock.now())
        try:
            await self._ports.catalogue.commit(Swap(found, revoked))
        except Clash as clash:
            raise LinkMissing("there is no such link") from clash

    async def follow(
        self, token: str, *, password: str | None = None, address: str = "", used: bool = True
    ) -> tuple[Link, File]:
        """What the link with this token leads to. ``used``: this is a use of it, which is counted.

        ``LinkMissing``, the same whatever the cause; ``NotSignedIn`` when a password is due or wrong, ``TooMany``
        after too many wrong ones from one ``address``.
        """
        link, file = await self._ports.catalogue.linked(link_id(self._ports.secret, token))
        now = self._ports.clock.now()
        if link.revoked_at is not None or link.expires_at <= now:
            raise LinkMissing("there is no such link")
        if link.password is not None:
            self._check_password(link, password, address)
        if not await self._leads_to(file, Actor(link.actor, Role.ADMIN if link.admin else Role.USER)):
            raise LinkMissing("there is no such link")
        if not used:
            if link.max_uses is not None and link.uses >= link.max_uses:
                raise LinkMissing("there is no such link")
        elif link.counted_first or self._ports.count_at_once:
            try:
                await self._ports.catalogue.commit(Use(link=link.id, at=now), self._entry(link.id, file, 1))
            except Clash as clash:
                raise LinkMissing("there is no such link") from clash
        else:
            times, _ = self._used.get(link.id, (0, file))
            self._used[link.id] = (times + 1, file)
        return link, file

    @property
    def waiting(self) -> int:
        """How many uses are counted in memory alone so far."""
        return sum(times for times, _ in self._used.values())

    async def write_down(self) -> int:
        """Commit the uses that were not committed with the read. Returns how many; what cannot be is kept."""
        used, self._used = self._used, {}
        waiting, written, few = list(used.items()), 0, TOGETHER
        try:
            while waiting:
                try:
                    written += await self._write(waiting[:few])
                except Clash:  # one of the links has been revoked since: each by itself
                    if few > 1:
                        few = 1
                        continue
                del waiting[:few]
        finally:
            for link, (times, file) in waiting:
                since, _ = self._used.get(link, (0, file))
                self._used[link] = (since + times, file)
        return written

    async def _write(self, used: list[tuple[str, tuple[int, File]]]) -> int:
        """Commit these uses together, and return how many. ``Clash``: none of them."""
        now = self._ports.clock.now()
        changes = [
            change
            for link, (times, file) in used
            for change in (Use(link=link, at=now, times=times), self._entry(link, file, times))
        ]
        await self._ports.catalogue.commit(*changes)
        return sum(times for _, (times, _) in used)

    def _pattern(self, actor: Actor, terms: LinkTerms) -> Link:
        now = self._ports.clock.now()
        if terms.max_uses is not None and not 1 <= terms.max_uses <= 1_000_000_000:
            raise Invalid("a link may be used at least once")
        password = None if terms.password is None else hashed(terms.password, self._ports.ids.token())
        return Link(
            id="",
            file_id="",
            actor=actor.id,
            admin=actor.role is Role.ADMIN,
            created_at=now,
            expires_at=now + self._clamped(self._ports.limits.link_life if terms.life is None else terms.life),
            disposition=terms.disposition,
            max_uses=terms.max_uses,
            password=password,
        )

    def _clamped(self, life: timedelta) -> timedelta:
        if life < timedelta(seconds=1):
            raise Invalid("a link lives for at least a second")
        return min(life, self._ports.limits.link_life_max)

    def _check_password(self, link: Link, password: str | None, address: str) -> None:
        """Counted for each link: those who share an address cannot keep each other from every link."""
        if password is None:
            raise NotSignedIn("this link needs a password")
        self._attempts.count(address, link.id)
        if not matches(password, link.password or ""):
            raise NotSignedIn("this password is not right")
        self._attempts.forgive(address, link.id)

    async def _leads_to(self, file: File, maker: Actor) -> bool:
        """Whether a link that ``maker`` has made leads to this file: what is ready and may be read by them."""
        return file.state is FileState.READY and await may(self._ports, maker, Action.READ, file)

    async def _may_revoke(self, actor: Actor, link: Link) -> bool:
        if actor.is_admin or actor.id == link.actor:
            return True
        try:
            return (await self._ports.catalogue.file(link.file_id)).owner == actor.id
        except FileMissing:
            return False

    def _entry(self, link: str, file: File, times: int) -> Add:
        entry = AuditEntry(
            id=self._ports.ids.uuid(),
            at=self._ports.clock.now(),
            actor="",
            via=f"link:{link}",
            action=Action.READ.value,
            thing=f"file:{file.id}",
            owner=file.owner,
            times=times,
        )
        return Add(entry)
