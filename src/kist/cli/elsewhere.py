"""``s3://bucket/prefix``: an end on the S3 server that the environment names, with the keys that stand there."""

from __future__ import annotations

from kist.cli.shown import escaped
from kist.errors import Invalid
from kist.model.endpoint import EndpointKeys
from kist.model.ends import FOREIGN, ForeignEnd, is_foreign, read_end

ANY_S3 = "s3://"


def end_elsewhere(text: str, *, local: bool) -> str:
    """What ``s3://bucket/prefix`` means here, as jobs write it. ``Misconfigured`` when the environment is silent."""
    if not local:
        raise Invalid(
            f"{escaped(text)} is reached from this machine with the keys of its environment: leave --server out"
        )
    from kist.settings import read_s3_access  # not at import: `kist sync --help` needs no settings

    return f"{FOREIGN}{read_s3_access().endpoint.url}/{text.removeprefix(ANY_S3)}"


def keys_for(*ends: str) -> EndpointKeys | None:
    """The keys of the environment for that of ``ends`` which lies on another server, None where none does.

    ``Invalid`` when they are for another one: keys go where they belong, and nowhere else.
    """
    foreign = next((end for end in map(read_end, filter(is_foreign, ends)) if isinstance(end, ForeignEnd)), None)
    if foreign is None:
        return None
    from kist.settings import read_s3_access

    access = read_s3_access()
    if access.endpoint.url != foreign.endpoint.url:
        raise Invalid(
            f"the keys in the environment are for {access.endpoint.url}, and not for {foreign.endpoint.url}: "
            "set KIST_S3_ENDPOINT, KIST_S3_KEY and KIST_S3_SECRET"
        )
    return access.keys
