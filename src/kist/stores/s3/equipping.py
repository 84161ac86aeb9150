"""A new bucket gets what an operator has set up for another: its CORS rules and its policy."""

from __future__ import annotations

import re

from kist.errors import KistError, ObjectMissing, StoreRefused
from kist.stores.s3.cors import get_cors, set_cors
from kist.stores.s3.sender import Ask, Sender

_POLICY = (("policy", ""),)


async def equip(sender: Sender, bucket: str, like: str) -> None:
    """Give ``bucket`` what ``like`` has. A server that lacks one of the two still gets the other."""
    failed: KistError | None = None
    try:
        rules = await get_cors(sender, like)
        if rules:
            await set_cors(sender, bucket, rules)
    except StoreRefused as error:
        failed = error
    policy = await _policy(sender, like)
    if policy is not None:
        await sender.ask(Ask("PUT", bucket, query=_POLICY, body=renamed(policy, like, bucket).encode()))
    if failed is not None:
        raise failed


def renamed(policy: str, before: str, after: str) -> str:
    """A bucket policy with the resources of one bucket made those of another."""
    return re.sub(rf'(arn:aws[a-z-]*:s3:::){re.escape(before)}(?=["/])', rf"\g<1>{after}", policy)


async def _policy(sender: Sender, bucket: str) -> str | None:
    try:
        return (await sender.ask(Ask("GET", bucket, query=_POLICY))).body.decode()
    except (ObjectMissing, StoreRefused):
        return None  # there is none, or this server has no such thing
