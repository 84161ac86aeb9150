"""What the composition root hands to a store or a catalogue when it connects it by its URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, TypeVarTuple, Unpack

from kist.ports.system import Clock, Ids

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Aside(Protocol):
    """Runs blocking code where it may block: in a thread, or as a plain call in blocking hosts."""

    def __call__(self, work: Callable[[Unpack[Args]], T], /, *args: *Args) -> Awaitable[T]:
        """What ``work(*args)`` returns or raises. It may go on after the caller was cancelled: write it for that."""


@dataclass(frozen=True)
class Wiring:
    """``url`` as in the settings, with a password perhaps; ``secrets`` by name (``key``, ``secret``, …). Neither is
    ever shown by a repr.

    ``token_secret`` signs what a store answers itself, under ``public_url``, the address of this Kist; a function where
    the host knows it only while it answers a request.
    """

    url: str = field(repr=False)
    clock: Clock
    ids: Ids
    aside: Aside
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_secret: bytes = field(default=b"", repr=False)
    public_url: str | Callable[[], str] = ""
