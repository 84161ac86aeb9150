"""Copy within the server: one request, or parts above the size that one request may copy."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote

from kist.errors import KistError, Stale, StoreUnavailable
from kist.model.content import PartRef, PutRules, Stored
from kist.model.place import Place
from kist.model.signatures import MAX_PARTS
from kist.stores.s3.multipart import drop_parts, finish_parts, kept_headers, start_parts, type_header
from kist.stores.s3.reading import find_object, head_object, unquoted
from kist.stores.s3.sender import Ask, Sender
from kist.stores.s3.xml import parse_root

_THINKING = 120.0  # seconds: the server moves up to 5 GiB before it answers


class CopyLimits(NamedTuple):
    """Objects larger than ``whole`` bytes are copied in parts of ``part`` bytes, more where 10,000 do not suffice."""

    whole: int = 5 * 1024**3
    part: int = 512 * 1024**2


async def copy_object(sender: Sender, source: Place, target: Place, rules: PutRules, limits: CopyLimits) -> Stored:
    """Copy an object; its type comes from ``rules``, nothing else is kept. ``ObjectMissing``."""
    type_header(rules)
    found = await head_object(sender, source)
    if found.size > limits.whole:
        return await _copy_parts(sender, found, target, rules, limits)
    headers = (*_from(found), ("x-amz-metadata-directive", "REPLACE"), *kept_headers(rules))
    ask = Ask("PUT", target.bucket, target.key, headers=headers, answer_within=_THINKING)
    try:
        answer = await sender.ask(ask)
    except Stale as error:
        raise _changed() from error
    etag = unquoted(parse_root(answer.body, "CopyObjectResult").find("ETag") or "")
    made = await find_object(sender, target)
    # Servers exist that ignore the condition on the source, and that answer no ETag.
    if made is None or made.size != found.size or (etag and made.etag != etag):
        raise _changed()
    return made


async def _copy_parts(sender: Sender, found: Stored, target: Place, rules: PutRules, limits: CopyLimits) -> Stored:
    step = max(limits.part, -(-found.size // MAX_PARTS))
    parts_id = await start_parts(sender, target, rules)
    try:
        parts = [
            await _copy_part(sender, found, target, parts_id, number, (start, min(start + step, found.size)))
            for number, start in enumerate(range(0, found.size, step), 1)
        ]
        return await finish_parts(sender, target, parts_id, parts)
    except BaseException as error:
        with suppress(KistError):
            await drop_parts(sender, target, parts_id)
        if isinstance(error, Stale):
            raise _changed() from error
        raise


async def _copy_part(
    sender: Sender, found: Stored, target: Place, parts_id: str, number: int, bounds: tuple[int, int]
) -> PartRef:
    start, stop = bounds
    query = (("partNumber", str(number)), ("uploadId", parts_id))
    headers = (*_from(found), ("x-amz-copy-source-range", f"bytes={start}-{stop - 1}"))
    ask = Ask("PUT", target.bucket, target.key, query, headers, answer_within=_THINKING)
    root = parse_root((await sender.ask(ask)).body, "CopyPartResult")
    return PartRef(number=number, etag=unquoted(root.text("ETag")), size=stop - start)


def _from(found: Stored) -> tuple[tuple[str, str], ...]:
    source = f"/{found.place.bucket}/{quote(found.place.key, safe='/~')}"
    return (("x-amz-copy-source", source), ("x-amz-copy-source-if-match", f'"{found.etag}"'))


def _changed() -> StoreUnavailable:
    return StoreUnavailable("the object changed while it was copied: try again")
