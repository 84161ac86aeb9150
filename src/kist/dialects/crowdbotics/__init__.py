"""The contract of the Crowdbotics S3 File Uploader: seven calls that look like boto3's, errors as a JSON array."""

from __future__ import annotations

from typing import Any

from kist.dialects.crowdbotics import buckets, files
from kist.dialects.crowdbotics.addresses import MODULE
from kist.dialects.crowdbotics.refusals import show_error
from kist.wire.call import Call
from kist.wire.reply import Reply
from kist.wire.routes import Dialect, Needs, Route


async def root(call: Call, kist: Any) -> Reply:
    """The root of the module, at which there never was anything to list."""
    return Reply.json({})


DIALECT = Dialect(
    name="crowdbotics",
    show_error=show_error,
    routes=(
        Route(
            method="GET",
            path=MODULE,
            handler=root,
            name="crowdbotics-root",
            summary="An empty object, by which clients see that the module is there",
            needs=Needs.NOTHING,
        ),
        *buckets.ROUTES,
        *files.ROUTES,
    ),
)
