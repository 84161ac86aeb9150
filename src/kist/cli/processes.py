"""Several processes on one listening socket: started, replaced when they end, exchanged one by one, and stopped (R13).

Each process has a line to this one. A byte on it says that the process takes connections; its end says that whoever
held the other end is gone, which is how both sides learn of a death, even by SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from kist.errors import Misconfigured

log = logging.getLogger("kist.server")

_READY = b"1"
_SHORT_LIFE = 5.0
_PAUSE = 1.0
"""Seconds before the next try where a process did not live longer than ``_SHORT_LIFE``."""


@dataclass
class _Process:
    number: int
    process: subprocess.Popen[bytes]
    line: socket.socket
    begun: float = field(default_factory=time.monotonic)
    ready: bool = False
    told: int = 0
    """How many signals it was sent."""


class Processes:
    """``count`` processes of ``kist serve`` with these arguments. They share ``listener`` and begin new groups: what a
    terminal sends reaches this process alone, which passes it on.

    SIGTERM and SIGINT stop all, a second one at once. SIGHUP exchanges them one by one: the next is ready before the
    last is told to end its requests and go, so that a new release or new settings are taken up without a pause.
    """

    def __init__(self, count: int, listener: socket.socket, arguments: Sequence[str]) -> None:
        self._count = count
        self._listener = listener
        self._arguments = tuple(arguments)
        self._current: dict[int, _Process] = {}
        self._leaving: list[_Process] = []
        self._next: _Process | None = None
        self._to_exchange: list[int] = []
        self._stops = 0
        self._selector = selectors.DefaultSelector()

    def run(self, started: Callable[[], None]) -> None:
        """Until a signal stops them. ``started`` is called when all are ready. ``Misconfigured`` when one cannot be."""
        with self._signals():
            try:
                for number in range(self._count):
                    self._current[number] = self._begin(number)
                self._wait_until_ready()
                if self._stops == 0:
                    started()
                while self._alive():
                    self._look()
            finally:
                self._end_all()

    def _wait_until_ready(self) -> None:
        while self._stops == 0 and not all(each.ready for each in self._current.values()):
            for ended in self._heard():
                if self._stops == 0:
                    raise Misconfigured(f"process {ended.number + 1} could not start: what it said stands above")
                self._forget(ended)

    def _look(self) -> None:
        if self._stops == 0:
            if self._next is not None and self._next.ready:
                self._exchange(self._next)
            if self._next is None and self._to_exchange:
                self._next = self._begin(self._to_exchange.pop(0))
        for ended in self._heard():
            if self._forget(ended) and self._stops == 0:
                self._replace(ended)

    def _heard(self) -> list[_Process]:
        """Note who is ready, pass on what signals have come, and return the processes that have ended."""
        ended = []
        for key, _ in self._selector.select():
            process = key.data
            if process is None:
                self._woken.recv(4096)
            elif process.line.recv(1) == _READY:
                process.ready = True
            else:
                ended.append(process)
        self._pass_on()
        return ended

    def _pass_on(self) -> None:
        if self._stops > 0:
            self._listener.close()  # else the system would take connections that nobody serves; none is begun any more
        for each in self._alive():
            while each.told < self._stops:
                self._tell(each)

    def _tell(self, process: _Process) -> None:
        process.told += 1
        process.process.terminate()

    def _replace(self, ended: _Process) -> None:
        code = ended.process.returncode
        log.error("process %d has ended (%s): starting another", ended.number + 1, _end_text(code))
        if time.monotonic() - ended.begun < _SHORT_LIFE:
            time.sleep(_PAUSE)
        self._current[ended.number] = self._begin(ended.number)

    def _exchange(self, following: _Process) -> None:
        last = self._current[following.number]
        self._current[following.number] = following
        self._next = None
        self._tell(last)
        self._leaving.append(last)

    def _begin(self, number: int) -> _Process:
        ours, theirs = socket.socketpair()
        with theirs:
            inherited = f"{self._listener.fileno()},{theirs.fileno()},{number}"
            process = subprocess.Popen(  # noqa: S603  # this program again
                [sys.executable, "-P", "-m", "kist.cli", "serve", *self._arguments, "--inherited", inherited],
                pass_fds=(self._listener.fileno(), theirs.fileno()),
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        made = _Process(number, process, ours)
        self._selector.register(ours, selectors.EVENT_READ, made)
        return made

    def _forget(self, ended: _Process) -> bool:
        """Let go of a process that has ended. Whether it was one of those that serve, and not on its way out."""
        self._selector.unregister(ended.line)
        ended.line.close()
        ended.process.wait()
        if ended in self._leaving:
            self._leaving.remove(ended)
        elif ended is self._next:
            self._next = None
            self._to_exchange.clear()
            log.error("the next process %d could not start: the others go on as they are", ended.number + 1)
        served = self._current.get(ended.number) is ended
        if served:
            del self._current[ended.number]
        return served

    def _alive(self) -> list[_Process]:
        return [*self._current.values(), *self._leaving, *([self._next] if self._next else [])]

    def _end_all(self) -> None:
        """Only after a failure is there somebody left to end."""
        for each in self._alive():
            if each.process.poll() is None:
                each.process.terminate()
            each.process.wait()
        self._selector.close()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        self._woken, waking = socket.socketpair()
        waking.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        before = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        handlers[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._renew)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            self._woken.close()
            waking.close()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stops += 1

    def _renew(self, number: int, frame: FrameType | None) -> None:
        self._to_exchange = list(range(self._count))


@dataclass(frozen=True)
class Inherited:
    """What a process was given by the one that started it. ``number`` counts from 0."""

    listener: socket.socket
    line: int
    """Its descriptor, which nothing closes before the process is gone."""
    number: int

    @classmethod
    def read(cls, text: str) -> Inherited:
        """Take over what ``--inherited`` names."""
        listener, line, number = (int(part) for part in text.split(","))
        for each in (listener, line):
            os.set_inheritable(each, False)  # programs that are started from here shall not hold them
        return cls(socket.socket(fileno=listener), line, number)

    def tell_ready(self) -> None:
        """Say that connections are taken, and stop like at SIGTERM when the other process is gone."""
        os.write(self.line, _READY)
        asyncio.get_running_loop().add_reader(self.line, self._left_alone)

    def _left_alone(self) -> None:
        asyncio.get_running_loop().remove_reader(self.line)
        os.kill(os.getpid(), signal.SIGTERM)


def _end_text(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
