"""Who uploads by DabApps' contract, step by step, exactly as its client library does."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from tests.acceptance.holder import Holder
from tests.acceptance.served import Answer, Client, Site

MOUNTS = ("/s3-file-uploads", "/api/s3-file-uploads")
NAMES = {
    "id", "created", "modified", "complete_url", "file", "file_key", "file_path", "filename", "upload_form", "user",
}  # fmt: skip
"""The names of the 201 answer."""
NO_FILE = {"detail": "No UploadedFile matches the given query."}
KEPT = ("private", "bucket-owner-full-control")
"""The ACL that is signed where the bucket holds none: nobody but its owner reads. Ceph wants the second."""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 992

Made = dict[str, Any]


@dataclass
class Uploader:
    """One user of the contract, at one of its two mounts."""

    client: Client
    mount: str = MOUNTS[0]

    def ask(self, body: Any = None, **headers: str) -> Answer:
        """Step 1 of the client, whatever comes of it."""
        return self.client.call("POST", f"{self.mount}/", body, **{"x_csrftoken": "abc", **headers})

    def create(self, **fields: Any) -> Made:
        """Step 1, well done."""
        answer = self.ask(fields)
        assert answer.status == 201, answer.body
        made: Made = answer.json
        return made

    def post(self, made: Made, data: bytes, **wrong: Any) -> Answer:
        """Step 2: every field of the form in its order, then the part ``file``; no credential. See ``Holder.form``."""
        pool = urllib3.PoolManager(retries=False)
        try:
            return Holder(pool).form(made["upload_form"], data, **wrong)
        finally:
            pool.clear()

    def complete(self, made: Made) -> Answer:
        """Step 3: an empty body, no content type."""
        return self.client.call("POST", path(made["complete_url"]), x_csrftoken="abc")

    def fetch(self, made: Made) -> Answer:
        """Where the answer of step 1 says that the file is."""
        return self.client.call("GET", path(made["file"]))

    def upload(self, data: bytes, **fields: Any) -> Made:
        """All three steps."""
        made = self.create(**fields)
        posted = self.post(made, data)
        assert (posted.status, posted.body) == (204, b"")
        done = self.complete(made)
        assert (done.status, done.json) == (200, {"status": "COMPLETED"}), done.body
        return made

    def read(self, made: Made) -> Answer:
        """What comes from where ``fetch`` sends on to, asked without a credential."""
        sent_on = self.fetch(made)
        assert (sent_on.status, sent_on.body) == (302, b""), sent_on.body
        return given(sent_on.headers["location"])


def given(url: str, method: str = "GET") -> Answer:
    """One request to anywhere, without a credential."""
    pool = urllib3.PoolManager(retries=False)
    try:
        reply = pool.request(method, url, redirect=False)
        return Answer(reply.status, reply.headers, reply.data)
    finally:
        pool.clear()


def on_disk(site: Site) -> bool:
    return site.settings.store.startswith("disk:")


def path(url: str) -> str:
    """The path of an absolute URL."""
    return urlsplit(url).path


def policy(made: Made) -> dict[str, Any]:
    """What the form is held to, as S3 reads it."""
    found: dict[str, Any] = json.loads(b64decode(made["upload_form"]["fields"]["policy"]))
    return found
