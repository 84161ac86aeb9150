"""Upload forms (POST policies): does the server hold to everything that the policy says?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from kist.model.content import FormLimits, SignedForm
from kist.model.place import Place
from kist.model.profile import HELD
from kist.stores.s3.probe.scene import BODY, TYPE, Scene, forged
from kist.stores.s3.probe.works import usable
from kist.stores.s3.transport import Request

_LIFE = timedelta(minutes=5)
_BOUNDARY = "----the-probe-of-kist"


async def works(scene: Scene) -> str:
    """The right form is taken, and the main key can use what came."""
    place = scene.place("form")
    reply = await scene.send(posted(form(scene, place)))
    return await usable(scene, place) if reply.taken else f"no form is taken here ({reply.words})"


async def signature(scene: Scene) -> str:
    """A tampered signature."""
    place = scene.place("form-signature")
    right = form(scene, place)
    wrong = forged(dict(right.fields)["x-amz-signature"])
    return await scene.refuses(place, ("another signature", posted(right, {"x-amz-signature": wrong})))


async def size(scene: Scene) -> str:
    """One byte more and one less than the policy says."""
    place = scene.place("form-size")
    right = form(scene, place)
    longer, shorter = posted(right, body=BODY + b"!"), posted(right, body=BODY[:-1])
    return await scene.refuses(place, ("longer", longer), ("shorter", shorter))


async def key(scene: Scene) -> str:
    """Another key than the policy says."""
    place, other = scene.place("form-key"), scene.place("form-other-key")
    return await scene.refuses(other, ("another key", posted(form(scene, place), {"key": other.key})))


async def media_type(scene: Scene) -> str:
    """Another type than the policy says, and none."""
    place = scene.place("form-type")
    right = form(scene, place)
    return await scene.refuses(
        place,
        ("another type", posted(right, {"Content-Type": "text/html"})),
        ("none", posted(right, {"Content-Type": None})),
    )


async def acl(scene: Scene) -> str:
    """Another ACL than the policy says, and none."""
    place = scene.place("form-acl")
    right = form(scene, place)
    return await scene.refuses(
        place, ("public-read", posted(right, {"acl": "public-read"})), ("none", posted(right, {"acl": None}))
    )


async def extra_field(scene: Scene) -> str:
    """A field that the policy does not name."""
    place = scene.place("form-extra-field")
    return await scene.refuses(place, ("x-amz-meta-e", posted(form(scene, place), {"x-amz-meta-e": "e"})))


async def expired(scene: Scene) -> str:
    """A form whose time is over."""
    place = scene.place("form-expired")
    return await scene.refuses(place, ("an expired form", posted(form(scene, place, since=scene.long_ago))))


def form(scene: Scene, place: Place, *, since: datetime | None = None) -> SignedForm:
    """A form as a ticket has it, for a body as long as ``BODY``."""
    limits = FormLimits(min_size=len(BODY), max_size=len(BODY), fields=(("Content-Type", TYPE), ("acl", scene.acl)))
    return scene.presigner.form(place, _LIFE, limits, since=since)


def posted(right: SignedForm, changed: Mapping[str, str | None] = {}, body: bytes = BODY) -> Request:
    """The form as a browser posts it, with other fields, more of them, or (None) less."""
    fields = {**dict(right.fields), **changed}
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
        if value is not None
    ]
    file = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="any"\r\nContent-Type: {TYPE}\r\n\r\n'
    )
    whole = b"".join([*parts, file.encode(), body, f"\r\n--{_BOUNDARY}--\r\n".encode()])
    headers = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}", "content-length": str(len(whole))}
    return Request("POST", right.url, headers, whole, 5.0)


async def private_taken(scene: Scene, fallback: str) -> str:
    """Whether a form with the scene's ACL is taken; ``HELD`` too where one with ``fallback`` is not either."""
    first = await scene.send(posted(form(scene, scene.place("form-acl-first"))))
    if first.taken:
        return HELD
    scene.acl, tried = fallback, scene.acl
    second = await scene.send(posted(form(scene, scene.place("form-acl-second"))))
    scene.acl = tried
    return f"forms: {first.words}, {fallback} is taken" if second.taken else HELD
