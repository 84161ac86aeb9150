"""Shares in the native API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from kist.errors import BadName, Clash, NotAllowed, ShareMissing
from kist.model.actor import Action
from kist.model.share import Share
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.decoding import decode_body
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Route


class NewShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an actor may do to the file from now on. Reading goes with everything else."""

    actions: Annotated[tuple[Action, ...], Meta(min_length=1)]
    expires_at: datetime | None = None


class ShareShape(msgspec.Struct, frozen=True):
    """What an actor may do to a file."""

    actor: str
    actions: tuple[Action, ...]
    granted_by: str
    created_at: datetime
    expires_at: datetime | None


class ShareList(msgspec.Struct, frozen=True):
    """The live shares of a file, by actor."""

    items: tuple[ShareShape, ...]


async def page(call: Call, kist: Kist) -> Reply:
    """List the shares of a file."""
    shares = await kist.shares.of_file(call.actor, call.params["id"])
    return Reply.json(ShareList(tuple(map(shape_share, shares))))


async def grant(call: Call, kist: Kist) -> Reply:
    """Share a file."""
    asked = await decode_body(call, NewShare)
    share = await kist.shares.grant(
        call.actor, call.params["id"], call.params["actor"], asked.actions, expires_at=asked.expires_at
    )
    return Reply.json(shape_share(share))


async def withdraw(call: Call, kist: Kist) -> Reply:
    """Withdraw a share."""
    await kist.shares.withdraw(call.actor, call.params["id"], call.params["actor"])
    return Reply.empty()


def shape_share(share: Share) -> ShareShape:
    """A share as the native API shows it."""
    return ShareShape(share.actor, share.actions, share.granted_by, share.created_at, share.expires_at)


ROUTES = (
    Route(
        method="GET",
        path="/v1/files/{id}/shares",
        handler=page,
        name="shares-list",
        summary="With whom a file is shared; whoever may not share it sees their own",
        answers=ShareList,
    ),
    Route(
        method="PUT",
        path="/v1/files/{id}/shares/{actor}",
        handler=grant,
        name="shares-grant",
        summary="Let an actor read, write, share or remove a file, and nothing else",
        body=BodyKind.SMALL,
        accepts=NewShare,
        answers=ShareShape,
        errors=(BadName, NotAllowed, Clash),
    ),
    Route(
        method="DELETE",
        path="/v1/files/{id}/shares/{actor}",
        handler=withdraw,
        name="shares-withdraw",
        summary="Take a share back at once; one's own may always be given up",
        status=204,
        errors=(ShareMissing, NotAllowed),
    ),
)
