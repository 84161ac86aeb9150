"""Whom a JSON Web Token of an existing identity provider speaks for (RFC 7519)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt

from kist.errors import BadName, Misconfigured, NotSignedIn
from kist.model.actor import Actor, Role, check_actor_id

_ALGORITHMS = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
    "oct": ("HS256", "HS384", "HS512"),
}
LEEWAY_SECONDS = 30
_PARTS = 3


class TokenReader:
    """Recognises tokens signed by one of the keys of a JWK set (RFC 7517), of one issuer, for one audience."""

    def __init__(self, issuer: str, audience: str, key_set: Path) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = _read_keys(key_set)

    def __call__(self, token: str) -> Actor | None:
        """The actor named by ``sub``, an admin when the claim ``role`` says so; None for text that is no JWT.

        ``NotSignedIn`` for a token that is expired, not signed by a known key, or meant for somebody else.
        """
        if token.count(".") != _PARTS - 1:
            return None
        try:
            claims = self._claims(token)
            actor = check_actor_id(str(claims["sub"]))
        except (jwt.PyJWTError, BadName, ValueError) as error:
            raise NotSignedIn("this token is not valid here") from error
        return Actor(actor, Role.ADMIN if claims.get("role") == "admin" else Role.USER)

    def _claims(self, token: str) -> dict[str, Any]:
        key = self._key(jwt.get_unverified_header(token).get("kid"))
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(_ALGORITHMS[str(key.key_type)]),
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )
        return claims

    def _key(self, key_id: str | None) -> jwt.PyJWK:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        try:
            return self._keys[str(key_id)]
        except KeyError:
            raise jwt.InvalidTokenError("unknown key") from None


def _read_keys(path: Path) -> dict[str, jwt.PyJWK]:
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(path.read_text())).keys
    except (OSError, ValueError, jwt.PyJWTError) as error:
        raise Misconfigured(f"KIST_JWT_KEYS: {path} is no readable JWK set (JSON with a list named keys)") from error
    return {str(key.key_id): key for key in keys if key.key_type in _ALGORITHMS}
