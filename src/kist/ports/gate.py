"""Who may do what."""

from __future__ import annotations

from typing import Protocol

from kist.model.actor import Action, Actor
from kist.model.file import File
from kist.model.share import Share


class Gate(Protocol):
    def allows(self, actor: Actor, action: Action, file: File, share: Share | None = None) -> bool:
        """Whether ``actor`` may do ``action`` to ``file``. Pure: decides by what it is given, never raises.

        ``share`` is what is granted to this actor on this file, if it is live. Must agree with the lists on
        ``Action.READ``: what ``FileQuery.visible_to`` or ``FileQuery.shared_with`` shows may be read, and a private
        file that may be read is shown by one of them.
        """


class Recognises(Protocol):
    def __call__(self, token: str) -> Actor | None:
        """The actor for whom a bearer token of another identity provider speaks.

        None when the text is no such token at all; ``NotSignedIn`` when it is one and is not valid.
        """
