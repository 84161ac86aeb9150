"""Who may come in: from a credential to an actor."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from kist.errors import BadName, Invalid, NotAllowed, NotSignedIn
from kist.model.actor import ANONYMOUS, Actor, Role, check_actor_id
from kist.ports.gate import Recognises
from kist.ports.system import Clock
from kist.service.allowances import NO_THREADS
from kist.service.attempts import Attempts
from kist.service.keys import PREFIX, Keys
from kist.service.rates import Rates


class Entry:
    """Judges credentials for every host and every dialect.

    ``anonymous`` maps a dialect's name to the id of the actor as whom its callers without a credential act. ``alone``:
    what threads that share it take turns by.
    """

    def __init__(
        self,
        keys: Keys,
        clock: Clock,
        *,
        recognise_token: Recognises | None = None,
        anonymous: Mapping[str, str] | None = None,
        rates: Rates | None = None,
        alone: AbstractContextManager[object] = NO_THREADS,
    ) -> None:
        self._keys = keys
        self._rates = rates
        self._attempts = Attempts(clock, alone=alone)
        self._recognise_token = recognise_token
        self._anonymous = {dialect: Actor(actor) for dialect, actor in (anonymous or {}).items()}

    async def admit(
        self, token: str | None, *, act_as: str | None, address: str, dialect: str, known: Actor | None = None
    ) -> Actor:
        """The actor who is calling.

        ``token`` is a key or a JWT, None when the caller gave none; then the actor is the dialect's anonymous one, or
        ``ANONYMOUS``. ``known`` is whom the application around has recognised: then no token counts. ``act_as`` is the
        id of the user for whom an admin's application acts. ``NotSignedIn`` for a wrong credential; ``TooMany`` after
        too many of those from one ``address``, or of any requests at all; ``NotAllowed`` when somebody who is not an
        admin asks to act for another.
        """
        if self._rates is not None:
            await self._rates.count_address(address)
        if known is not None:
            actor = known
        elif token is None:
            actor = self._anonymous.get(dialect, ANONYMOUS)
        else:
            try:
                actor = await self._recognise(token)
            except NotSignedIn:
                self._attempts.count(address)
                raise
        if act_as is not None:
            actor = _stand_in(actor, act_as)
        if actor.signed_in and self._rates is not None:
            await self._rates.count_actor(actor.id)
        return actor

    async def _recognise(self, token: str) -> Actor:
        if self._recognise_token is not None and not token.startswith(PREFIX):
            actor = self._recognise_token(token)
            if actor is not None:
                return actor
        return await self._keys.recognise(token)


def _stand_in(actor: Actor, act_as: str) -> Actor:
    if not actor.signed_in:
        raise NotSignedIn("acting for a user needs an admin's key")
    if not actor.is_admin:
        raise NotAllowed("only an admin may act for another user")
    try:
        return Actor(check_actor_id(act_as), Role.USER, via=actor.id)
    except BadName as error:
        raise Invalid(f"Kist-Actor: {error.message}") from error
