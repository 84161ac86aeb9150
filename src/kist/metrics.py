"""Counts in the words of Prometheus, of each Kist for itself (docs/decisions/0030-prometheus-client.md).

Counting is adding to plain numbers, since the library's own counters take a tenth of what a small request takes. The
library makes the text that is read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from kist.ports.measures import CountsRequests, Exposition
from kist.ports.system import Clock

NO_ROUTE = "none"
NO_ANSWER = "none"
OTHER_METHOD = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are labels as they are: a client may make up more."""
BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 10, 60)
"""Seconds: from an answer out of memory to the upload of a large file."""
_LIMITS = (*(str(limit) for limit in BUCKETS), "+Inf")

LEVELS = {
    "files": "Files that are there.",
    "bytes": "Bytes of the files that are there.",
    "open_uploads": "Uploads that are begun and neither complete nor ended.",
    "reserved_bytes": "Bytes that open uploads have reserved.",
    "doomed": "Places whose bytes are to be erased.",
    "due": "Those of them whose time has come. It goes back to 0 with every run of the chore erase.",
    "audit_lost": "Files whose object was missing at the last audit.",
    "audit_differs": "Files whose object had another size at the last audit.",
    "audit_strays": "Objects of Kist's that no row named at the last audit.",
    "audit_stray_bytes": "Bytes of these objects.",
    "audit_open_parts": "Multipart uploads that no row named at the last audit.",
    "audit_open_bytes": "Bytes that their parts hold.",
    "audit_last_run_timestamp_seconds": "When the last audit of this process ended.",
    "link_uses_waiting": "Uses of links that are counted in memory and wait to be written down.",
}
"""The numbers that are asked for when they are read, and what each is."""
OF_ALL = frozenset({"files", "bytes", "open_uploads", "reserved_bytes", "doomed", "due"})
"""Those of them that come from the catalogue: the same whichever process is asked."""


class Prometheus:
    """Measures that Prometheus can read. Labels are names from the code alone, so their number is bounded.

    It is for one thread, the event loop's, as the service is. ``process``: which of several on one port this is; it is
    then a label of all that one process has for itself, so that its numbers are told from those of the others.
    """

    def __init__(self, clock: Clock, process: str = "") -> None:
        self._clock = clock
        self._own = {"process": process} if process else {}
        self._sums = _Sums()
        self._routes: dict[tuple[str, str], _Route] = {}
        self._chores: dict[str, _Chore] = {}

    def at(self, dialect: str, route: str) -> CountsRequests:
        """The counts of a route: the same whoever asks."""
        labels = dialect, route or NO_ROUTE
        return self._routes.setdefault(labels, _Route(self._sums))

    def upload_begins(self) -> None:
        """One more is under way."""
        self._sums.uploads += 1

    def upload_ends(self) -> None:
        """One less is under way."""
        self._sums.uploads -= 1

    def chore_done(self, chore: str, done: int) -> None:
        """Count the run, and what it did."""
        counts = self._chores.setdefault(chore, _Chore())
        counts.runs += 1
        counts.done += done
        counts.succeeded = self._clock.now().timestamp()

    def chore_failed(self, chore: str) -> None:
        """Count the run and the failure."""
        counts = self._chores.setdefault(chore, _Chore())
        counts.runs += 1
        counts.failures += 1

    def shown(self, levels: Mapping[str, float]) -> Exposition:
        """The text format that every version of Prometheus reads."""
        reading = _Reading(self._sums, self._routes, self._chores, levels, self._own)
        return Exposition(CONTENT_TYPE_PLAIN_0_0_4, generate_latest(reading))


class _Sums:
    """What is counted over all routes."""

    __slots__ = ("received", "requests", "sent", "uploads")

    def __init__(self) -> None:
        self.received = self.sent = self.requests = self.uploads = 0


class _Chore:
    """What one chore did. ``succeeded``: when it last did not fail, as a timestamp."""

    __slots__ = ("done", "failures", "runs", "succeeded")

    def __init__(self) -> None:
        self.runs = self.failures = self.done = 0
        self.succeeded: float | None = None


