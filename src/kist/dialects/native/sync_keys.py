"""Keys for another S3 server, as they come with a sync, its resuming or its undo. No answer ever holds them."""

from __future__ import annotations

from typing import Annotated, Self

import msgspec
from msgspec import Meta

from kist.errors import EndpointRefused
from kist.model.endpoint import EndpointKeys
from kist.wire.call import Call
from kist.wire.decoding import decode_body


class GivenKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keys for the other S3 server, where one end of the sync lies on one. They are kept until the job has ended."""

    access_key: Annotated[str, Meta(description="for an end on another S3 server")] = ""
    secret_key: Annotated[str, Meta(description="its secret")] = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    @property
    def keys(self) -> EndpointKeys | None:
        """As jobs take them. ``EndpointRefused`` for one without the other."""
        if bool(self.access_key) != bool(self.secret_key):
            raise EndpointRefused("access_key and secret_key go together: send both or none")
        return EndpointKeys(access_key=self.access_key, secret_key=self.secret_key) if self.access_key else None

    def without_keys(self) -> Self:
        """The same, to be recognised by when it is sent again."""
        return msgspec.structs.replace(self, access_key="", secret_key="")


async def sent_keys(call: Call) -> EndpointKeys | None:
    """The keys in a body that holds nothing else, None where there is none."""
    return None if call.body.length == 0 else (await decode_body(call, GivenKeys)).keys
