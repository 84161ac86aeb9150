"""What has to be known to talk to one S3 server. Filled in by the composition root, checked where it is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Style = Literal["auto", "path", "host"]


class Names(NamedTuple):
    """What messages call the things that may have to be mended; ``place``: where region and endpoint are set."""

    key: str = "KIST_S3_KEY"
    secret: str = "KIST_S3_SECRET"  # noqa: S105  # what it is called
    token: str = "KIST_S3_SESSION_TOKEN"  # noqa: S105
    place: str = "KIST_STORE"


OWN = Names()


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """One S3 server and who Kist is there. Secrets never show in its ``repr``.

    ``endpoint``: None means Amazon's own for ``region``. ``style``: the bucket in the path or in the host name;
    ``auto`` takes the host at Amazon and the path elsewhere. ``key`` None: botocore's provider chain decides
    (``kist[aws]``). ``signing_key``: a restricted key for what browsers are given, None for the main one.
    ``public_endpoint``: where browsers are sent, None for ``endpoint``. Times are in seconds; ``patience``: after
    how long a request without a body is no longer tried again, ``upload_patience`` the same for one with a body.
    """

    endpoint: str | None = None
    region: str = "us-east-1"
    style: Style = "auto"
    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    signing_key: str | None = None
    signing_secret: str | None = field(default=None, repr=False)
    public_endpoint: str | None = None
    connect_timeout: float = 2.0
    read_timeout: float = 10.0
    patience: float = 4.0
    upload_patience: float = 60.0
    names: Names = OWN
