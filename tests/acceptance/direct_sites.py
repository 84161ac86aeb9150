"""Kists whose users upload straight to the store: on disk, and on each S3 server with a restricted signing key."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.acceptance.served import Serve, Site, disk_settings, s3_settings, serving
from tests.servers.server import S3Server
from tests.servers.users import arn, restricted

from kist.model.backend import bucket_policy_for_signing, cors_rule, policy_for_signing
from kist.service.kist import Kist
from kist.settings import Settings
from kist.stores.s3.sender import Ask

ORIGIN = "https://app.example"


class Backend:
    """One kind of store, set up as an operator would who follows the docs."""

    def __init__(self, kind: str, home: Path, request: pytest.FixtureRequest, more: dict[str, str]) -> None:
        self.server: S3Server | None = None if kind == "disk" else request.getfixturevalue(kind)
        self.signer: S3Server | None = None
        more = {"KIST_ORIGINS": ORIGIN} | more
        if self.server is None:
            self.settings: Settings = disk_settings(home, **more)
        else:
            self.settings = s3_settings(home, self.server, **more)
        self._home, self._more = home, more

    @property
    def bucket(self) -> str:
        return urlsplit(self.settings.store).netloc

    def restrict(self, *, in_all: bool = False) -> None:
        """Sign with the key of a second user, who may only write where bytes arrive; ``in_all``: of every bucket."""
        if self.server is None or self.server.name == "swift":
            return  # Swift has no such users, and refuses what is not signed
        self.signer = restricted(self.server, policy_for_signing("*" if in_all else self.bucket)["Statement"])
        keys = {"KIST_S3_SIGNING_KEY": self.signer.key, "KIST_S3_SIGNING_SECRET": self.signer.secret}
        self.settings = s3_settings(self._home, self.server, **self._more, **keys, KIST_STORE=self.settings.store)

    async def prepare(self, kist: Kist) -> None:
        """What ``kist doctor --fix`` writes, the policy that Ceph wants for the signer, and the probe."""
        store: Any = kist._ports.store
        if self.server is not None and self.server.name != "swift":
            await store.set_cors(self.bucket, [cors_rule(self.settings.origins)])
        if self.server is not None and self.server.name == "rgw" and self.signer is not None:
            policy = bucket_policy_for_signing(
                self.bucket, arn(self.server, self.signer), arn(self.server, self.server)
            )
            body = json.dumps(policy).encode()
            await store._sender.ask(Ask("PUT", self.bucket, query=(("policy", ""),), body=body))
        await kist.ways.probe()


@contextlib.contextmanager
def direct_site(
    kind: str,
    home: Path,
    request: pytest.FixtureRequest,
    *,
    signing_key: bool = True,
    in_all: bool = False,
    serve: Serve = serving,
    database: str = "",
    **more: str,
) -> Iterator[Site]:
    """A server on ``kind`` of store, looked at and ready to give out tickets. ``database``: where the rows are else."""
    backend = Backend(kind, home, request, more)
    if signing_key:
        backend.restrict(in_all=in_all)
    settings = dataclasses.replace(backend.settings, database=database) if database else backend.settings
    with serve(settings, prepare=backend.prepare) as site:
        yield site
