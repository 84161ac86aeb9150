"""Keys in the native API, and who is calling."""

from __future__ import annotations

from kist.dialects.native.shapes import KeyList, MadeKey, Me, NewKey, shape_key
from kist.errors import BadName, KeyMissing
from kist.model.actor import Role
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.decoding import decode_body
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Needs, Route


async def me(call: Call, kist: Kist) -> Reply:
    """Say who is calling."""
    return Reply.json(Me(call.actor.id, call.actor.role))


async def page(call: Call, kist: Kist) -> Reply:
    """List keys."""
    return Reply.json(KeyList(tuple(shape_key(key) for key in await kist.keys.page(call.actor))))


async def create(call: Call, kist: Kist) -> Reply:
    """Make a key."""
    asked = await decode_body(call, NewKey)
    row, text = await kist.keys.create(
        call.actor, asked.actor, role=Role(asked.role), label=asked.label, expires_at=asked.expires_at
    )
    made = MadeKey(row.id, row.actor, row.role, row.label, row.created_at, row.expires_at, text)
    return Reply.json(made, status=201)


async def revoke(call: Call, kist: Kist) -> Reply:
    """Revoke a key."""
    await kist.keys.revoke(call.actor, call.params["id"])
    return Reply.empty()


ROUTES = (
    Route(method="GET", path="/v1/me", handler=me, name="me", summary="Who is calling", answers=Me),
    Route(
        method="GET",
        path="/v1/keys",
        handler=page,
        name="keys-list",
        summary="All keys that are not revoked",
        needs=Needs.ADMIN,
        answers=KeyList,
    ),
    Route(
        method="POST",
        path="/v1/keys",
        handler=create,
        name="keys-create",
        summary="Make a key; it is shown this once",
        needs=Needs.ADMIN,
        body=BodyKind.SMALL,
        accepts=NewKey,
        answers=MadeKey,
        status=201,
        errors=(BadName,),
    ),
    Route(
        method="DELETE",
        path="/v1/keys/{id}",
        handler=revoke,
        name="keys-revoke",
        summary="Revoke a key at once",
        needs=Needs.ADMIN,
        status=204,
        errors=(KeyMissing,),
    ),
)
