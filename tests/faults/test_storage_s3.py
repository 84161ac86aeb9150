"""An S3 server on its bad days, seen through a whole Kist: answers are clear, nothing is lost, leftovers are swept."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.faults.rig.client import Answer, Client, NoAnswer
from tests.faults.rig.process import Server, serving
from tests.faults.rig.proxy import Fault, Kind, Proxy, proxying
from tests.faults.rig.site import OLD, Site, s3_site
from tests.servers.server import S3Server

SMALL = b"new content " * 1000
LARGE = b"new content " * 800_000  # two parts
ATTEMPTS = 4
PUT, JOIN, PART, GET = r"^PUT .*/\.kist/", r"^POST .*\?uploadId=", r"^PUT .*partNumber=2", r"^GET .*/\.kist/objects/"


@pytest.fixture(scope="module")
def proxy(rgw: S3Server) -> Iterator[Proxy]:
    with proxying(rgw.endpoint) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def site(rgw: S3Server, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = s3_site(tmp_path_factory.mktemp("s3") / "home", rgw, through=proxy.url)
    site.fill()
    return site


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Server]:
    with serving(site.settings) as server:
        yield server


@pytest.fixture
def client(site: Site, server: Server, proxy: Proxy) -> Iterator[Client]:
    """Afterwards all is well again, and what went wrong has left nothing behind."""
    proxy.met.clear()
    client = site.client(server.url)
    yield client
    proxy.heal()
    proxy.up()
    wait_until_served(site, client)
    assert site.violations(settled=False) == []
    site.recover()
    assert site.violations() == []


def wait_until_served(site: Site, client: Client) -> float:
    """Come back when the store is asked again; after how many seconds."""
    began = time.monotonic()
    while client.content(site.kept).status != 200:
        assert time.monotonic() - began < 30
        time.sleep(0.05)
    return time.monotonic() - began


def check_unavailable(answer: Answer | None) -> None:
    assert answer is not None
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json["code"] == "store_unavailable"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.STATUS, PUT, 500),
        Fault(Kind.STATUS, PUT, 503, times=2),
        Fault(Kind.STATUS, PUT, 429),
        Fault(Kind.STATUS_AFTER, PUT, 500),
        Fault(Kind.CUT_REQUEST, PUT, 5000),
        Fault(Kind.CUT_ANSWER, PUT),
        Fault(Kind.NO_ETAG, PUT),
        Fault(Kind.DELAY, PUT, 1),
        Fault(Kind.SLOW, PUT, 20_000),
    ],
    ids=lambda fault: f"{fault.kind} {fault.value}",
)
def test_put_that_stumbles(client: Client, proxy: Proxy, fault: Fault) -> None:
    """One failure is made good without the client noticing."""
    proxy.add(fault)
    answer = client.put("stumbled", SMALL)
    assert answer is not None
    proxy.wait_until_met()
    assert (answer.status, proxy.met[0][0]) == (201, fault.kind)
    assert client.content(answer.json["id"]).body == SMALL


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.STATUS, r"\?uploads", 500),
        Fault(Kind.CUT_ANSWER, r"\?uploads"),
        Fault(Kind.STATUS_AFTER, PART, 500),
        Fault(Kind.CUT_REQUEST, PART, 3_000_000),
        Fault(Kind.CUT_ANSWER, PART),
        Fault(Kind.STATUS, JOIN, 500),
        Fault(Kind.STATUS_AFTER, JOIN, 500),
        Fault(Kind.CUT_ANSWER, JOIN),
        Fault(Kind.CUT_ANSWER, JOIN, 40),
        Fault(Kind.ERROR_IN_SUCCESS, JOIN),
    ],
    ids=lambda fault: f"{fault.kind} {fault.pattern} {fault.value}",
)
def test_multipart_put_that_stumbles(client: Client, proxy: Proxy, fault: Fault) -> None:
    proxy.add(fault)
    answer = client.put("stumbled", LARGE)
    assert answer is not None
    assert (answer.status, proxy.met[0][0]) == (201, fault.kind)
    assert client.content(answer.json["id"]).body == LARGE


@pytest.mark.parametrize("pattern", [PUT, r"\?uploads", PART, JOIN])
@pytest.mark.parametrize(("kind", "value"), [(Kind.STATUS, 503), (Kind.CUT_REQUEST, 10)])
def test_put_that_cannot_be(site: Site, client: Client, proxy: Proxy, pattern: str, kind: Kind, value: int) -> None:
    """The client is told to come back; the file that was to be replaced is as it was."""
    proxy.add(Fault(kind, pattern, value, times=None))
    check_unavailable(client.replace(site.kept, SMALL if pattern == PUT else LARGE))
    proxy.heal()
    wait_until_served(site, client)
    assert client.content(site.kept).body == OLD


def test_put_answered_with_an_error_in_a_success(client: Client, proxy: Proxy) -> None:
    """T31: the status is not believed."""
    proxy.add(Fault(Kind.ERROR_IN_SUCCESS, PUT, times=None))
    check_unavailable(client.put("never", SMALL))


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("times", [1, None])
def test_bits_that_flip_on_the_way_in(client: Client, proxy: Proxy, data: bytes, times: int | None) -> None:
    """Never a file with other bytes than were sent (R17)."""
    proxy.add(Fault(Kind.FLIP_REQUEST, PUT, 777, times=times))
    answer = client.put("flipped", data)
    assert proxy.met[0][0] is Kind.FLIP_REQUEST
    proxy.heal()
    assert answer is not None
    if answer.status == 201:
        assert times == 1
        assert client.content(answer.json["id"]).body == data
    else:
        assert answer.status in (400, 500, 502, 503)


@pytest.mark.parametrize("seed", range(3))
def test_bits_that_flip_on_the_way_out(client: Client, proxy: Proxy, seed: int) -> None:
    """Never the whole of a download with other bytes (R17)."""
    dice = random.Random(seed)
    for data in (SMALL, LARGE):
        answer = client.put("out", data)
        assert answer is not None
        proxy.add(*[Fault(Kind.FLIP_ANSWER, GET, dice.randrange(len(data))) for _ in range(3)])
        for _ in range(3):
            try:
                got = client.content(answer.json["id"])
            except NoAnswer:
                continue
            assert got.status >= 500 or not got.whole
    assert [kind for kind, _ in proxy.met] == [Kind.FLIP_ANSWER] * 6


def test_download_that_breaks_off_and_goes_on(client: Client, proxy: Proxy) -> None:
    answer = client.put("broken", LARGE)
    assert answer is not None
    proxy.add(Fault(Kind.CUT_ANSWER, GET, 1_000_000), Fault(Kind.CUT_ANSWER, GET, 5_000_000))
    assert client.content(answer.json["id"]).body == LARGE
    ranged = client.content(answer.json["id"], Range="bytes=100-8000099")
    assert (ranged.status, ranged.body) == (206, LARGE[100:8_000_100])
    assert len(proxy.met) == 2


@pytest.mark.parametrize("offset", [0, 1_000_000])
def test_download_that_breaks_off_for_good(client: Client, proxy: Proxy, offset: int) -> None:
    """What has begun cannot become an error any more: it breaks off, so that the client sees it."""
    answer = client.put("broken", LARGE)
    assert answer is not None
    proxy.add(Fault(Kind.CUT_ANSWER, GET, offset, times=None))
    try:
        got = client.content(answer.json["id"])
    except NoAnswer:
        return
    assert got.status == 503 or not got.whole


def test_download_refused(site: Site, client: Client, proxy: Proxy) -> None:
    proxy.add(Fault(Kind.STATUS, GET, 503, times=None))
    check_unavailable(client.content(site.kept))


def test_random_troubles(site: Site, client: Client, proxy: Proxy) -> None:
    """R3: whatever goes wrong, answers are clear, and afterwards nothing is left over."""
    dice = random.Random(7)
    kinds = [Kind.STATUS, Kind.STATUS_AFTER, Kind.CUT_REQUEST, Kind.CUT_ANSWER, Kind.FLIP_REQUEST, Kind.NO_ETAG]
    statuses = []
    for number in range(24):
        proxy.heal()
        faults = [Fault(dice.choice(kinds), value=500, times=dice.choice([1, 2, 9])) for _ in range(dice.randrange(3))]
        proxy.add(*faults)
        data = dice.randbytes(dice.choice([0, 1, 60_000, 9_000_000]))
        answer = client.replace(site.kept, data) if number % 4 == 3 else client.put(f"n{number}", data)
        assert answer is not None
        statuses.append(answer.status)
        assert answer.status in (200, 201, 400, 500, 503)
    assert statuses.count(201) > 3
    restored = client.replace(site.kept, OLD)
    assert restored is None or restored.status in (200, 503)
    while restored is None or restored.status != 200:
        proxy.heal()
        restored = client.replace(site.kept, OLD)


def test_store_down(site: Site, client: Client, proxy: Proxy) -> None:
    """R11: what needs no bytes goes on, what does is told at once to come back, and the return is noticed soon."""
    doomed = client.put("doomed", SMALL)
    assert doomed is not None
    check_down(site, client, proxy.down, proxy.up, within=5.0)
    assert client.rename(site.kept, "renamed") is not None
    removed = client.remove(doomed.json["id"])
    assert removed is not None
    assert removed.status == 204
    check_back(site, client, proxy.down, proxy.up)
    assert client.call("GET", "/readyz").status == 200
    renamed = client.rename(site.kept, "kept")
    assert renamed is not None
    assert renamed.status == 200


def test_store_silent(site: Site, client: Client, proxy: Proxy) -> None:
    """As when it is down, but each connection has to be given up first."""

    def fall_silent() -> None:
        proxy.add(Fault(Kind.BLACK_HOLE, times=None))

    check_down(site, client, fall_silent, proxy.heal, within=13.0)
    check_back(site, client, fall_silent, proxy.heal)


def check_down(
    site: Site, client: Client, fail: Callable[[], None], heal: Callable[[], object], *, within: float
) -> None:
    """What is said once the store has begun to ``fail``. A machine that pauses may be late, but not each time."""
    fail()
    for _ in range(ATTEMPTS):
        if timed_first_refusals(site, client) < within:
            break
        heal()
        wait_until_served(site, client)
        fail()
    else:
        pytest.fail(f"it takes longer than {within} s")
    check_unavailable(client.put("never", SMALL))
    assert min(timed_rest(site, client) for _ in range(3)) < 0.5
    ready = client.call("GET", "/readyz")
    assert (ready.status, ready.json["problems"]) == (503, {"store": "store_unavailable"})
    quickest = min(timed_refusal(site, client) for _ in range(5))
    assert quickest < 0.05


def check_back(site: Site, client: Client, fail: Callable[[], None], heal: Callable[[], object]) -> None:
    """It is soon noticed that the store, which has failed, is there again."""
    heal()
    for _ in range(ATTEMPTS):
        if wait_until_served(site, client) < 5.0:
            return
        fail()
        timed_first_refusals(site, client)
        heal()
    pytest.fail("it is not noticed in time")


def timed_first_refusals(site: Site, client: Client) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        for answer in pool.map(lambda _: client.content(site.kept), range(6)):
            check_unavailable(answer)
    return time.monotonic() - began


def timed_rest(site: Site, client: Client) -> float:
    """What needs no bytes is answered, in so many seconds."""
    began = time.monotonic()
    assert client.call("GET", "/v1/files").status == 200
    assert client.call("GET", f"/v1/files/{site.kept}").status == 200
    assert client.call("GET", "/healthz").status == 200
    return time.monotonic() - began


def timed_refusal(site: Site, client: Client) -> float:
    began = time.monotonic()
    check_unavailable(client.content(site.kept))
    return time.monotonic() - began


def test_put_that_lands_late(rgw: S3Server, tmp_path: Path) -> None:
    """A put that was given up may still be carried out: its bytes must not stay for ever (T28)."""
    with proxying(rgw.endpoint) as proxy:
        site = s3_site(tmp_path / "home", rgw, through=proxy.url)
        site.fill()
        with serving(site.settings) as server:
            proxy.add(Fault(Kind.LATE, PUT, 5, times=None))
            check_unavailable(site.client(server.url).put("late", SMALL))
        site.recover(after=30)
        proxy.wait_until_met(5)
        proxy.heal()
        site.recover(after=800)
        assert site.violations() == []
