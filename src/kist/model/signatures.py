"""What may be signed at all: rules that hold for every store, whoever answers the signed request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kist.errors import Invalid
from kist.model.content import FormLimits
from kist.model.place import Place

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=7)
MAX_PARTS = 10_000

_OWN_FIELDS = frozenset(
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
    """How long a signature is valid. ``Invalid`` unless that is 1 second to 7 days."""
    if not SHORTEST <= expires <= LONGEST:
        raise Invalid("a signature is valid for 1 second to 7 days")
    return int(expires.total_seconds())


def check_query(query: Sequence[tuple[str, str]]) -> None:
    """``Invalid`` for query parameters that belong to the signature itself."""
    if any(name.lower().startswith("x-amz-") for name, _ in query):
        raise Invalid("query parameters that begin with x-amz- belong to the signature")


def check_form(place: Place, limits: FormLimits) -> None:
    """``Invalid`` unless all fields are exact: none of the signature's own, none twice, none that a store fills in."""
    if "${" in place.key:
        raise Invalid("a form cannot upload to a key with ${: stores would replace it by the file's name")
    names = [name.lower() for name, _ in limits.fields]
    if len(set(names)) != len(names) or _OWN_FIELDS & set(names):
        raise Invalid("a form field is named twice or belongs to the signature")
    if any("${" in value for _, value in limits.fields):
        raise Invalid("a form field cannot hold ${: stores would replace it")
    if not 0 <= limits.min_size <= limits.max_size:
        raise Invalid("the sizes that a form allows must be from 0 up, the smaller first")


def check_part_number(number: int) -> None:
    """``Invalid`` unless a part can have this number."""
    if not 1 <= number <= MAX_PARTS:
        raise Invalid(f"parts are numbered from 1 to {MAX_PARTS}, not {number}", limit=MAX_PARTS)
