"""Space that is kept back on the disk, so that files can still be removed when it is full.

SQLite needs room to write even what makes room. Whatever adds rows is refused while the reserve is not there.
"""

from __future__ import annotations

import os
from pathlib import Path

from kist.catalogues.sqlite.connection import open_beside

SIZE = 2 << 20


class Reserve:
    """The file ``<database>.reserve``, shared by all processes; to be used by the one whose turn it is to write."""

    def __init__(self, path: Path) -> None:
        self._file = open_beside(path, "reserve")

    def hold(self) -> bool:
        """Take the space, unless it is held already; False when the disk has no room for it."""
        if os.fstat(self._file).st_size >= SIZE:
            return True
        try:
            os.posix_fallocate(self._file, 0, SIZE)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the space to whoever needs it now."""
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Forget the file; the space stays kept."""
        os.close(self._file)
