"""Keys from where botocore finds them: profiles, SSO, web identity, instance roles. Optional: ``kist[aws]``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kist.errors import Misconfigured, StoreUnavailable
from kist.ports.system import Clock
from kist.ports.wiring import Aside
from kist.stores.s3.signer import Credential, Signer

_LOOK_EVERY = 60.0  # seconds; botocore itself renews keys 10 to 15 minutes before they expire


class ChainIdentity:
    """Asks botocore for its keys every minute, aside: getting new ones may take requests to other servers.

    Where only signatures are asked for and nothing is sent, ``signer`` looks by itself, which blocks once in the
    life of a temporary key.
    """

    def __init__(self, region: str, clock: Clock, aside: Aside, *, provider: Any = None) -> None:
        """``provider``: botocore's credentials object, None to have botocore look for one. ``Misconfigured``."""
        self._region = region
        self._clock = clock
        self._aside = aside
        self._provider = provider if provider is not None else _find()
        self._signer = self._signer_for(self._frozen())
        self._look_at = clock.ticks() + _LOOK_EVERY

    def signer(self) -> Signer:
        if self._clock.ticks() >= self._look_at + _LOOK_EVERY:
            self._take(self._frozen())
        return self._signer

    async def renew(self) -> None:
        if self._clock.ticks() < self._look_at:
            return
        self._look_at = self._clock.ticks() + _LOOK_EVERY  # one caller looks, the others go on with what there is
        self._take(await self._aside(self._frozen))

    def _take(self, credential: Credential) -> None:
        self._look_at = self._clock.ticks() + _LOOK_EVERY
        if credential != self._signer.credential:
            self._signer = self._signer_for(credential)

    def _frozen(self) -> Credential:
        expires = self._expires()
        frozen = self._asked()
        if self._expires() != expires:  # renewed meanwhile, maybe by another thread: whose end is it?
            expires = self._expires()
            frozen = self._asked()
        return Credential(frozen.access_key, frozen.secret_key, frozen.token, expires)

    def _asked(self) -> Any:
        try:
            return self._provider.get_frozen_credentials()
        except Exception as error:  # botocore and its providers raise whatever their sources raise
            raise StoreUnavailable("no keys for the object store could be had from AWS's credential chain") from error

    def _expires(self) -> datetime | None:
        expires = getattr(self._provider, "_expiry_time", None)  # botocore tells it in no other way
        return expires if isinstance(expires, datetime) else None

    def _signer_for(self, credential: Credential) -> Signer:
        return Signer(credential, self._region)


def _find() -> Any:
    try:
        from botocore.session import Session  # an optional extra, and slow to import
    except ImportError as error:
        raise Misconfigured(
            "no S3 key is set: set KIST_S3_KEY and KIST_S3_SECRET, or install kist[aws] to use AWS's credential chain"
        ) from error
    found = Session().get_credentials()
    if found is None:
        raise Misconfigured(
            "no S3 key is set, and AWS's credential chain holds none: set KIST_S3_KEY and KIST_S3_SECRET"
        )
    return found
