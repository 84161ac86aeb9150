"""Keys: the credentials that Kist gives out itself."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

import msgspec

from kist.errors import Invalid, KeyMissing, NotSignedIn
from kist.model.actor import Actor, Role, check_actor_id
from kist.model.changes import Add, Swap
from kist.model.moments import in_utc
from kist.model.names import check_characters
from kist.model.rows import Key
from kist.service.gate import check_admin
from kist.service.ports import Ports

PREFIX = "kist_"
MAX_LABEL_CHARACTERS = 200

_NOBODY = "0" * 64


class Keys:
    """Make, list, revoke and recognise keys. A key reads ``kist_<id>_<secret>``; only its SHA-256 is kept."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def create(
        self, by: Actor, actor: str, *, role: Role = Role.USER, label: str = "", expires_at: datetime | None = None
    ) -> tuple[Key, str]:
        """Make a key for the actor with this id. Returns its row and the key itself, which is never shown again.

        ``NotAllowed`` unless ``by`` is an admin; ``BadName`` for an id that no actor can have; ``Invalid``.
        """
        check_admin(by)
        if role is Role.ANONYMOUS:
            raise Invalid("a key is for a user or an admin")
        if len(label) > MAX_LABEL_CHARACTERS:
            raise Invalid(f"a label has at most {MAX_LABEL_CHARACTERS} characters")
        check_characters(label, "label")
        now = self._ports.clock.now()
        if expires_at is not None:
            expires_at = in_utc(expires_at, "a key")
            if expires_at <= now:
                raise Invalid("a key must expire in the future")
        secret = self._ports.ids.secret()
        key = Key(
            id=self._ports.ids.token(8),
            actor=check_actor_id(actor),
            role=role,
            digest=_digest(secret),
            created_at=now,
            label=label,
            expires_at=expires_at,
        )
        await self._ports.catalogue.commit(Add(key))
        return key, f"{PREFIX}{key.id}_{secret}"

    async def page(self, by: Actor) -> tuple[Key, ...]:
        """All keys that are not revoked, oldest first. Admins only."""
        check_admin(by)
        return await self._ports.catalogue.keys()

    async def revoke(self, by: Actor, key_id: str) -> None:
        """End a key at once. Admins only. ``KeyMissing`` when there is none or it was revoked before."""
        check_admin(by)
        key = await self._ports.catalogue.key(key_id)
        if key.revoked_at is not None:
            raise KeyMissing("there is no such key")
        revoked: Key = msgspec.structs.replace(key, revoked_at=self._ports.clock.now())
        await self._ports.catalogue.commit(Swap(key, revoked))

    async def recognise(self, text: str) -> Actor:
        """The actor whose key this is. ``NotSignedIn``, always with the same words, when it is none that is valid."""
        key_id, _, secret = text.removeprefix(PREFIX).partition("_")
        try:
            key = await self._ports.catalogue.key(key_id)
        except KeyMissing:
            hmac.compare_digest(_NOBODY, _digest(secret))
            raise NotSignedIn("this key is not valid here") from None
        genuine = hmac.compare_digest(key.digest, _digest(secret))
        expired = key.expires_at is not None and key.expires_at <= self._ports.clock.now()
        if not genuine or expired or key.revoked_at is not None:
            raise NotSignedIn("this key is not valid here")
        return Actor(key.actor, key.role)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
