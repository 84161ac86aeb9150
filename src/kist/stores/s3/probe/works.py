"""The right requests: are they taken, and can the main key use what the signing key wrote?"""

from __future__ import annotations

from kist.model.place import PARTS, Place
from kist.model.profile import HELD
from kist.stores.s3.multipart import finish_parts, list_parts
from kist.stores.s3.probe.scene import BODY, OTHER, TYPE, Scene
from kist.stores.s3.probe.urls import lengths
from kist.stores.s3.reading import head_object


async def put_works(scene: Scene) -> str:
    """The right put is taken, and the main key can use what came."""
    place = scene.place("put")
    reply = await scene.send(scene.ticket(place))
    return await usable(scene, place) if reply.taken else f"refused: {reply.words}"


async def part_works(scene: Scene) -> str:
    """The right part is taken with an ETag, listed and joined, and the main key can use what came of it."""
    place, parts_id = await scene.start_parts("part")
    reply = await scene.send(scene.part_ticket(place, parts_id))
    if not reply.taken:
        return f"refused: {reply.words}"
    if not reply.headers.get("etag"):
        return f"{reply.status} without an ETag"
    parts = [part async for part in list_parts(scene.sender, place, parts_id)]
    if [(part.number, part.size) for part in parts] != [(1, len(BODY))]:
        return f"{reply.status}, but the part is not listed"
    await finish_parts(scene.sender, place, parts_id, parts)
    return await usable(scene, place)


async def part_length(scene: Scene) -> str:
    """Parts that are longer or shorter than was signed, or chunked."""
    place, parts_id = await scene.start_parts("length")
    held = await scene.refuses(place, *lengths(scene.part_ticket(place, parts_id)))
    if held == HELD and [part async for part in list_parts(scene.sender, place, parts_id)]:
        return "refused, but kept all the same"
    return held


async def sealing(scene: Scene) -> str:
    """A copy stays as it is when its source is written again."""
    source, target = scene.place("sealing"), scene.place("sealed")
    await scene.write(source, BODY)
    await scene.copy(source, target)
    await scene.write(source, OTHER)
    return HELD if await scene.look(target) == BODY else "the copy changed with its source"


async def usable(scene: Scene, place: Place) -> str:
    """``HELD`` when the main key can head, read, copy and erase what was written at ``place``."""
    found = await head_object(scene.sender, place)
    if (found.size, found.type) != (len(BODY), TYPE) or await scene.look(place) != BODY:
        return f"taken, but {found.size} bytes of type {found.type} were kept"
    copied = scene.place(f"copy-of-{place.key.removeprefix(PARTS).rpartition('/')[2]}")
    await scene.copy(place, copied)
    await scene.erase(place, copied)
    return HELD if await scene.look(place) is None else "erased, but still there"
