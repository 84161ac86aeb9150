"""The S3 store's URL: ``s3://base-bucket?endpoint=…&region=…&style=path|host``."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from kist.errors import Misconfigured
from kist.ports.wiring import Wiring
from kist.stores.s3.settings import S3Settings

OPTIONS = frozenset({"endpoint", "region", "style"})


def read_url(wiring: Wiring) -> S3Settings:
    """The settings that a store's URL and its secrets make together. ``Misconfigured`` for what cannot be meant."""
    parts = urlsplit(wiring.url)
    if not parts.netloc or parts.path.strip("/") or parts.username is not None:
        raise Misconfigured("KIST_STORE: write s3://base-bucket?endpoint=…&region=…")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - OPTIONS)
    if unknown:
        raise Misconfigured(f"KIST_STORE: an S3 store has no option {unknown[0]!r}, only endpoint, region and style")
    return S3Settings(**options, **wiring.secrets)  # type: ignore[arg-type]  # both are checked by name
