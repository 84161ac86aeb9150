"""The contract of Syncano's socket ``aws-storage``: files by ``<user id>/<name>``, by links or through Kist.

Every endpoint is called by any method, at ``/aws-storage/…`` and at the address of the platform's API; arguments stand
in the query or in the body.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kist.dialects.syncano.answers import show_error
from kist.dialects.syncano.arguments import read
from kist.dialects.syncano.callers import DIALECT_NAME, admin_key, callers, user_key
from kist.dialects.syncano.instances import check_region, instance_of
from kist.dialects.syncano.links import LinksByName, make_links
from kist.dialects.syncano.uploads import (
    PutResult,
    SignedLink,
    admin_upload,
    admin_upload_link,
    user_read,
    user_upload,
    user_upload_link,
)
from kist.errors import Invalid
from kist.service.kist import Kist
from kist.wire.call import Call
from kist.wire.pages import refuse_foreign_changes
from kist.wire.reply import Reply
from kist.wire.routes import BodyKind, Dialect, Handler, Needs, Route

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PREFIXES = (
    "/aws-storage",
    "/v2/instances/{instance}/endpoints/sockets/aws-storage",
    "/v3/instances/{instance}/endpoints/sockets/aws-storage",
)


class NewBucketPlace(msgspec.Struct, frozen=True):
    """The answer to ``create_bucket``: where S3 says that the bucket is."""

    location: str = msgspec.field(name="Location")


async def create_bucket(call: Call, kist: Kist) -> Reply:
    """Make a bucket."""
    refuse_foreign_changes(call)
    sent = await read(call)
    admin = (await callers(call, kist, sent.keys)).the_admin()
    instance_of(call, kist.contracts)
    check_region(kist, sent.arguments.region)
    if not sent.arguments.name:
        raise Invalid("name is required")
    bucket = await kist.buckets.create(admin, sent.arguments.name)
    return Reply.json(NewBucketPlace(f"/{bucket.name}"))


def _routes(
    endpoint: str, handler: Handler, summary: str, *, answers: Any = SignedLink, body: BodyKind = BodyKind.SMALL
) -> tuple[Route, ...]:
    return tuple(
        Route(
            method=method,
            path=f"{prefix}/{endpoint}",
            handler=handler,
            name=f"syncano-{endpoint}",
            summary=summary,
            needs=Needs.WHAT_IT_NEEDS,  # the key may stand in the body
            body=body,
            answers=answers,
        )
        for prefix in PREFIXES
        for method in METHODS
    )


DIALECT = Dialect(
    name=DIALECT_NAME,
    show_error=show_error,
    credentials=(user_key, admin_key),
    routes=(
        *_routes("user-upload-link", user_upload_link, "A link to PUT a file of the user's to"),
        *_routes("user-read", user_read, "A link to read a file of the user's"),
        *_routes("user-upload", user_upload, "Upload a file of the user's", answers=PutResult, body=BodyKind.FILE),
        *_routes("make-links", make_links, "Links to read many files", answers=LinksByName),
        *_routes("admin-upload-link", admin_upload_link, "A link to PUT any file to"),
        *_routes("admin-upload", admin_upload, "Upload any file", answers=PutResult, body=BodyKind.FILE),
        *_routes("create_bucket", create_bucket, "Make a bucket", answers=NewBucketPlace),
    ),
)
