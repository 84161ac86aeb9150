"""Which ways are open: what the probe found decides, and until it was made none is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from tests.unit.service.direct import DirectWorld, SigningStore
from tests.unit.service.world import ANN, BUCKET

from kist.drive import drive
from kist.errors import StoreUnavailable, UnsafeWay
from kist.model.profile import HELD, NEEDED, Check
from kist.model.upload import Way
from kist.stores.memory import MemoryStore

ALL_HELD = {check.value: HELD for check in Check}


class ProbedStore(SigningStore):
    """A store on somebody else's server, which answers as the test says."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.answers: dict[str, str] = dict(ALL_HELD)
        self.key = "one"
        self.probes: list[Sequence[str]] = []
        self.down = False

    def profile_id(self, bucket: str) -> str:
        return f"{bucket}/{self.key}"

    async def equip(self, bucket: str, like: str) -> None:
        self.equipped = (bucket, like)

    async def probe(self, bucket: str, origins: Sequence[str]) -> dict[str, str]:
        if self.down:
            raise StoreUnavailable("down")
        self.probes.append(origins)
        return dict(self.answers)


@dataclass
class ProbedWorld(DirectWorld):
    probed: ProbedStore = field(init=False)

    def make_store(self) -> MemoryStore:
        self.probed = ProbedStore(self.clock, self.ids)
        return self.probed


@pytest.fixture
def world() -> ProbedWorld:
    return ProbedWorld()


def test_until_probed_none_is_open(world: ProbedWorld) -> None:
    for way in (None, *Way):
        with pytest.raises(UnsafeWay) as caught:
            world.begin(ANN, way=way)
        assert caught.value.about["failed"] == ("not probed",)
    assert world.put(ANN, "a", b"proxied").size == 7
    assert drive(world.kist.ways.probe_once()) == 1
    assert drive(world.kist.ways.probe_once()) == 0
    assert world.begin(ANN, way=None).upload.way is Way.FORM
    assert len(world.probed.probes) == 1


@pytest.mark.parametrize("check", Check)
@pytest.mark.parametrize("way", Way)
def test_a_failed_check_switches_off_the_ways_that_need_it(world: ProbedWorld, way: Way, check: Check) -> None:
    world.probed.answers[check.value] = "200: stored"
    drive(world.kist.ways.probe())
    if check not in NEEDED[way]:
        assert world.begin(ANN, way=way).upload.way is way
        return
    with pytest.raises(UnsafeWay) as caught:
        world.begin(ANN, way=way)
    assert caught.value.about["failed"] == (check.value,)
    assert "restricted signing key" in caught.value.message


def test_a_check_that_was_never_asked_counts_as_failed(world: ProbedWorld) -> None:
    del world.probed.answers["form_key"]
    drive(world.kist.ways.probe())
    assert world.begin(ANN, way=None).upload.way is Way.PUT


def test_the_safest_that_is_open(world: ProbedWorld) -> None:
    for broken, expected in (("form_size", Way.PUT), ("signed_length", Way.PARTS)):
        world.probed.answers[broken] = "204"
        drive(world.kist.ways.probe())
        assert world.begin(ANN, way=None).upload.way is expected
    world.probed.answers["part_length"] = "200"
    drive(world.kist.ways.probe())
    with pytest.raises(UnsafeWay) as caught:
        world.begin(ANN, way=None)
    assert caught.value.about["failed"] == ("form_size", "part_length", "signed_length")


def test_another_key_needs_another_probe(world: ProbedWorld) -> None:
    drive(world.kist.ways.probe())
    world.probed.key = "two"
    with pytest.raises(UnsafeWay):
        world.begin(ANN)


def test_the_acl_that_the_bucket_takes(world: ProbedWorld) -> None:
    drive(world.kist.ways.probe())
    assert dict(world.begin(ANN).fields)["acl"] == "private"
    world.probed.answers["private_acl"] = "400 AccessControlListNotSupported"
    drive(world.kist.ways.probe())
    assert dict(world.begin(ANN).fields)["acl"] == "bucket-owner-full-control"


def test_a_store_that_is_down_is_probed_later(world: ProbedWorld) -> None:
    world.probed.down = True
    with pytest.raises(StoreUnavailable):
        drive(world.kist.ways.probe_once())
    world.probed.down = False
    assert drive(world.kist.ways.probe_once()) == 1
    assert drive(world.catalogue.profile(f"{BUCKET}/one")) is not None


def test_what_another_process_probed_is_seen_in_time(world: ProbedWorld) -> None:
    drive(world.kist.ways.probe())
    world.begin(ANN)
    world.probed.answers["form_size"] = "204"
    other = type(world.kist)(world.ports, world.kist.keys, world.kist.entry)
    drive(other.ways.probe())
    world.clock.advance(31)
    assert world.begin(ANN, way=None).upload.way is Way.PUT
