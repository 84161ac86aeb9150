"""A network whose answers are written down beforehand, every one of which must be asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from kist.drive import drive
from kist.errors import StoreUnavailable
from kist.stores.s3 import CopyLimits, S3Settings, S3Store, assemble
from kist.stores.s3.transport import Request
from kist.testing.clock import FakeClock, FakeIds

LATELY = "Thu, 01 Jan 2026 12:00:00 GMT"
MD5_OF_HELLO = "5d41402abc4b2a76b9719d911017c592"


class Answer:
    """An answer; ``cut`` breaks its body off after the last block."""

    def __init__(
        self, status: int = 200, body: bytes | Sequence[bytes] = b"", cut: bool = False, **headers: Any
    ) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.headers.setdefault("date", LATELY)
        self.closed = False
        self._blocks = [body] if isinstance(body, bytes) else list(body)
        self._cut = cut

    def __repr__(self) -> str:
        """Without an address, since tests are named by it: every process has to give them the same names."""
        said = b"".join(self._blocks).decode(errors="replace")
        return f"{self.status} {said.partition('<Code>')[2].partition('<')[0]}".rstrip()

    async def block(self) -> bytes:
        assert not self.closed, "an answer is not read after it was closed"
        if self._blocks:
            return self._blocks.pop(0)
        if self._cut:
            raise StoreUnavailable("cut")
        return b""

    async def close(self) -> None:
        self.closed = True


class Stub:
    """Gives ``answers`` in their order; an exception stands for a network that fails. Keeps what was asked."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.given: list[Answer] = []
        self.asked: list[Request] = []
        self.clock = FakeClock()
        self.late = 0.0

    async def send(self, request: Request) -> Answer:
        self.asked.append(request._replace(body=None if request.body is None else bytes(request.body)))
        assert self.answers, f"nobody expected {request.method} {request.url}"
        answer = self.answers.pop(0)
        self.clock.advance(self.late)
        if isinstance(answer, Exception):
            raise answer
        self.given.append(answer)
        return answer

    async def close(self) -> None:
        pass

    def store(self, copy_limits: CopyLimits | None = None, **changed: Any) -> S3Store:
        known: dict[str, Any] = {"endpoint": "http://store", "key": "KEY", "secret": "secret"}
        settings = S3Settings(**{**known, **changed})
        return assemble(settings, self, self.clock, FakeIds(), copy_limits=copy_limits)

    def run(self, act: Callable[[S3Store], Awaitable[Any]], **changed: Any) -> Any:
        """What ``act`` returns, after which all answers were given and are closed."""
        store = self.store(**changed)

        async def acted() -> Any:
            return await act(store)

        try:
            return drive(acted())
        finally:
            assert not self.answers, f"{len(self.answers)} answers were not asked for"
            assert all(answer.closed for answer in self.given), "every answer is closed"

    @property
    def lines(self) -> list[str]:
        """What was asked, in short: method, path and query."""
        return [f"{request.method} {request.url.removeprefix('http://store')}" for request in self.asked]


def refused(status: int, code: str, more: str = "", **headers: Any) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code><Message>m</Message>{more}</Error>".encode(), **headers)


def found(size: int, etag: str, **headers: Any) -> Answer:
    """What HEAD answers."""
    return Answer(200, content_length=str(size), etag=f'"{etag}"', last_modified=LATELY, **headers)


GONE = StoreUnavailable("cut off")
