"""Measures where nobody watches."""

from __future__ import annotations

from collections.abc import Mapping

from kist.ports.measures import CountsRequests, Exposition


class Uncounted:
    """Counts nothing, and shows nothing: for tests and for applications that have no use for the numbers."""

    def at(self, dialect: str, route: str) -> CountsRequests:
        """Itself."""
        return self

    def begin(self) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""

    def answered(self, method: str, status: int, *, seconds: float, received: int, sent: int) -> None:
        """Nothing."""

    def upload_begins(self) -> None:
        """Nothing."""

    def upload_ends(self) -> None:
        """Nothing."""

    def chore_done(self, chore: str, done: int) -> None:
        """Nothing."""

    def chore_failed(self, chore: str) -> None:
        """Nothing."""

    def shown(self, levels: Mapping[str, float]) -> Exposition:
        """An empty text."""
        return Exposition("text/plain; charset=utf-8", b"")
