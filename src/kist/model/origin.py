"""Where requests come from, as far as an address tells."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network


@lru_cache(maxsize=1024)
def origin_of(address: str) -> str:
    """What counts as one caller: an address, or the /64 that an IPv6 address is in. A subscriber has that to itself."""
    try:
        whole = IPv6Address(address)
    except ValueError:
        return address
    return str(whole.ipv4_mapped or IPv6Network((int(whole) >> 64 << 64, 64)))
