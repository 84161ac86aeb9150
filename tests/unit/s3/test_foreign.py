"""Where other S3 servers may lie: judged before anything is connected to. Nothing is connected to here."""

from __future__ import annotations

import pytest

from kist.errors import EndpointRefused, StoreUnavailable
from kist.model.endpoint import Endpoint, EndpointKeys
from kist.stores.s3.foreign import ForeignStores
from kist.stores.s3.transport_async import _Known
from kist.testing.clock import FakeClock, FakeIds

KEYS = EndpointKeys(access_key="KEY", secret_key="secret-canary")
NAMED = Endpoint(scheme="https", host="s3.example.com", port=443)


async def reach(endpoint: Endpoint, *addresses: str) -> None:
    async def resolve(host: str, port: int) -> tuple[str, ...]:
        assert (host, port) == (endpoint.host, endpoint.port)
        return addresses

    store = await ForeignStores(FakeClock(), FakeIds(), resolve).reach(endpoint, KEYS)
    await store.close()


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("10.0.0.1",), ("169.254.169.254",), ("::1",), ("::ffff:127.0.0.1",), ("64:ff9b::7f00:1",),
     ("2002:7f00:1::",), ("8.8.8.8", "127.0.0.1"), ("127.0.0.1", "8.8.8.8"), ("2001:4860:4860::8888", "fe80::1%eth0"),
     ("localhost",), ("",)],
)  # fmt: skip
async def test_a_name_that_leads_inside_is_refused(addresses: tuple[str, ...]) -> None:
    with pytest.raises(EndpointRefused, match="internal address"):
        await reach(NAMED, *addresses)


async def test_a_name_that_leads_outside_is_not() -> None:
    await reach(NAMED, "8.8.8.8", "2001:4860:4860::8888")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254"])
async def test_a_bare_address_is_judged_as_it_is(host: str) -> None:
    endpoint = Endpoint(scheme="https", host=host, port=443)
    with pytest.raises(EndpointRefused):
        await reach(endpoint)


async def test_what_the_operator_has_marked_may_lie_inside() -> None:
    await reach(Endpoint(scheme="http", host="minio", port=9000, internal=True), "172.17.0.2")
    await reach(Endpoint(scheme="http", host="127.0.0.1", port=9000, internal=True))


@pytest.mark.parametrize("failure", [OSError("no"), TimeoutError(), UnicodeError("no")])
async def test_a_name_that_is_not_found(failure: Exception) -> None:
    async def resolve(host: str, port: int) -> tuple[str, ...]:
        raise failure

    with pytest.raises(StoreUnavailable, match="looked up"):
        await ForeignStores(FakeClock(), FakeIds(), resolve).reach(NAMED, KEYS)
    with pytest.raises(StoreUnavailable, match="no address"):
        await reach(NAMED)


async def test_only_names_that_were_judged_are_known() -> None:
    known = _Known({"s3.example.com": ("192.0.2.1", "2001:db8::1")})
    found = await known.resolve("s3.example.com", 443)
    assert [(each["hostname"], each["host"], each["port"]) for each in found] == [
        ("s3.example.com", "192.0.2.1", 443),
        ("s3.example.com", "2001:db8::1", 443),
    ]
    assert await known.resolve("other.example.com", 443) == []


def test_keys_show_in_no_repr() -> None:
    assert repr(KEYS) == "EndpointKeys(…)"
    assert "canary" not in f"{KEYS} {[KEYS]}"
