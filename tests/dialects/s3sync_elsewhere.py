"""What syncs to another S3 server are told with: a Kist on disk, and a real server that it may go to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.acceptance.served import Answer, Client, disk_settings
from tests.dialects.s3sync_site import Mirror, eventually, mirroring, shown
from tests.servers.server import S3Server


@dataclass
class Elsewhere:
    """``mirror`` is the Kist, ``server`` what it syncs to."""

    mirror: Mirror
    server: S3Server

    def sent(self, **parameters: Any) -> dict[str, Any]:
        """The parameters of a sync with the server's keys."""
        there = {"storage_url": self.server.endpoint, "access_key": self.server.key, "secret_key": self.server.secret}
        return there | parameters

    def ask(self, client: Client | None = None, **parameters: Any) -> Answer:
        return (client or self.mirror.admin).call("POST", "/sync", self.sent(**parameters))

    def sync(self, **parameters: Any) -> dict[str, Any]:
        """A sync to its end."""
        answer = self.ask(**parameters)
        assert answer.status == 200, answer.body
        return shown(answer.json)

    def job(self, number: int) -> dict[str, Any]:
        answer = self.mirror.admin.call("GET", f"/v1/syncs/{number}")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    def ended(self, number: int) -> dict[str, Any]:
        """The job once it has ended."""
        states = ("succeeded", "succeeded_with_errors", "failed", "cancelled")
        return eventually(lambda: found if (found := self.job(number))["state"] in states else None)  # type: ignore[no-any-return]

    def act(self, number: int, verb: str, **keys: str) -> Answer:
        return self.mirror.admin.call("POST", f"/v1/syncs/{number}/{verb}", keys or None)

    @property
    def keys(self) -> dict[str, str]:
        return {"access_key": self.server.key, "secret_key": self.server.secret}

    def kept(self) -> int:
        """How many jobs have sealed keys."""
        catalogue = self.mirror.site.kist._ports.catalogue

        async def count() -> int:
            jobs = await catalogue.jobs(None, 1000)
            return sum([await catalogue.sealed_keys(job.id) is not None for job in jobs])

        return self.mirror.site.run(count())

    @property
    def client(self) -> Any:
        """The server as others see it."""
        return boto3.client(
            "s3",
            endpoint_url=self.server.endpoint,
            aws_access_key_id=self.server.key,
            aws_secret_access_key=self.server.secret,
            region_name=self.server.region,
            config=Config(s3={"addressing_style": "path"}),
        )

    def everything(self, bucket: str) -> dict[str, bytes]:
        client = self.client
        try:
            keys = [each["Key"] for each in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
            return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
        finally:
            client.close()

    def objects(self, bucket: str) -> dict[str, bytes]:
        """What lies there, without what was put aside."""
        return {key: data for key, data in self.everything(bucket).items() if not key.startswith(".kist/")}

    def aside(self, bucket: str) -> dict[str, bytes]:
        """What was put aside there."""
        return {key: data for key, data in self.everything(bucket).items() if key.startswith(".kist/trash/")}

    def with_keys(self, **changed: str) -> Elsewhere:
        return replace(self, server=replace(self.server, **changed))


@pytest.fixture(scope="module", params=["rgw", "ministack"])
def elsewhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """A Kist on disk that may go to a real server on loopback, which its operator has marked as internal."""
    server = request.getfixturevalue(request.param)
    home = tmp_path_factory.mktemp("home")
    with mirroring(disk_settings(home, KIST_SYNC_ENDPOINTS=f"internal:{server.endpoint}")) as found:
        yield Elsewhere(found, server)
