"""The two ends of a sync as text: a folder of the server, or a bucket with a prefix in it, here or elsewhere."""

from __future__ import annotations

import msgspec

from kist.errors import BadName, EndpointRefused, Invalid
from kist.model.endpoint import Endpoint, read_endpoint
from kist.model.place import RESERVED, check_bucket, check_key


class FolderEnd(msgspec.Struct, frozen=True):
    """A folder, by its absolute path without a slash at its end."""

    path: str

    def __str__(self) -> str:
        return self.path


class BucketEnd(msgspec.Struct, frozen=True):
    """The keys of a bucket that begin with ``prefix``, which is empty or ends with a slash."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.bucket}/{self.prefix}".rstrip("/")


class ForeignEnd(msgspec.Struct, frozen=True):
    """The same of a bucket on another S3 server. Keys are no part of it: it is shown, and names the manifest."""

    endpoint: Endpoint
    bucket: str
    prefix: str = ""

    @property
    def root(self) -> str:
        """What stands before the bucket."""
        return f"{FOREIGN}{self.endpoint.url}"

    def __str__(self) -> str:
        return f"{self.root}/{self.bucket}/{self.prefix}".rstrip("/")


End = FolderEnd | BucketEnd | ForeignEnd

FOREIGN = "s3+"


def read_end(text: str) -> End:
    """The end that ``text`` means: an absolute path is a folder, ``s3+https://host/bucket/prefix`` a bucket of another
    server, anything else ``bucket`` or ``bucket/prefix``.

    ``Invalid`` for a relative folder, ``EndpointRefused`` for what is no plain address of a server, ``BadName`` for
    what cannot be a bucket or a prefix.
    """
    if is_foreign(text):
        scheme, _, rest = text.removeprefix(FOREIGN).partition("://")
        host, _, inside = rest.partition("/")
        endpoint = read_endpoint(f"{scheme}://{host}")
        if endpoint is None:
            raise EndpointRefused("write s3+https://host/bucket or s3+https://host:port/bucket, without user or query")
        return ForeignEnd(endpoint, *_bucket_and_prefix(inside))
    if text.startswith("/"):
        if "\0" in text or "/../" in f"{text}/":
            raise BadName("the path of a folder holds no .. and no NUL")
        return FolderEnd("/" + "/".join(part for part in text.split("/") if part not in ("", ".")))
    if text.startswith((".", "~")):
        raise Invalid("write the whole path of the folder, beginning with /")
    return BucketEnd(*_bucket_and_prefix(text))


def is_foreign(text: str) -> bool:
    """Whether ``text`` means a bucket of another server."""
    return text.startswith((f"{FOREIGN}http://", f"{FOREIGN}https://"))


def _bucket_and_prefix(text: str) -> tuple[str, str]:
    bucket, _, prefix = text.partition("/")
    check_bucket(bucket)
    prefix = prefix.strip("/")
    if prefix:
        check_key(prefix)
        prefix += "/"
    if prefix.startswith(RESERVED):
        raise BadName("what begins with .kist/ is Kist's own: no sync goes there")
    return bucket, prefix


def overlap(one: End, other: End) -> bool:
    """Whether what one of them means holds anything of the other."""
    if isinstance(one, FolderEnd) and isinstance(other, FolderEnd):
        return _within(f"{one.path}/", f"{other.path}/")
    if isinstance(one, BucketEnd) and isinstance(other, BucketEnd):
        return one.bucket == other.bucket and _within(one.prefix, other.prefix)
    if isinstance(one, ForeignEnd) and isinstance(other, ForeignEnd):
        same = (one.root, one.bucket) == (other.root, other.bucket)
        return same and _within(one.prefix, other.prefix)
    return False


def share_trash(one: End, other: End) -> bool:
    """Whether jobs that go to one of them and to the other put aside what they replace in the same place."""
    match one, other:
        case FolderEnd(), FolderEnd():
            return one.path == other.path
        case BucketEnd(), BucketEnd():
            return one.bucket == other.bucket
        case ForeignEnd(), ForeignEnd():
            return (one.root, one.bucket) == (other.root, other.bucket)
    return False


def _within(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
