"""What the scenarios of the Crowdbotics contract are told with: its addresses, and servers that save files."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.acceptance.served import Answer, Client, Site, disk_settings, s3_settings
from tests.dialects.grounds import GROUNDS, Ground

from kist.model.content import PutRules
from kist.model.place import Place

MODULE = "/modules/s3-file-uploader"
B = f"{MODULE}/service"
NO_SUCH_BUCKET = "An error occurred (NoSuchBucket) when calling the {} operation: The specified bucket does not exist"
NOT_FOUND = ["An error occurred (404) when calling the HeadObject operation: Not Found"]
REQUIRED = ["This field is required."]


@dataclass(frozen=True)
class Crowd:
    """A server whose operator has set ``PATH_TO_SAVE_FILE`` to ``folder``."""

    site: Site
    folder: Path

    @property
    def ann(self) -> Client:
        return self.site.ann

    @property
    def bob(self) -> Client:
        return self.site.bob

    @property
    def admin(self) -> Client:
        return self.site.admin

    @property
    def base(self) -> str:
        return self.site.settings.bucket

    def saved(self) -> dict[str, bytes]:
        """What lies in the folder, all of it."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def plant(self, bucket: str, key: str, body: bytes) -> None:
        """Put an object into the store that Kist has no row for."""

        async def blocks() -> Any:
            yield body

        async def put() -> None:
            await self.site.kist._ports.store.put(Place(bucket, key), blocks(), PutRules(type="text/plain"))

        self.site.run(put())

    def objects(self, bucket: str) -> int:
        """How many objects lie in a bucket of the store, without those that the next erasing takes."""
        self.site.run(self.site.kist.upkeep.erase_in(bucket))
        return self.taken(bucket)

    def taken(self, bucket: str) -> int:
        """How many objects lie there right now, those of refused uploads as well."""

        async def count() -> int:
            return len([entry async for entry in self.site.kist._ports.store.list(bucket)])

        return self.site.run(count())

    def audited(self) -> list[tuple[str, str, str]]:
        """Who did what to whose, as far as it was written down."""
        entries = self.site.run(self.site.kist._ports.catalogue.audit(1000))
        return [(entry.actor, entry.action, entry.owner) for entry in entries]

    def rows(self, client: Client) -> list[dict[str, Any]]:
        """The files that a client has, by the native API."""
        found: list[dict[str, Any]] = client.call("GET", "/v1/files?limit=1000").json["items"]
        return found


def bucket_of(client: Client) -> str:
    """A new bucket of that client's."""
    name = f"crowd-{uuid.uuid4().hex[:12]}"
    answer = client.call("POST", f"{B}/bucket/create/", {"bucket": name})
    assert answer.status == 201, answer.body
    return name


def upload(client: Client, bucket: str, name: str, body: bytes, user: str = "ann", type: str = "text/plain") -> Answer:
    """Upload in the order in which the contract names the fields: the file first."""
    fields = [("file", (name, body, type)), ("bucket", bucket), ("user_id", user)]
    return client.form("POST", f"{B}/file/upload/", fields)


def link(client: Client, bucket: str, name: str, **more: Any) -> Answer:
    """Ask for a presigned URL."""
    return client.call("GET", f"{B}/file/presigned/url/?" + urlencode({"file_name": name, "bucket": bucket, **more}))


def download(client: Client, bucket: str, name: str) -> Answer:
    """Have a file written into the server's folder."""
    return client.call("GET", f"{B}/file/download/?" + urlencode({"file_name": name, "bucket": bucket}))


def remove(client: Client, bucket: str, name: str, user: str = "ann") -> Answer:
    """Remove a file by its name."""
    return client.call("DELETE", f"{B}/file/remove/", {"file_name": name, "bucket": bucket, "user_id": user})


def follow(client: Client, answer: Answer) -> Answer:
    """What a presigned URL gives to somebody without a key."""
    assert answer.status == 200, answer.body
    reply = client.pool.request("GET", answer.json, redirect=False)
    return Answer(reply.status, reply.headers, reply.data)


Ask = Callable[[Client, str, str], Answer]
"""Asks as a client, about a bucket with a file named ``kept``, and says to be a user."""


def by_path(method: str, path: str) -> Ask:
    return lambda client, bucket, user: client.call(method, f"{B}/{path.format(bucket=bucket, user=user)}/")


EVERY_CALL: dict[str, Ask] = {
    "list": lambda client, bucket, user: client.call("GET", f"{B}/bucket/list/"),
    "create": lambda client, bucket, user: client.call(
        "POST", f"{B}/bucket/create/", {"bucket": f"crowd-{uuid.uuid4().hex[:12]}"}
    ),
    "upload": lambda client, bucket, user: upload(client, bucket, "new", b"1", user),
    "download": lambda client, bucket, user: download(client, bucket, "kept"),
    "download by path": by_path("GET", "buckets/{bucket}/files/kept/download"),
    "presign": lambda client, bucket, user: link(client, bucket, "kept"),
    "presign by body": lambda client, bucket, user: client.call(
        "POST", f"{B}/file/presigned/url/", {"file_name": "kept", "bucket": bucket}
    ),
    "remove": lambda client, bucket, user: remove(client, bucket, "kept", user),
    "remove by path": by_path("DELETE", "users/{user}/buckets/{bucket}/files/kept/remove"),
    "remove bucket": lambda client, bucket, user: client.call(
        "DELETE", f"{B}/bucket/remove/", {"bucket": bucket, "owner_id": user}
    ),
    "remove bucket by path": by_path("DELETE", "owners/{user}/buckets/{bucket}/remove"),
}


def one_sentence(answer: Answer) -> bool:
    assert answer.headers["content-type"] == "application/json"
    return len(answer.json) == 1 and isinstance(answer.json[0], str) and "\n" not in answer.json[0]


def nothing_leaks(answer: Answer) -> None:
    """No stack trace, no path of the server, nothing of the provider's own answer."""
    for leak in (b"Traceback", b"site-packages", b".py", b"sqlite", b"<Error>", b"tx0000"):
        assert leak not in answer.body
    assert [name for name in answer.headers if name.lower().startswith(("x-amz", "x-rgw"))] == []


@pytest.fixture(scope="module", params=GROUNDS)
def crowd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """A server on each ground."""
    ground: Ground = request.param
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("saved")
    more, on_disk = {"PATH_TO_SAVE_FILE": str(folder)}, ground.store == "disk"
    settings = disk_settings(home, **more) if on_disk else s3_settings(home, request.getfixturevalue("rgw"), **more)
    with (
        ground.database(request) as database,
        ground.serve(dataclasses.replace(settings, database=database or settings.database)) as site,
    ):
        yield Crowd(site, folder)
