"""Which addresses lie outside: judged by our own list, because ``ipaddress.is_global`` calls wrapped ones global."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_INSIDE_4 = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3",
    )
)  # fmt: skip
"""The last one: multicast, reserved, broadcast."""

_OUTSIDE_6 = ip_network("2000::/3")
"""All that is ever given to hosts on the Internet. The rest is local, wrapped, multicast or nobody's yet."""
_INSIDE_6 = tuple(ip_network(each) for each in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"))

_NAT64 = ip_network("64:ff9b::/96")
_TEREDO = ip_network("2001::/32")


def is_outside(text: str) -> bool:
    """Whether an address, as a resolver gives it, is one of the public Internet. What is no address is not."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_outside_4(address)
    wrapped = _wrapped(address)
    if wrapped:
        return all(map(_is_outside_4, wrapped))
    return address in _OUTSIDE_6 and not any(address in net for net in _INSIDE_6)


def _is_outside_4(address: IPv4Address) -> bool:
    return not any(address in net for net in _INSIDE_4)


def _wrapped(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The addresses of the old kind that packets to this one end up at."""
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo if address in _TEREDO and address.teredo is not None else ()
