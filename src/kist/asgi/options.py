"""What an operator or a test may set about the host. The defaults are those of threat T55."""

from __future__ import annotations

import msgspec

from kist.wire.decoding import SMALL_BODY


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """How long the server waits for whom, in seconds.

    ``headers``: from the connection, or from the first byte of a request, to the end of its headers. ``body_idle``:
    for the next bytes of a body while a handler waits for them; ``body_rate`` bytes per second must come on average
    over ``body_window``. ``write_idle``: for a client to take any more of an answer. ``keep_alive``: between two
    requests; longer than the 60 s of common load balancers, so that they close first. ``linger``: for a client to
    notice an answer that came before its body was read. ``notice``: how long a stopping server goes on to answer on
    idle connections. ``drain``: how long it lets requests finish. ``tick``: how often all this is looked at.
    """

    headers: float = 10
    body_idle: float = 30
    body_window: float = 30
    body_rate: int = 1024
    write_idle: float = 60
    keep_alive: float = 75
    linger: float = 5
    notice: float = 0.5
    drain: float = 30
    tick: float = 1


class HostOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the ASGI host.

    ``base_url``: the public address, without a trailing slash; Host and X-Forwarded-* never make one. ``small_body``:
    bytes allowed in bodies that are no files. ``uploads`` and ``uploads_per_address``: how many requests may bring
    in a file at the same time, in this process and from one address. ``memory`` and ``memory_per_actor``: how many
    bytes of JSON and other bodies that are not streamed may be held, in this process and for one actor.
    ``trusted_proxies``: addresses whose X-Forwarded-For and X-Forwarded-Proto are believed. ``origins``:
    exact origins whose pages may call (CORS).
    """

    base_url: str = ""
    small_body: int = SMALL_BODY
    uploads: int = 256
    uploads_per_address: int = 32
    memory: int = 128 << 20
    memory_per_actor: int = 32 << 20
    trusted_proxies: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    deadlines: Deadlines = Deadlines()
