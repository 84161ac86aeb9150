"""Jobs to another S3 server over a worker's life: taken over, refused by then, with keys that are not theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from tests.acceptance.served import disk_settings
from tests.dialects.s3sync_site import new_bucket
from tests.servers.server import S3Server
from tests.sync.place import ROOT, Scene, scene

from kist.errors import EndpointRefused, Invalid, NotAllowed
from kist.model.actor import Actor
from kist.model.changes import Discard, Swap
from kist.model.endpoint import EndpointKeys
from kist.model.job import Job, JobState, SyncOptions
from kist.settings import Settings

SECRET = "a secret for tests of 32 and more characters"


@dataclasses.dataclass
class There:
    """``here`` is the Kist, made anew from ``settings`` where a test says so."""

    here: Scene
    settings: Settings
    server: S3Server
    bucket: str

    @property
    def end(self) -> str:
        return f"s3+{self.server.endpoint}/{self.bucket}"

    @property
    def keys(self) -> EndpointKeys:
        return EndpointKeys(access_key=self.server.key, secret_key=self.server.secret)

    async def start(self, dest: str | None = None, **options: Any) -> Job:
        wanted = SyncOptions(make_bucket=True, **options)
        return await self.here.kist.jobs.start(ROOT, str(self.here.folder), dest or self.end, wanted, keys=self.keys)

    async def anew(self, **more: str) -> None:
        """Another process, whose operator may have changed something."""
        await self.here.kist.close()
        known = {"KIST_SECRET": SECRET, "KIST_SYNC_ENDPOINTS": f"internal:{self.server.endpoint}"}
        changed = disk_settings(self.settings.home, **(known | more))
        self.here = await scene(changed, self.here.folder)

    def objects(self) -> list[str]:
        client = boto3.client(
            "s3",
            endpoint_url=self.server.endpoint,
            aws_access_key_id=self.server.key,
            aws_secret_access_key=self.server.secret,
            region_name=self.server.region,
        )
        try:
            found = client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
            return [each["Key"] for each in found if not each["Key"].startswith(".kist/")]
        finally:
            client.close()


@pytest.fixture
async def there(tmp_path: Path, rgw: S3Server) -> AsyncIterator[There]:
    """A folder with two files, and a server that is listed."""
    settings = disk_settings(tmp_path / "home", KIST_SECRET=SECRET, KIST_SYNC_ENDPOINTS=f"internal:{rgw.endpoint}")
    (tmp_path / "folder").mkdir()
    made = There(await scene(settings, tmp_path / "folder"), settings, rgw, new_bucket())
    made.here.write("a", b"1")
    made.here.write("b", b"2")
    yield made
    await made.here.kist.close()


async def test_another_process_goes_on_with_the_keys_that_were_kept(there: There) -> None:
    job = await there.start()
    lease = await there.here.work.claimed(job, "killed")
    assert lease is not None
    await there.anew()
    gone = msgspec.structs.replace(lease.job, lease_until=there.here.ports.clock.now())
    await there.here.ports.catalogue.commit(Swap(lease.job, gone))
    ended = await there.here.carry_out(gone, "another")
    assert ended.state is JobState.SUCCEEDED
    assert there.objects() == ["a", "b"]
    assert await there.here.ports.catalogue.sealed_keys(job.id) is None


async def test_a_changed_secret_ends_the_job_in_words(there: There) -> None:
    job = await there.start()
    await there.anew(KIST_SECRET=SECRET[::-1])
    ended = await there.here.carry_out(job)
    assert ended.state is JobState.FAILED
    assert ended.reason.startswith("corrupt: ")
    assert "KIST_SECRET has changed" in ended.reason
    assert await there.here.ports.catalogue.sealed_keys(job.id) is None


async def test_keys_moved_to_another_job_do_not_open(there: There) -> None:
    mine, other = await there.start(), await there.start(f"{there.end}x")
    catalogue = there.here.ports.catalogue
    theirs = await catalogue.sealed_keys(other.id)
    before = await catalogue.sealed_keys(mine.id)
    assert theirs is not None
    assert before is not None
    await catalogue.commit(Swap(before, msgspec.structs.replace(before, sealed=theirs.sealed)))
    ended = await there.here.carry_out(mine)
    assert (ended.state, ended.reason.partition(":")[0]) == (JobState.FAILED, "corrupt")


async def test_keys_of_a_job_that_was_given_to_another_actor_do_not_open(there: There) -> None:
    job = await there.start()
    stolen = msgspec.structs.replace(job, actor="eve")
    await there.here.ports.catalogue.commit(Swap(job, stolen))
    ended = await there.here.carry_out(stolen)
    assert (ended.state, ended.reason.partition(":")[0]) == (JobState.FAILED, "corrupt")


async def test_keys_that_are_gone_end_the_job_in_words(there: There) -> None:
    job = await there.start()
    await there.here.ports.catalogue.commit(Discard(job.id))
    ended = await there.here.carry_out(job)
    assert (ended.state, ended.reason.partition(":")[0]) == (JobState.FAILED, "wrong_state")


async def test_an_endpoint_that_is_no_longer_listed_is_not_gone_to(there: There) -> None:
    job = await there.start()
    await there.anew(KIST_SYNC_ENDPOINTS="https://other.example.com")
    ended = await there.here.carry_out(job)
    assert (ended.state, ended.reason.partition(":")[0]) == (JobState.FAILED, "endpoint_refused")


async def test_one_that_may_no_longer_lie_inside_is_not_gone_to(there: There) -> None:
    port = there.server.endpoint.rpartition(":")[2]
    name = f"localhost:{port}"
    await there.anew(KIST_SYNC_ENDPOINTS=f"internal:https://{name}")
    job = await there.start(f"s3+https://{name}/{there.bucket}")
    await there.anew(KIST_SYNC_ENDPOINTS=f"https://{name}")
    ended = await there.here.carry_out(job)
    assert ended.state is JobState.FAILED
    assert ended.reason.startswith("endpoint_refused: the endpoint lies at an internal address")


async def test_a_job_that_is_to_stop_ends_as_cancelled_though_its_server_is_gone(there: There) -> None:
    await there.anew(KIST_SYNC_ENDPOINTS="internal:http://127.0.0.1:1")
    job = await there.start(f"s3+http://127.0.0.1:1/{there.bucket}")
    lease = await there.here.work.claimed(job, "killed")
    assert lease is not None
    stopping = await there.here.kist.jobs.cancel(ROOT, job.id)
    assert stopping.state is JobState.CANCELLING
    gone = msgspec.structs.replace(stopping, lease_until=there.here.ports.clock.now())
    await there.here.ports.catalogue.commit(Swap(stopping, gone))
    assert (await there.here.carry_out(gone, "another")).state is JobState.CANCELLED


async def test_what_may_not_be_asked_for(there: There) -> None:
    jobs, folder, bucket = there.here.kist.jobs, str(there.here.folder), there.here.ports.bucket
    for source, dest, keys, kind in (
        (there.end, f"{there.end}x", there.keys, Invalid),
        (folder, there.end, None, EndpointRefused),
        (folder, there.here.dest, there.keys, EndpointRefused),
        (folder, "s3+https://other.example.com/bucket", there.keys, EndpointRefused),
        (there.end, f"{there.end}/below", there.keys, Invalid),
    ):
        with pytest.raises(kind):
            await jobs.start(ROOT, source, dest, keys=keys)
    with pytest.raises(NotAllowed):
        await jobs.start(Actor("ann"), bucket, there.end, keys=there.keys)
    assert await jobs.page(ROOT, 10) == ()


async def test_what_a_trusted_caller_names_need_not_be_listed(there: There) -> None:
    """As the command line does, for whoever may read the secrets of Kist anyway."""
    await there.anew(KIST_SYNC_ENDPOINTS="https://other.example.com")
    keys = msgspec.structs.replace(there.keys, trusted=True)
    options = SyncOptions(make_bucket=True)
    job = await there.here.kist.jobs.start(ROOT, str(there.here.folder), there.end, options, keys=keys)
    assert (await there.here.carry_out(job)).state is JobState.SUCCEEDED
    assert there.objects() == ["a", "b"]
