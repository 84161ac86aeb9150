"""The S3 store keeps the contract on each real server, in the event loop and without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from urllib.parse import quote, urlsplit

import pytest
from tests.contract.s3_ground import blocking, in_loop, shared_bucket
from tests.servers.server import S3Server

from kist.drive import drive
from kist.errors import Incomplete
from kist.model.content import PutRules
from kist.model.place import Place
from kist.ports.store import Signs
from kist.stores.s3 import S3Store
from kist.testing.ground import ground
from kist.testing.store_abilities import (
    BucketsContract,
    CopiesContract,
    CorsContract,
    PartsContract,
    PartsStore,
    SigningContract,
)
from kist.testing.store_races import RacesContract
from kist.testing.store_tickets import SealsContract
from kist.testing.stores import StoreContract, driven


class S3Signing(SigningContract):
    def test_url_names_the_key(self, store: Signs, bucket: str) -> None:
        key = "a b+c/é&%41?#.txt"
        signed = store.sign("PUT", Place(bucket, key), timedelta(minutes=1))
        assert signed.method == "PUT"
        assert urlsplit(signed.url).path.endswith("/" + quote(key, safe="/~"))
        assert not urlsplit(signed.url).fragment

    def test_each_signature_is_another(self, store: Signs, bucket: str) -> None:
        urls = [store.sign("GET", Place(bucket, key), timedelta(minutes=1)).url for key in ("one", "two")]
        assert len({urlsplit(url).query for url in urls}) == 2


class Everything(StoreContract, BucketsContract, CopiesContract, SealsContract, PartsContract, S3Signing):
    pass


class Ceph:
    @pytest.fixture
    def server(self, rgw: S3Server) -> S3Server:
        return rgw


class CephParts(Ceph):
    async def test_only_the_named_parts_are_joined(self, store: PartsStore, bucket: str) -> None:
        """Ceph 16 joins all parts that have come or none: then nothing may be seen, and the parts stay."""
        async with ground(store, bucket) as here:
            place = here.place("one")
            parts_id = await store.start_parts(place, PutRules())
            parts = [await store.put_part(place, parts_id, number, b"part") for number in (1, 2)]
            with pytest.raises(Incomplete):
                await store.finish_parts(place, parts_id, parts[:1])
            assert await here.names() == []
            assert [part async for part in store.parts(place, parts_id)] == parts
            await store.drop_parts(place, parts_id)


class MiniStack:
    @pytest.fixture
    def server(self, ministack: S3Server) -> S3Server:
        return ministack


class Bucket:
    @pytest.fixture
    def bucket(self, server: S3Server) -> str:
        return shared_bucket(server)


class InLoop(Bucket):
    @pytest.fixture
    async def store(self, server: S3Server) -> AsyncIterator[S3Store]:
        store = in_loop(server)
        yield store
        await store.close()


class Blocking(Bucket):
    @pytest.fixture
    def store(self, server: S3Server) -> Iterator[S3Store]:
        store = blocking(server)
        yield store
        drive(store.close())


class TestCeph(CephParts, InLoop, Everything, RacesContract):
    pass


class TestMiniStack(MiniStack, InLoop, Everything, RacesContract):
    pass


class TestCephCors(Ceph, InLoop, CorsContract):
    pass


class TestMiniStackCors(MiniStack, InLoop, CorsContract):
    pass


@driven
class TestCephWithoutLoop(CephParts, Blocking, Everything):
    pass


@driven
class TestMiniStackWithoutLoop(MiniStack, Blocking, Everything):
    pass
