"""Presigned URLs: does the server hold to everything that was signed?"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from kist.model.place import Place
from kist.model.profile import HELD
from kist.stores.s3.probe.scene import BODY, OTHER, Scene, altered, forged
from kist.stores.s3.transport import Request

_LONGER = BODY + b" and more"
_SHORTER = BODY[:-2]


async def wrong_signature(scene: Scene) -> str:
    """A put and a get whose signature was tampered with."""
    place = scene.place("wrong-signature")
    put, get = scene.ticket(place), scene.signed("GET", scene.victim)
    return await scene.refuses(place, ("PUT", _forged(put)), ("GET", _forged(get)))


async def other_key(scene: Scene) -> str:
    """The path of a signed put and get replaced by another object's."""
    place, other = scene.place("key"), scene.place("other-key")
    put, get = scene.ticket(place), scene.signed("GET", place)
    return await scene.refuses(other, ("PUT", _moved(scene, put, other)), ("GET", _moved(scene, get, scene.victim)))


async def other_method(scene: Scene) -> str:
    """Signed for one method, sent by another, on an object that is there."""
    place = scene.place("method")
    await scene.write(place, BODY)
    put = scene.signed("PUT", place, (("x-amz-acl", scene.acl),))
    get = scene.signed("GET", place)
    attempts = (
        ("GET by a URL for PUT", put._replace(method="GET")),
        ("PUT by a URL for GET", get._replace(method="PUT", body=OTHER)),
        ("DELETE by a URL for GET", get._replace(method="DELETE")),
        ("DELETE by a URL for PUT", put._replace(method="DELETE")),
    )
    for name, request in attempts:
        reply = await scene.send(request)
        if reply.taken or await scene.look(place) != BODY:
            return f"{name}: not enforced: {reply.words}"
        if not reply.refused:
            return f"{name}: no clear answer: {reply.words}"
    return HELD


async def expired_url(scene: Scene) -> str:
    """A put and a get whose time is over."""
    place, since = scene.place("expired"), scene.long_ago
    put, get = scene.ticket(place, since=since), scene.signed("GET", scene.victim, since=since)
    return await scene.refuses(place, ("PUT", put), ("GET", get))


async def signed_length(scene: Scene) -> str:
    """Bodies that are longer or shorter than was signed, or chunked."""
    place = scene.place("length")
    return await scene.refuses(place, *lengths(_by_length(scene, place)))


async def signed_type(scene: Scene) -> str:
    """Another content type than was signed, and none."""
    place = scene.place("type")
    put = scene.ticket(place)
    return await scene.refuses(
        place,
        ("another type", altered(put, headers={"content-type": "text/html"})),
        ("none", altered(put, headers={"content-type": None})),
    )


async def signed_md5(scene: Scene) -> str:
    """Other bytes of the same length than those whose MD5 was signed."""
    place = scene.place("md5")
    return await scene.refuses(place, ("other bytes", altered(scene.ticket(place), OTHER)))


async def signed_acl(scene: Scene) -> str:
    """``public-read`` where another ACL was signed, and none."""
    place = scene.place("acl")
    put = scene.ticket(place)
    return await scene.refuses(
        place,
        ("public-read", altered(put, headers={"x-amz-acl": "public-read"})),
        ("none", altered(put, headers={"x-amz-acl": None})),
    )


async def checksum_sha256(scene: Scene) -> str:
    """Other bytes of the same length than those whose SHA-256 was signed."""
    place = scene.place("sha256")
    put = _by_length(scene, place, ("x-amz-checksum-sha256", b64encode(sha256(BODY).digest()).decode()))
    return await scene.refuses(place, ("other bytes", altered(put, OTHER)))


def lengths(request: Request) -> tuple[tuple[str, Request], ...]:
    """The same request with a body that is not as long as was signed, or does not say how long it is."""
    return (
        ("longer", altered(request, _LONGER, {"content-length": str(len(_LONGER))})),
        ("shorter", altered(request, _SHORTER, {"content-length": str(len(_SHORTER))})),
        ("chunked", altered(request, _LONGER, {"content-length": None})._replace(chunked=True)),
    )


def _by_length(scene: Scene, place: Place, *more: tuple[str, str]) -> Request:
    """A put without an MD5, so that nothing else gives other bytes away."""
    headers = (("content-length", str(len(BODY))), ("x-amz-acl", scene.acl), *more)
    return scene.signed("PUT", place, headers, BODY)


def _forged(request: Request) -> Request:
    return request._replace(url=forged(request.url))


def _moved(scene: Scene, request: Request, place: Place) -> Request:
    query = request.url.partition("?")[2]
    return request._replace(url=scene.presigner.addresses.of(place.bucket, place.key).url(query))
