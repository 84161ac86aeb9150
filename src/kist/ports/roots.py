"""The folders of the server that syncs asked for over HTTP may read."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Resolved(NamedTuple):
    """A folder by its real path, and the real path of the root that it must not lead out of."""

    path: str
    root: str


class NamesFolders(Protocol):
    async def resolve(self, source: str) -> Resolved:
        """The folder that ``source`` means: ``name:relative/path``, or a path below the root ``uploads``.

        Links are followed, as long as what they lead to lies within the root. Whether the folder is there is not said.
        ``SourceRefused`` for a root that the operator has not named, an absolute path, ``..``, control characters, and
        what leads out of the root.
        """

    async def within(self, path: str) -> Resolved:
        """The folder with this whole path, which lies in one of the roots. ``SourceRefused`` otherwise."""
