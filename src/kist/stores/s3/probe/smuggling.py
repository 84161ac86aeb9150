"""Headers that were not signed, added to a request that was: are they obeyed?

A copy source is the worst of them: a server that obeys it lets the holder of any ticket read the whole bucket.
"""

from __future__ import annotations

from urllib.parse import quote

from kist.model.profile import HELD
from kist.stores.s3.multipart import list_parts
from kist.stores.s3.probe.scene import BODY, TYPE, Scene, altered, unclear

_COPIED = "copied another object"


async def put_copy_source(scene: Scene) -> str:
    """A copy source on a put, with a body and with an empty one: whose bytes are there afterwards?"""
    for number, (name, body) in enumerate([(name, body) for name in _SOURCES for body in (BODY, b"")]):
        place = scene.place(f"copy-source-{number}")
        reply = await scene.send(altered(scene.ticket(place, body), headers={name: _source(scene)}))
        if await scene.look(place) not in (None, body):
            return f"{reply.status}: {_COPIED}"
        if not (reply.taken or reply.refused):
            return unclear(reply)
    return HELD


async def part_copy_source(scene: Scene) -> str:
    """A copy source on a part: how many bytes does the part have afterwards?"""
    for number, (name, body) in enumerate([(name, body) for name in _SOURCES for body in (BODY, b"")]):
        place, parts_id = await scene.start_parts(f"copy-source-{number}")
        reply = await scene.send(altered(scene.part_ticket(place, parts_id, body), headers={name: _source(scene)}))
        if any([part.size != len(body) async for part in list_parts(scene.sender, place, parts_id)]):
            return f"{reply.status}: {_COPIED}"
        if not (reply.taken or reply.refused):
            return unclear(reply)
    return HELD


async def put_acl(scene: Scene) -> str:
    """``public-read`` on a URL that signs no ACL: can anybody read the object afterwards?"""
    place = scene.place("unsigned-acl")
    headers = (("content-length", str(len(BODY))), ("content-type", TYPE))
    reply = await scene.send(altered(scene.signed("PUT", place, headers, BODY), headers={"x-amz-acl": "public-read"}))
    if (await scene.send(scene.plain("GET", place))).taken:
        return f"{reply.status}: made public"
    return HELD if reply.taken or reply.refused else unclear(reply)


_SOURCES = ("x-amz-copy-source", "x-copy-from")
"""The second is OpenStack Swift's own name for it."""


def _source(scene: Scene) -> str:
    return f"/{scene.bucket}/{quote(scene.victim.key, safe='/~')}"