class _Route:
    """The counts of one route: ``by_kind`` of method and hundreds of the status, ``within`` each bucket alone."""

    __slots__ = ("_sums", "by_kind", "seconds", "within")

    def __init__(self, sums: _Sums) -> None:
        self._sums = sums
        self.by_kind: dict[tuple[str, int], int] = {}
        self.within = [0] * len(_LIMITS)
        self.seconds = 0.0

    def begin(self) -> None:
        """One more is under way."""
        self._sums.requests += 1

    def end(self) -> None:
        """One less is under way."""
        self._sums.requests -= 1

    def answered(self, method: str, status: int, *, seconds: float, received: int, sent: int) -> None:
        """Count one."""
        kind = (method if method in METHODS else OTHER_METHOD, status // 100)
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        self.within[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
        self._sums.received += received
        self._sums.sent += sent


class _Reading(Collector):
    """A registry for one reading: all that was counted, and the levels that are known. Idle routes are left out."""

    def __init__(
        self,
        sums: _Sums,
        routes: Mapping[tuple[str, str], _Route],
        chores: Mapping[str, _Chore],
        levels: Mapping[str, float],
        own: Mapping[str, str],
    ) -> None:
        self._own = tuple(own)
        self._me = tuple(own.values())
        self._sums = sums
        self._routes = {labels: route for labels, route in routes.items() if route.by_kind}
        self._chores = chores
        self._levels = levels

    def collect(self) -> Iterator[Metric]:
        """Every metric with its samples."""
        yield self._answered()
        yield self._seconds()
        yield from self._sums_of_all_routes()
        yield from self._of_chores()
        for name, meaning in LEVELS.items():
            if name in self._levels:
                yield self._gauge(name, meaning, self._levels[name], own=name not in OF_ALL)

    def _sums_of_all_routes(self) -> Iterator[Metric]:
        yield self._counter("received_bytes", "Bytes of the bodies of requests.", self._sums.received)
        yield self._counter("sent_bytes", "Bytes of the bodies of answers.", self._sums.sent)
        yield self._gauge("requests_under_way", "Requests that are being answered.", self._sums.requests)
        yield self._gauge("uploads_under_way", "Those of them whose body is a file.", self._sums.uploads)

    def _counter(self, name: str, meaning: str, value: float) -> Metric:
        family = CounterMetricFamily(f"kist_{name}", meaning, labels=self._own)
        family.add_metric(self._me, value)
        return family

    def _gauge(self, name: str, meaning: str, value: float, *, own: bool = True) -> Metric:
        family = GaugeMetricFamily(f"kist_{name}", meaning, labels=self._own if own else ())
        family.add_metric(self._me if own else (), value)
        return family

    def _answered(self) -> Metric:
        family = CounterMetricFamily(
            "kist_requests",
            "Requests answered, by dialect, route, method and class of status.",
            labels=("dialect", "route", "method", "status", *self._own),
        )
        for labels, route in self._routes.items():
            for (method, hundreds), count in route.by_kind.items():
                family.add_metric((*labels, method, f"{hundreds}xx" if hundreds else NO_ANSWER, *self._me), count)
        return family

    def _seconds(self) -> Metric:
        family = HistogramMetricFamily(
            "kist_request_seconds",
            "Seconds from the head of a request to the end of its answer, by dialect and route.",
            labels=("dialect", "route", *self._own),
        )
        for labels, route in self._routes.items():
            counts = zip(_LIMITS, accumulate(route.within), strict=True)
            family.add_metric((*labels, *self._me), [(limit, float(count)) for limit, count in counts], route.seconds)
        return family

    def _of_chores(self) -> Iterator[Metric]:
        by_name = ("chore", *self._own)
        runs = CounterMetricFamily("kist_chore_runs", "Runs of a chore.", labels=by_name)
        failures = CounterMetricFamily("kist_chore_failures", "Those of them that failed.", labels=by_name)
        done = CounterMetricFamily("kist_chore_done", "How much a chore has done.", labels=by_name)
        succeeded = GaugeMetricFamily(
            "kist_chore_last_success_timestamp_seconds", "When a chore last ended without a failure.", labels=by_name
        )
        for name, chore in self._chores.items():
            labels = (name, *self._me)
            runs.add_metric(labels, chore.runs)
            failures.add_metric(labels, chore.failures)
            done.add_metric(labels, chore.done)
            if chore.succeeded is not None:
                succeeded.add_metric(labels, chore.succeeded)
        yield from (runs, failures, done, succeeded)
