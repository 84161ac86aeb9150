"""Counting for those who watch a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Exposition(NamedTuple):
    """All numbers as watchers read them: the media type and the text."""

    type: str
    body: bytes


class CountsRequests(Protocol):
    """The counts of one route, or of what a dialect answers beside its routes."""

    def begin(self) -> None:
        """A request is under way."""

    def end(self) -> None:
        """One that began is no longer under way, whatever became of it."""

    def answered(self, method: str, status: int, *, seconds: float, received: int, sent: int) -> None:
        """A request was answered after ``seconds``; ``status`` 0: nobody was there to take the answer.

        ``method`` may be any text that a client sends. ``received`` and ``sent`` are bytes of bodies.
        """


class Measures(Protocol):
    """Names that are handed in become labels: they come from the code, never from users."""

    def at(self, dialect: str, route: str) -> CountsRequests:
        """The counts of a route; an empty name stands for all that is at no route. Ask once, not for each request."""

    def upload_begins(self) -> None:
        """The body of a file is under way."""

    def upload_ends(self) -> None:
        """One that began no longer is."""

    def chore_done(self, chore: str, done: int) -> None:
        """A chore has run, and did so much."""

    def chore_failed(self, chore: str) -> None:
        """A chore has run, and failed."""

    def shown(self, levels: Mapping[str, float]) -> Exposition:
        """All that was counted, and ``levels``: what stands right now, by name. One that is not known is left out."""
