"""Which ways of uploading directly are open: those that the store was seen to hold."""

from __future__ import annotations

from dataclasses import dataclass

from kist.errors import Clash, Invalid, UnsafeWay, Unsupported
from kist.model.changes import Add, Swap
from kist.model.profile import Profile
from kist.model.ticket import MOST_IN_ONE
from kist.model.upload import Way
from kist.service.ports import Ports

MEMORY = 30.0
"""Seconds for which a profile is remembered before the catalogue is asked again."""

_SAFEST_FIRST = (Way.FORM, Way.PUT, Way.PARTS)


@dataclass(frozen=True)
class OpenWay:
    """A way that may be used, and the canned ACL that the bucket takes on a private object."""

    way: Way
    acl: str


class Ways:
    """Judges ways, and has the store probed."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._known: dict[str, tuple[float, Profile]] = {}

    async def choose(self, bucket: str, asked: Way | None, size: int | None, *, plain: bool = False) -> OpenWay:
        """The way for an upload of ``size`` bytes: the one that is asked for, or the safest that is open.

        ``plain``: by a PUT without any header, which leaves more to the store.

        ``Invalid`` when that way cannot bring such a size, ``UnsafeWay`` when the store was not seen to hold it,
        ``Unsupported`` when it signs nothing at all.
        """
        if self._ports.signs is None or self._ports.seals is None:
            raise Unsupported("this store takes no direct uploads: send the file to POST /v1/files")
        candidates = [way for way in _SAFEST_FIRST if asked in (None, way)]
        fitting = [way for way in candidates if plain or _misfit(way, size) is None]
        if self._ports.takes_parts is None:
            fitting = [way for way in fitting if way is not Way.PARTS]
        if not fitting:
            raise Invalid(_misfit(candidates[0], size) or "this store takes no uploads in parts")
        if self._ports.probes is None:
            return OpenWay(fitting[0], "private")
        return self._judge(await self.profile(bucket), fitting, plain)

    async def profile(self, bucket: str) -> Profile | None:
        """What the last probe of this bucket found; None when there was none, or the store needs none."""
        store = self._ports.probes
        if store is None:
            return None
        profile_id, now = store.profile_id(bucket), self._ports.clock.ticks()
        known = self._known.get(profile_id)
        if known is not None and now - known[0] < MEMORY:
            return known[1]
        profile = await self._ports.catalogue.profile(profile_id)
        if profile is not None:
            self._known[profile_id] = (now, profile)
        return profile

    async def probe_once(self) -> int:
        """Probe the base bucket if that was never done. Returns how many buckets were probed."""
        bucket = self._ports.bucket
        if self._ports.probes is None or await self.profile(bucket) is not None:
            return 0
        await self.probe(bucket)
        return 1

    async def probe(self, bucket: str | None = None) -> Profile | None:
        """Ask the store all questions anew, and keep the answers. None when the store is one that needs no probe."""
        store, bucket = self._ports.probes, bucket or self._ports.bucket
        if store is None:
            return None
        checks = await store.probe(bucket, self._ports.origins)
        found = Profile(id=store.profile_id(bucket), bucket=bucket, checked_at=self._ports.clock.now(), checks=checks)
        before = await self._ports.catalogue.profile(found.id)
        try:
            await self._ports.catalogue.commit(Add(found) if before is None else Swap(before, found))
        except Clash:
            return await self._ports.catalogue.profile(found.id)  # another process was quicker
        self._known.pop(found.id, None)
        return found

    def _judge(self, profile: Profile | None, fitting: list[Way], plain: bool) -> OpenWay:
        if profile is None:
            raise UnsafeWay(
                "the store has not been probed yet: say kist doctor --probe, or send the file to POST /v1/files",
                failed=("not probed",),
            )
        for way in fitting:
            if not profile.failed(way, plain=plain):
                return OpenWay(way, profile.acl)
        failed = sorted({check for way in fitting for check in profile.failed(way, plain=plain)})
        raise UnsafeWay(
            f"a direct upload by {' or '.join(fitting)} is not safe on this store ({', '.join(failed)}): "
            "give Kist a restricted signing key (kist doctor --fix says how), or send the file to POST /v1/files",
            failed=tuple(failed),
        )


def _misfit(way: Way, size: int | None) -> str | None:
    """Why ``way`` cannot bring ``size`` bytes, None when it can."""
    if size is None:
        return None if way is Way.FORM else f"an upload by {way.value} needs its size: declare it, or choose form"
    if way is not Way.PARTS and size > MOST_IN_ONE:
        return f"more than {MOST_IN_ONE} bytes come in parts only: choose parts or auto"
    return None
