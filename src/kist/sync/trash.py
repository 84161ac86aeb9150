"""Where a job puts aside what it replaces or deletes, so that it can be brought back."""

from __future__ import annotations

from kist.model.place import TRASH


def trash_of(job: str, key: str) -> str:
    """The key at which ``job`` keeps what lay at ``key``."""
    return f"{TRASH}{job}/{key}"
