"""Kists whose users upload straight to the store: on disk, and on each S3 server with a restricted signing key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.acceptance.served import Site, disk_settings, s3_settings, serving
from tests.servers.server import S3Server
from tests.servers.users import restricted

from kist.service.kist import Kist
from kist.settings import Settings

ORIGIN = "https://app.example"


async def probe(kist: Kist) -> None:
    """Look at the store, as the first start does."""
    await kist.ways.probe()


def with_signing_key(settings: Settings, server: S3Server) -> dict[str, str]:
    """A second user of the server, who may only write where bytes arrive."""
    bucket = urlsplit(settings.store).netloc
    may = {
        "Effect": "Allow",
        "Action": ["s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/.kist/in/*", f"arn:aws:s3:::{bucket}/.kist/parts/*"],
    }
    signer = restricted(server, [may])
    return {"KIST_S3_SIGNING_KEY": signer.key, "KIST_S3_SIGNING_SECRET": signer.secret, "KIST_STORE": settings.store}


@contextlib.contextmanager
def direct_site(
    kind: str, home: Path, request: pytest.FixtureRequest, *, signing_key: bool = True, **more: str
) -> Iterator[Site]:
    """A server on ``kind`` of store, looked at and ready to give out tickets."""
    more = {"KIST_ORIGINS": ORIGIN} | more
    if kind == "disk":
        settings = disk_settings(home, **more)
    else:
        server: S3Server = request.getfixturevalue(kind)
        settings = s3_settings(home, server, **more)
        if signing_key and kind != "swift":  # Swift has no such users, and refuses what is not signed
            settings = s3_settings(home, server, **more, **with_signing_key(settings, server))
    with serving(settings, prepare=probe) as site:
        yield site
