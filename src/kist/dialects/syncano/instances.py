"""Which instance a call is for, and in which bucket it keeps its files."""

from __future__ import annotations

from urllib.parse import urlsplit

from kist.dialects.syncano.arguments import Arguments
from kist.dialects.syncano.callers import DIALECT_NAME
from kist.errors import Invalid, Missing, NotAllowed
from kist.model.actor import Actor
from kist.model.contracts import Contracts
from kist.service.kist import Kist
from kist.wire.call import Call


def instance_of(call: Call, contracts: Contracts) -> str:
    """The instance that the path names, else the host, else the first of all. ``Missing`` when there is no such one.

    The Host header chooses among the operator's instances and decides nothing else.
    """
    named = call.params.get("instance") or _by_host(call, contracts) or contracts.instances[0]
    if named not in contracts.instances:
        raise Missing("there is no instance of that name here")
    return named


async def bucket_of(call: Call, kist: Kist, arguments: Arguments, actor: Actor, *, admin: bool = False) -> str:
    """The bucket that a call is about: its instance's own, or for an ``admin`` any that it names.

    ``NotAllowed`` when a user names another, ``BucketMissing`` when an admin names none of ours, ``Invalid`` for a
    region that is not where the buckets are.
    """
    check_region(kist, arguments.region)
    own = f"{instance_of(call, kist.contracts)}-bucket"
    if arguments.bucket in (None, "", own):
        return await kist.buckets.own(own, DIALECT_NAME)
    if not admin:
        raise NotAllowed("You are not allowed to use another bucket")
    await kist.buckets.check_readable(actor, arguments.bucket)
    return arguments.bucket


def check_region(kist: Kist, region: str | None) -> None:
    """``Invalid`` unless ``region`` is the one of this Kist, or nothing is asked."""
    if region and region != kist.contracts.region:
        raise Invalid(f"the buckets of this server are in the region {kist.contracts.region!r}: leave region out")


def _by_host(call: Call, contracts: Contracts) -> str | None:
    """The first label of the host, where it is under a domain of instances."""
    if not contracts.instance_domains:
        return None
    try:
        host = urlsplit(f"//{call.headers.get('host') or ''}").hostname or ""
    except ValueError:
        return None
    if any(host.endswith(f".{domain}") for domain in contracts.instance_domains):
        return host.partition(".")[0]
    return None
