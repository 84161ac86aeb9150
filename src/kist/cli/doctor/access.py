"""Who may come in, and under which address."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from kist.app import dialects, token_reader
from kist.cli.doctor.endpoint import endpoint_of
from kist.cli.doctor.finding import Finding, bad, doubtful, good
from kist.cli.hosts import is_loopback
from kist.errors import KistError
from kist.settings import Settings

WELL_KNOWN = {"minioadmin", "admin", "test", "minio123", "password"}


def check_access(settings: Settings) -> Iterator[Finding]:
    """Everything about callers."""
    yield _check_dialects(settings)
    yield from _check_public_urls(settings)
    yield from _check_anonymous(settings)
    yield from _check_tokens(settings)
    yield from _check_well_known_keys(settings)


def _check_dialects(settings: Settings) -> Finding:
    try:
        served = dialects(settings)
    except KistError as error:
        return bad("dialects", error.message, "mend KIST_DIALECTS, or leave it out to serve all")
    if not served:
        return bad("dialects", "none is served", "mend KIST_DIALECTS, or leave it out to serve all")
    return good("dialects", ", ".join(dialect.name for dialect in served))


def _check_public_urls(settings: Settings) -> Iterator[Finding]:
    endpoint = settings.s3_secrets.get("public_endpoint")
    named = {
        "KIST_PUBLIC_URL": settings.public_url,
        "KIST_S3_PUBLIC_ENDPOINT": None if endpoint is None else endpoint.reveal(),
    }
    for name, url in named.items():
        if url is None:
            continue
        parts = urlsplit(url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            mend = f"put TLS in front, and write https:// in {name}"
            yield doubtful("public URL", f"{name}={url} is plain http: others on the way can read keys and files", mend)
        else:
            yield good("public URL", f"{name}={url}")


def _check_anonymous(settings: Settings) -> Iterator[Finding]:
    if not settings.anonymous:
        return
    who = ", ".join(f"{actor} in {dialect}" for dialect, actor in settings.anonymous.items())
    if settings.anonymous_public or not _only_here(settings.public_url):
        yield doubtful(
            "anonymous",
            f"callers without a key act as {who}, from wherever they reach this server",
            "unset KIST_ANONYMOUS_PUBLIC and KIST_ANONYMOUS, unless that is what you want",
        )
    else:
        yield good("anonymous", f"callers without a key act as {who}, on this machine only")


def _only_here(public_url: str | None) -> bool:
    return public_url is None or is_loopback(urlsplit(public_url).hostname or "")


def _check_tokens(settings: Settings) -> Iterator[Finding]:
    try:
        if token_reader(settings) is not None:
            yield good("tokens", f"of {settings.jwt_issuer} are accepted")
    except KistError as error:
        yield bad("tokens", error.message, "put the issuer's JWK set into the file that KIST_JWT_KEYS names")


def _check_well_known_keys(settings: Settings) -> Iterator[Finding]:
    endpoint = endpoint_of(settings)
    secret = settings.s3_secrets.get("secret")
    if endpoint is None or secret is None or is_loopback(endpoint.hostname or ""):
        return
    if secret.reveal() in WELL_KNOWN:
        yield bad("store key", "its secret is one that everybody knows", "give the store a secret of its own")
