"""Idempotency keys: what a request is recognised by when it is sent again."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from kist.model.upload import Repeat
from kist.wire.call import Call


def repeat_of(call: Call, asked: msgspec.Struct | None = None) -> Repeat | None:
    """The request's ``Idempotency-Key``, with the fingerprint of what may not differ when it is sent again.

    ``asked``: what the body says, where it was read; of a file only the length is known beforehand.
    """
    key = call.headers.get("idempotency-key")
    if key is None:
        return None
    query = sorted((name, value) for name in call.query.names() for value in call.query.all(name))
    parts = (call.method, call.path, repr(query), call.content_type, str(call.body.length))
    head = "\n".join(parts).encode("utf-8", "surrogatepass")
    body = b"" if asked is None else b"\n" + msgspec.json.encode(asked)
    return Repeat(key, sha256(head + body).hexdigest())
