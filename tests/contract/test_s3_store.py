"""The S3 store keeps the contract on each real server, in the event loop and without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.contract.s3_ground import blocking, in_loop, shared_bucket
from tests.servers.server import S3Server

from kist.drive import drive
from kist.errors import Incomplete
from kist.model.content import PutRules
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
from kist.testing.store_sealing import SealsContract
from kist.testing.stores import StoreContract, driven


class Everything(StoreContract, BucketsContract, CopiesContract, PartsContract, SealsContract, SigningContract):
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
