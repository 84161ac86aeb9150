"""The store, asked what Kist will ask of it: an object is really written, read, listed and removed."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kist.app import make_base_bucket, open_store, threads
from kist.cli.doctor.finding import Finding, bad, good
from kist.errors import BucketMissing, ClockSkew, Corrupt, KistError, ObjectMissing, StoreRefused, StoreUnavailable
from kist.model.content import PutRules
from kist.model.place import STAGING, Place
from kist.ports.store import ObjectStore
from kist.ports.system import Clock, Ids
from kist.setting_texts import Secret
from kist.settings import Settings

PROBE = b"kist doctor was here"


async def check_store(settings: Settings, clock: Clock, ids: Ids) -> AsyncIterator[Finding]:
    """Everything about the store, by the settings' own key."""
    try:
        async with _opened(settings, clock, ids) as store:
            place = Place(settings.bucket, f"{STAGING}doctor-{ids.token()}")
            yield await _check_bucket(store, settings.bucket)
            async for finding in _round_trip(store, place):
                yield finding
    except _StepFailed as failure:
        yield _meaning(failure.step, failure.error, settings.bucket)
        return
    except KistError as error:
        yield _meaning("reach", error, settings.bucket)
        return
    if settings.store.startswith("s3:") and "secret" in settings.s3_secrets:
        yield await _check_signatures(settings, clock, ids)
    if "signing_key" in settings.s3_secrets:
        yield await _check_signing_key(settings, clock, ids)


class _StepFailed(Exception):
    """What Kist could not do, and the error that said so."""

    def __init__(self, step: str, error: KistError) -> None:
        self.step = step
        self.error = error


@asynccontextmanager
async def _opened(settings: Settings, clock: Clock, ids: Ids) -> AsyncIterator[ObjectStore]:
    store = open_store(settings, clock, ids, threads(), ids.secret().encode())
    try:
        yield store
    finally:
        await store.close()


async def _check_bucket(store: ObjectStore, bucket: str) -> Finding:
    try:
        await _first_of(store, bucket)
    except BucketMissing as missing:
        try:
            await make_base_bucket(store, bucket)
            await _first_of(store, bucket)
        except KistError as error:
            raise _StepFailed("make", error) from missing
        return good("bucket", f"{bucket} was not there and has been made")
    return good("bucket", f"{bucket} is there")


async def _first_of(store: ObjectStore, bucket: str) -> None:
    async for _ in store.list(bucket, ".kist/doctor"):
        return


async def _round_trip(store: ObjectStore, place: Place) -> AsyncIterator[Finding]:
    async with _step("write"):
        await store.put(place, _probe(), PutRules(size=len(PROBE)))
    try:
        async with _step("read"):
            await _read(store, place)
        async with _step("list"):
            if place.key not in [listed.key async for listed in store.list(place.bucket, place.key)]:
                raise StoreRefused("the listing does not show an object that was just written")
    finally:
        async with _step("remove"):
            await store.erase(place)
    async with _step("remove"):
        if (await store.heads(place))[0] is not None:
            raise StoreRefused("an object that was just removed is still there")
    yield good("store", "an object was written, read, listed and removed")


@asynccontextmanager
async def _step(name: str) -> AsyncIterator[None]:
    try:
        yield
    except KistError as error:
        raise _StepFailed(name, error) from error


async def _read(store: ObjectStore, place: Place) -> None:
    opened = await store.open(place)
    try:
        if b"".join([block async for block in opened.body]) != PROBE:
            raise Corrupt("the store gave back other bytes than it was given")
    finally:
        await opened.close()


async def _probe() -> AsyncIterator[bytes]:
    yield PROBE


async def _check_signatures(settings: Settings, clock: Clock, ids: Ids) -> Finding:
    """A request that is signed wrongly must be refused: else anybody can read and write everything."""
    wrong = dataclasses.replace(settings, s3_secrets={**settings.s3_secrets, "secret": Secret(ids.secret())})
    try:
        async with _opened(wrong, clock, ids) as store:
            await _first_of(store, settings.bucket)
    except StoreRefused:
        return good("signatures", "a wrong signature is refused")
    except KistError as error:
        return bad("signatures", f"a wrong signature was answered oddly: {error.message}", "look at the store's log")
    return bad(
        "signatures",
        "the store took a wrong signature: anybody who reaches it can read and change all files",
        "switch on the store's access control, or use a store that has one",
    )


async def _check_signing_key(settings: Settings, clock: Clock, ids: Ids) -> Finding:
    """The restricted key must be able to write where uploads arrive."""
    given = settings.s3_secrets
    secrets = {"key": given["signing_key"], "secret": given["signing_secret"]}
    place = Place(settings.bucket, f"{STAGING}doctor-{ids.token()}")
    try:
        async with _opened(dataclasses.replace(settings, s3_secrets=secrets), clock, ids) as store:
            await store.put(place, _probe(), PutRules(size=len(PROBE)))
        async with _opened(settings, clock, ids) as store:
            await store.erase(place)
    except KistError as error:
        mend = f"give KIST_S3_SIGNING_KEY the right to PutObject on {settings.bucket}/{STAGING}*"
        return bad("signing key", error.message, mend)
    return good("signing key", "may write where uploads arrive")


_STEPS = {
    "reach": "the store cannot be used: ",
    "make": "the bucket {bucket} is not there and cannot be made: ",
    "write": "nothing can be written to bucket {bucket}: ",
    "read": "what was written to bucket {bucket} cannot be read: ",
    "list": "bucket {bucket} cannot be listed: ",
    "remove": "nothing can be removed from bucket {bucket}: ",
}
_MENDS: tuple[tuple[type[KistError], str], ...] = (
    (ClockSkew, "set the clock right: timedatectl set-ntp true"),
    (StoreUnavailable, "look at the store's log and at the network between"),
    (ObjectMissing, "use a store that is consistent at once"),
    (StoreRefused, "check KIST_S3_KEY, KIST_S3_SECRET and what that key may do"),
)


def _meaning(step: str, error: KistError, bucket: str) -> Finding:
    check = "clock" if isinstance(error, ClockSkew) else ("bucket" if step == "make" else "store")
    mend = next((mend for kind, mend in _MENDS if isinstance(error, kind)), "mend KIST_STORE")
    if step == "make":
        mend = f"make the bucket {bucket}, or give the key the right to make it"
    return bad(check, _STEPS[step].format(bucket=bucket) + error.message, mend)
