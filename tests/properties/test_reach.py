"""Which addresses a sync may go to, judged against what the addresses say by themselves."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from kist.model.endpoint import read_endpoint
from kist.model.reach import is_outside

INSIDE = (
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "100.64.0.1", "100.127.255.255", "169.254.169.254", "169.254.170.2", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "::1", "::", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe",
    "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "2002:a00:1::1", "2001::1", "2001:0:a9fe:a9fe::",
    "2001:0:5db8:d822:0:0:80ff:fffe", "2001:db8::1", "2001:10::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "100::1", "5f00::1", "4000::1", "2620:4f:8000::1", "",
    "localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "①②⑦.⓪.⓪.①", "1.2.3.4 ", "[::1]",
)  # fmt: skip
OUTSIDE = (
    "8.8.8.8", "93.184.215.14", "1.1.1.1", "172.32.0.1", "172.15.255.255", "100.128.0.1", "192.0.1.1", "198.20.0.1",
    "223.255.255.255", "2606:2800:220:1::1", "2a00:1450:4001::1", "2001:4860:4860::8888", "2001:200::1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
)  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_inside(address: str) -> None:
    assert not is_outside(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_outside(address: str) -> None:
    assert is_outside(address)


WRAPPINGS: tuple[Callable[[IPv4Address], IPv6Address], ...] = (
    lambda old: IPv6Address(0xFFFF << 32 | int(old)),
    lambda old: IPv6Address(int(IPv6Address("64:ff9b::")) | int(old)),
    lambda old: IPv6Address(0x2002 << 112 | int(old) << 80 | 1),
)


@given(st.ip_addresses(v=4))
@example(IPv4Address("169.254.169.254"))
def test_a_wrapped_address_is_judged_as_what_it_wraps(address: IPv4Address) -> None:
    for wrap in WRAPPINGS:
        assert is_outside(str(wrap(address))) == is_outside(str(address))
    # Behind a relay of anybody's, to a port of anybody's: both of its addresses must lie outside.
    for server, client in ((address, IPv4Address("8.8.8.8")), (IPv4Address("8.8.8.8"), address)):
        teredo = IPv6Address(0x2001 << 112 | int(server) << 64 | int(client) ^ 0xFFFFFFFF)
        assert is_outside(str(teredo)) == is_outside(str(address))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
@example(IPv6Address("2002:808:808::1"))
@example(IPv6Address("2001:0:808:808::f7f7:f7f7"))
def test_what_no_host_of_the_internet_has_is_inside(address: IPv4Address | IPv6Address) -> None:
    """The standard library knows most of them: it may not know better than we do. What wraps an address of the old
    kind is judged by that above; the library calls more or less of these private, by its version."""
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.sixtofour or address.teredo):
        return
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        anycast = ("192.0.0.9", "192.0.0.10")  # which the library has changed its mind about
        assert str(address) in anycast or not is_outside(str(address))


@pytest.mark.parametrize(
    "net",
    ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "224.0.0.0/4"],
)
@given(data=st.data())
def test_no_address_of_an_internal_network_is_outside(net: str, data: st.DataObject) -> None:
    network = ip_network(net)
    drawn = data.draw(st.integers(int(network.network_address), int(network.broadcast_address)))
    assert not is_outside(str(IPv4Address(drawn)))
    assert not is_outside(f"::ffff:{IPv4Address(drawn)}")


PIECES = (
    "http", "https", "ftp", ":", "//", "/", "@", "\\", "#", "?", "%00", "%", "[", "]", "[::1]", "::1", "127.0.0.1",
    "a.example", "A.EXAMPLE", "evil", ".", "-", "_", "..", ":80", ":443", ":0", ":99999", ":+1", " ", "\t", "\n", "\0",
    "é", "①", ";", ",", "'", '"', "xn--", "0x7f", "0177",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=40))
@example("[::1]")
@example("[::1]:80/")
@example("a.example:")
def test_no_other_reader_finds_another_host_in_what_is_accepted(rest: str) -> None:
    for url in (rest, f"https://{rest}", f"http://a.example{rest}"):
        endpoint = read_endpoint(url)
        if endpoint is None:
            continue
        theirs = urllib3.util.parse_url(url)
        assert (theirs.host or "").strip("[]").lower() == endpoint.host
        assert theirs.port in (None, endpoint.port)
        assert (theirs.scheme, theirs.auth, theirs.query, theirs.fragment) == (endpoint.scheme, None, None, None)
        again = read_endpoint(endpoint.url)
        assert again == endpoint, "its one spelling means the same"
