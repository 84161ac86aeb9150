"""What may be signed, whoever signs it."""

from __future__ import annotations

from datetime import timedelta

from kist.errors import Invalid
from kist.model.content import FormLimits
from kist.model.place import Place

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=7)

_OF_THE_SIGNATURE = frozenset(
    {
        "key",
        "bucket",
        "policy",
        "file",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-signature",
        "x-amz-security-token",
    }
)


def whole_seconds(expires: timedelta) -> int:
    """How many seconds a signature is valid: 1 second to 7 days, as for S3, else ``Invalid``."""
    if not SHORTEST <= expires <= LONGEST:
        raise Invalid("a signature is valid for 1 second to 7 days")
    return int(expires.total_seconds())


def check_form(place: Place, limits: FormLimits) -> None:
    """``Invalid`` for a form that would allow more than it says: fields must be exact, none of the signature's own."""
    if "${" in place.key:
        raise Invalid("a form cannot upload to a key with ${: stores would replace it by the file's name")
    names = [name.lower() for name, _ in limits.fields]
    if len(set(names)) != len(names) or not _OF_THE_SIGNATURE.isdisjoint(names):
        raise Invalid("a form field is named twice or belongs to the signature")
    if any("${" in value for _, value in limits.fields):
        raise Invalid("a form field cannot hold ${: stores would replace it")
    if not 0 <= limits.min_size <= limits.max_size:
        raise Invalid("the sizes that a form allows must be from 0 up, the smaller first")
