"""What browsers ask before and look at after a request: CORS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kist.model.backend import PUT_HEADERS
from kist.model.place import Place
from kist.model.profile import HELD
from kist.stores.s3.probe.scene import Scene, altered


async def preflights(scene: Scene, origins: Sequence[str]) -> str:
    """``HELD`` when pages of all ``origins`` may put with the headers of a ticket, and post."""
    place = scene.place("cors")
    for origin in origins:
        for method, target, headers in (("PUT", place, PUT_HEADERS), ("POST", None, ())):
            refused = await _preflight(scene, origin, method, target, headers)
            if refused:
                return f"{method} from {origin}: {refused}"
    return HELD


async def etag_exposed(scene: Scene, origins: Sequence[str]) -> str:
    """``HELD`` when pages of all ``origins`` may read the ETag of what they put."""
    place = scene.place("etag")
    for origin in origins:
        reply = await scene.send(altered(scene.ticket(place), headers={"origin": origin}))
        if not reply.taken:
            return f"refused: {reply.words}"
        if not _allows(reply.headers, "access-control-expose-headers", "etag"):
            return f"{origin} may not read the ETag"
    return HELD


async def _preflight(scene: Scene, origin: str, method: str, place: Place | None, headers: Sequence[str]) -> str:
    asks = [("origin", origin), ("access-control-request-method", method)]
    if headers:
        asks.append(("access-control-request-headers", ",".join(sorted(headers))))
    reply = await scene.send(scene.plain("OPTIONS", place, asks))
    if not reply.taken:
        return reply.words
    if reply.headers.get("access-control-allow-origin", "") not in (origin, "*"):
        return "the origin is not allowed"
    if not _allows(reply.headers, "access-control-allow-methods", method):
        return "the method is not allowed"
    missing = [name for name in headers if not _allows(reply.headers, "access-control-allow-headers", name)]
    return f"{missing[0]} is not allowed" if missing else HELD


def _allows(headers: Mapping[str, str], name: str, value: str) -> bool:
    listed = {each.strip().lower() for each in headers.get(name, "").split(",")}
    return value.lower() in listed or "*" in listed
