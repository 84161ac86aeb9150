"""Where a caller may put a credential."""

from __future__ import annotations

import base64
import binascii

from kist.wire.call import Call


def bearer_or_basic(call: Call) -> str | None:
    """The token of ``Authorization: Bearer``, or the password of ``Basic`` (any user name).

    None when there is no such header. An Authorization header that cannot be read is an empty token: a caller who
    tried to sign in and failed is never taken for an anonymous one.
    """
    header = call.headers.get("authorization")
    if header is None:
        return None
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        return _password(rest.strip())
    return ""


def any_scheme(call: Call) -> str | None:
    """The key behind whatever word ``Authorization`` begins with, or the password of ``Basic``; None without one.

    As with ``bearer_or_basic``, one that cannot be read is an empty token.
    """
    header = call.headers.get("authorization")
    if header is None:
        return None
    scheme, _, rest = header.strip().partition(" ")
    return _password(rest.strip()) if scheme.lower() == "basic" else rest.strip()


def act_as(call: Call) -> str | None:
    """The actor for whom an application with an admin key asks: the ``Kist-Actor`` header."""
    return call.headers.get("kist-actor")


def _password(encoded: str) -> str:
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
    return text.partition(":")[2]
