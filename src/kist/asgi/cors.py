"""Which pages of other origins may call (T79): an exact list, echoed, never with credentials of the browser's own."""

from __future__ import annotations

from starlette.types import Scope

from kist.wire.heads import HeaderPairs

_ALLOWED = (
    "authorization, content-type, content-digest, content-md5, x-amz-acl, range, if-match, if-none-match, if-range, "
    "idempotency-key, kist-link-password, x-user-key, x-api-key"
)
_EXPOSED = b"etag, content-disposition, content-range, accept-ranges, repr-digest, retry-after, location"
_MAX_AGE = "600"


class Cors:
    """Adds CORS headers for those origins that the operator named."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.encode("latin-1") for origin in origins)

    def headers(self, scope: Scope) -> HeaderPairs:
        """What an answer to this request carries; nothing at all when no origins were named."""
        if not self._origins:
            return []
        vary: HeaderPairs = [(b"vary", b"origin")]
        origin = _header(scope, b"origin")
        if origin not in self._origins:
            return vary
        return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED), *vary]

    def preflight(self, scope: Scope, allowed: str) -> list[tuple[str, str]]:
        """What the answer to OPTIONS carries beside those."""
        if len(self.headers(scope)) < 2:
            return []
        return [
            ("access-control-allow-methods", allowed),
            ("access-control-allow-headers", _ALLOWED),
            ("access-control-max-age", _MAX_AGE),
        ]


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")
