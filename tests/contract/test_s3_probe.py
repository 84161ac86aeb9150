"""What the probe finds at real servers, with and without a restricted key, and that it leaves nothing behind.

The table is what each server is known to do. When a newer server fails this test, look at what it does now, and then
at the docs that name it.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import urllib3
from tests.contract.s3_ground import blocking, in_loop, new_bucket
from tests.servers.server import S3Server
from tests.servers.users import arn, restricted

from kist.drive import drive
from kist.errors import BucketMissing, StoreUnavailable
from kist.model.backend import bucket_policy_for_signing, cors_rule, policy_for_signing
from kist.model.place import Place
from kist.model.profile import HELD, Check, Profile
from kist.model.upload import Way
from kist.ports.store import Probes
from kist.stores.s3 import S3Store
from kist.stores.s3.sender import Ask
from kist.system import SystemClock
from kist.testing.ground import ground

ORIGINS = ("https://app.example", "http://127.0.0.1:3000")
COPIED = "200: copied another object"
NOT_ENFORCED = "other bytes: not enforced: 200"
NO_FORM = "no form is taken here (403 AccessDenied)"
UNREADABLE = "private: 200, but the main key cannot read it: the object store refused GET in bucket *"
FORMS = [check.value for check in Check if check.value.startswith("form_") and check is not Check.FORM_WORKS]

CEPH = {"put_acl": "200: made public", "checksum_sha256": NOT_ENFORCED}
EXPECTED: dict[str, dict[str, str]] = {
    "rgw": {**CEPH, "put_copy_source": COPIED, "part_copy_source": COPIED},
    "rgw restricted": {
        **CEPH,
        "private_acl": UNREADABLE,
        "form_works": NO_FORM,
        **dict.fromkeys(FORMS, f"not asked: {NO_FORM}"),
    },
    "rgw restricted by the bucket too": CEPH,
    "ministack": {"put_copy_source": COPIED, "part_copy_source": COPIED},
    "ministack restricted": {},
}
"""What is not ``HELD``."""

OPEN = {
    "rgw": {Way.FORM},
    "rgw restricted": {Way.PUT, Way.PARTS},
    "rgw restricted by the bucket too": set(Way),
    "ministack": {Way.FORM},
    "ministack restricted": set(Way),
}
"""The ways that are open because of it."""


class Setting:
    """A bucket of its own on one server, and the stores that sign for it with one key or another."""

    def __init__(self, server: S3Server, how: str) -> None:
        self.server = server
        self.bucket = new_bucket(server)
        self.keys: dict[str, Any] = {}
        if "restricted" in how:
            self._restrict("bucket" in how)
        store = blocking(server)
        drive(store.set_cors(self.bucket, [cors_rule(ORIGINS)]))
        drive(store.close())

    def _restrict(self, by_the_bucket: bool) -> None:
        user = restricted(self.server, policy_for_signing(self.bucket)["Statement"])
        self.keys = {"signing_key": user.key, "signing_secret": user.secret}
        if by_the_bucket:
            main = arn(self.server, self.server)
            policy = json.dumps(bucket_policy_for_signing(self.bucket, arn(self.server, user), main)).encode()
            store = blocking(self.server)
            drive(store._sender.ask(Ask("PUT", self.bucket, query=(("policy", ""),), body=policy)))
            drive(store.close())

    def in_loop(self, **more: Any) -> S3Store:
        return in_loop(self.server, **self.keys, **more)

    def blocking(self) -> S3Store:
        return blocking(self.server, **self.keys)


@pytest.fixture(params=EXPECTED)
def how(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def setting(request: pytest.FixtureRequest, how: str) -> Setting:
    return Setting(request.getfixturevalue(how.partition(" ")[0]), how)


def expected(how: str, bucket: str) -> dict[str, str]:
    """The table for ``how``, with the rest of the sentence about rights on ``bucket``."""
    rest = f"{bucket}: give its access key the right to do that, or use another key"
    return {check.value: EXPECTED[how].get(check.value, HELD).replace("*", rest) for check in Check}


async def left(store: S3Store, bucket: str) -> list[str]:
    return [each.key async for each in store.list(bucket)] + [each.key async for each in store.open_parts(bucket)]


async def test_each_server_answers_as_it_is_known_to(setting: Setting, how: str) -> None:
    store = setting.in_loop()
    found = await store.probe(setting.bucket, ORIGINS)
    assert found == expected(how, setting.bucket)
    assert await left(store, setting.bucket) == []
    profile = Profile(id="", bucket=setting.bucket, checked_at=SystemClock().now(), checks=found)
    assert {way for way in Way if not profile.failed(way)} == OPEN[how]
    assert isinstance(store, Probes)
    await store.close()


def test_each_server_answers_the_same_without_a_loop(setting: Setting, how: str) -> None:
    store = setting.blocking()
    assert drive(store.probe(setting.bucket, ORIGINS)) == expected(how, setting.bucket)
    assert drive(left(store, setting.bucket)) == []
    drive(store.close())


@pytest.fixture(params=["rgw", "ministack"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


async def test_pages_that_the_bucket_does_not_know(server: S3Server) -> None:
    bucket = new_bucket(server)
    store = in_loop(server)
    await store.set_cors(bucket, [cors_rule(["https://other.example"])])
    found = await store.probe(bucket, ORIGINS)
    assert found["cors"].startswith(f"PUT from {ORIGINS[0]}: ")
    assert found["etag_exposed"] == f"{ORIGINS[0]} may not read the ETag"
    assert (await store.probe(bucket, ()))["cors"] == HELD
    await store.close()


async def test_a_signing_key_that_is_unknown_opens_nothing(server: S3Server) -> None:
    bucket = new_bucket(server)
    store = in_loop(server, signing_key="nobody", signing_secret="nothing")
    found = await store.probe(bucket, ())
    profile = Profile(id="", bucket=bucket, checked_at=SystemClock().now(), checks=found)
    assert found["put_works"].startswith("refused: 403")
    assert all(profile.failed(way) for way in Way)
    assert await left(store, bucket) == []
    await store.close()


async def test_ministack_takes_no_form_without_the_right_to_set_an_acl(ministack: S3Server) -> None:
    bucket = new_bucket(ministack)
    user = restricted(ministack, policy_for_signing(bucket)["Statement"][:1])
    store = in_loop(ministack, signing_key=user.key, signing_secret=user.secret)
    found = await store.probe(bucket, ())
    assert (found["put_works"], found["form_works"]) == (HELD, NO_FORM)
    await store.close()


async def test_a_bucket_that_is_not_there(server: S3Server) -> None:
    store = in_loop(server)
    with pytest.raises(BucketMissing):
        await store.probe("there-is-no-such-bucket", ())
    await store.close()


async def test_a_public_endpoint_where_nobody_listens(server: S3Server, dead_port: int) -> None:
    bucket = new_bucket(server)
    store = in_loop(server, public_endpoint=f"http://127.0.0.1:{dead_port}")
    with pytest.raises(StoreUnavailable):
        await store.probe(bucket, ())
    assert await left(store, bucket) == []
    await store.close()


@pytest.mark.parametrize(("minutes", "side"), [(10, "ahead of"), (-10, "behind")])
async def test_clocks_that_differ(rgw: S3Server, minutes: int, side: str) -> None:
    store = in_loop(rgw, clock=_Off(timedelta(minutes=minutes)))
    found = await store.probe(new_bucket(rgw), ())
    assert found["clock"] in {
        f"this machine's clock is {seconds} seconds {side} the server's" for seconds in range(590, 611)
    }
    await store.close()


@pytest.mark.parametrize(("how", "status"), [("rgw restricted", 200), ("rgw restricted by the bucket too", 403)])
async def test_only_the_bucket_keeps_a_ceph_ticket_from_the_bytes_of_another(setting: Setting, status: int) -> None:
    store = setting.in_loop()
    async with ground(store, setting.bucket) as here:
        first, second = (Place(setting.bucket, f".kist/in/{here.prefix}{name}") for name in ("first", "second"))
        assert await _put(store, first, b"hello") == 200
        source = {"x-amz-copy-source": f"/{first.bucket}/{first.key}"}
        assert await _put(store, second, b"other", source) == status
        await store.erase(first, second)
    await store.close()


async def _put(store: S3Store, place: Place, body: bytes, more: Any = ()) -> int:
    headers = {"content-length": str(len(body)), "x-amz-acl": "bucket-owner-full-control"}
    signed = store.sign("PUT", place, timedelta(minutes=5), headers=list(headers.items()))
    answer = await asyncio.to_thread(
        urllib3.request, "PUT", signed.url, headers={**headers, **dict(more)}, body=body, retries=False
    )
    return answer.status


class _Off(SystemClock):
    """A clock that is wrong."""

    def __init__(self, offset: timedelta) -> None:
        super().__init__()
        self._offset = offset

    def now(self) -> datetime:
        return super().now() + self._offset
