"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line for people. ``mend`` says how to make it good again."""

    check: str
    state: State
    says: str
    mend: str = ""


def good(check: str, says: str) -> Finding:
    """All is well there."""
    return Finding(check, State.GOOD, says)


def doubtful(check: str, says: str, mend: str) -> Finding:
    """It works, but somebody should look at it."""
    return Finding(check, State.DOUBTFUL, says, mend)


def bad(check: str, says: str, mend: str) -> Finding:
    """It does not work, or it is not safe."""
    return Finding(check, State.BAD, says, mend)
