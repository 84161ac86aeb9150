"""Times that callers name, and times as numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kist.errors import Invalid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return length_micros(moment - _EPOCH)


def length_micros(length: timedelta) -> int:
    """A length of time in microseconds."""
    return length // timedelta(microseconds=1)


def in_utc(moment: datetime, thing: str) -> datetime:
    """When ``thing`` expires, as it is kept. ``Invalid`` without a time zone, and at the ends of time."""
    if moment.tzinfo is None:
        raise Invalid(f"the time at which {thing} expires needs a time zone: write it like 2030-01-31T12:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise Invalid(f"the time at which {thing} expires lies outside the years 1 to 9999") from error
