"""Who may do what."""

from __future__ import annotations

from typing import Protocol

from kist.model.actor import Action, Actor
from kist.model.file import File


class Gate(Protocol):
    def allows(self, actor: Actor, action: Action, file: File) -> bool:
        """Whether ``actor`` may do ``action`` to ``file``. Pure: decides by what it is given, never raises.

        Must agree with ``FileQuery.visible_to`` on ``Action.READ``: what a list shows may be read, and the reverse.
        """


class Recognises(Protocol):
    def __call__(self, token: str) -> Actor | None:
        """The actor for whom a bearer token of another identity provider speaks.

        None when the text is no such token at all; ``NotSignedIn`` when it is one and is not valid.
        """
