"""One thread makes all changes of this process, in groups: many commits share one transaction and one fsync.

Processes take turns by an exclusive lock on ``<database>.lock`` around each group. SQLite's own lock would do for
correctness, but its waiters sleep and poll, and starve beside a busy writer; the kernel wakes ours at once.

A commit belongs to whoever takes its token: the writer, once the transaction is open, or the caller, who gave up or
waited too long. So a caller who is told ``CatalogueBusy`` knows that nothing was changed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from queue import Empty, SimpleQueue

from kist.catalogues.sql.statements import Statement
from kist.catalogues.sqlite.connection import (
    PATIENCE,
    busy,
    connect,
    full,
    is_busy,
    is_full,
    is_taken,
    open_beside,
    translate,
)
from kist.catalogues.sqlite.reserve import Reserve
from kist.errors import Broken, Invalid, KistError

MAX_GROUP = 256
MANY_ALIKE = 20
"""So many changes of one kind that follow each other in a commit are made at once."""

_OF_ONE_ROW = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)

Outcome = int | None | Exception


class Waiting:
    """A commit that waits for its turn, and then for its outcome."""

    __slots__ = ("_token", "frees", "future", "since", "statements")

    def __init__(self, statements: Sequence[Statement], frees: bool, loop: asyncio.AbstractEventLoop) -> None:
        self.statements = statements
        self.frees = frees
        self.future: asyncio.Future[int | None] = loop.create_future()
        self.since = loop.time()
        self._token = [None]

    def claim(self) -> bool:
        """Take the commit, from any thread. Only the first who asks gets it."""
        try:
            self._token.pop()
        except IndexError:
            return False
        return True


Finished = list[tuple[Waiting, Outcome]]


class Writer:
    """Takes commits from an event loop and makes them in a thread of its own."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._connection = connect(path)
        self._cursor = self._connection.cursor()
        self._lock = open_beside(path, "lock")
        self._reserve = Reserve(path)
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._line: deque[Waiting] = deque()  # of the loop: all that have no outcome yet, oldest first
        self._alarm: asyncio.TimerHandle | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="kist-sqlite-writer", daemon=True)
        self._thread.start()

    async def write(self, statements: Sequence[Statement], *, frees: bool) -> int | None:
        """See ``Runner.write``."""
        if self._closing:
            raise busy()
        waiting = Waiting(statements, frees, self._loop)
        self._line.append(waiting)
        self._queue.put(waiting)
        if self._alarm is None:
            self._alarm = self._loop.call_later(PATIENCE, self._give_up)
        try:
            return await waiting.future
        except asyncio.CancelledError:
            waiting.claim()
            raise

    def stop(self) -> None:
        """Finish what waits and free everything. Blocks, but never for much longer than a change would wait."""
        self._closing = True
        self._queue.put(None)
        self._thread.join(PATIENCE + 1)
        if self._thread.is_alive():
            return  # another process holds the lock for good: the thread ends with this process
        self._connection.close()
        self._reserve.close()
        os.close(self._lock)

    def _give_up(self) -> None:
        """In the loop: refuse those that have waited too long and that the writer has not begun."""
        self._alarm = None
        self._forget_finished()
        late = self._loop.time() - PATIENCE
        for waiting in self._line:
            if waiting.since > late:
                break
            if not waiting.future.done() and waiting.claim():
                waiting.future.set_exception(busy())
        self._forget_finished()
        if self._line:
            pause = max(self._line[0].since - late, 0.05)
            self._alarm = self._loop.call_later(pause, self._give_up)

    def _settle(self, finished: Finished) -> None:
        """In the loop: hand the outcomes of a group to its callers."""
        for waiting, outcome in finished:
            if waiting.future.done():
                continue
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)
        self._forget_finished()

    def _forget_finished(self) -> None:
        while self._line and self._line[0].future.done():
            self._line.popleft()

    def _run(self) -> None:
        """The thread: group after group until told to stop."""
        while (first := self._queue.get()) is not None:
            finished = self._write_group(first)
            while finished is None:  # the lock was not to be had: those who have waited long enough have left
                finished = self._write_group(first)
            try:
                self._loop.call_soon_threadsafe(self._settle, finished)
            except RuntimeError:
                return  # the loop was closed without closing the catalogue: nobody waits any more

    def _write_group(self, first: Waiting) -> Finished | None:
        """Make ``first`` and what waits behind it in one transaction. None when no transaction could be begun."""
        claimed: list[Waiting] = []
        try:
            with self._turn():
                try:
                    return self._commit(self._group(first, claimed), reserved=self._reserve.hold())
                except sqlite3.Error as error:
                    if not is_full(error):
                        raise
                    return self._make_room(claimed, error)
        except Exception as error:  # whatever it is: a dead thread would leave all callers waiting for ever
            self._roll_back()
            if not claimed:
                return self._without_transaction(first, error)
            return [(waiting, _caused(error)) for waiting in claimed]

    def _commit(self, group: Iterable[Waiting], *, reserved: bool) -> Finished:
        """Make all of ``group`` in one transaction, except what adds rows while there is no reserve."""
        self._cursor.execute("BEGIN IMMEDIATE")
        finished: Finished = []
        for waiting in group:
            finished.append((waiting, self._make(waiting.statements) if reserved or waiting.frees else full()))
        self._cursor.execute("COMMIT")
        return finished

    def _make_room(self, claimed: list[Waiting], error: sqlite3.Error) -> Finished:
        """The disk is full: refuse what adds rows, and give up the reserve for the rest."""
        self._roll_back()
        refused: Finished = [(waiting, _caused(error)) for waiting in claimed if not waiting.frees]
        freeing = [waiting for waiting in claimed if waiting.frees]
        if not freeing:
            return refused
        self._reserve.release()
        with suppress(sqlite3.Error):  # the log may be far larger than what it adds to the database
            self._cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return refused + self._commit(freeing, reserved=False)

    def _without_transaction(self, first: Waiting, error: Exception) -> Finished | None:
        if isinstance(error, sqlite3.Error) and is_busy(error) and not first.future.done():
            return None
        return [(first, _caused(error))] if first.claim() else []

    def _group(self, first: Waiting, claimed: list[Waiting]) -> Iterator[Waiting]:
        """``first`` and what waits behind it, without those that were given up; noted in ``claimed``."""
        waiting: Waiting | None = first
        while waiting is not None:
            if waiting.claim():
                claimed.append(waiting)
                yield waiting
            if len(claimed) == MAX_GROUP:
                return
            try:
                waiting = self._queue.get_nowait()
            except Empty:
                return
        self._queue.put(None)  # stop after this group

    def _make(self, statements: Sequence[Statement]) -> Outcome:
        """Run one commit inside the group's transaction, and take it back alone when it is refused."""
        if len(statements) == 1:
            return self._run_all(statements)
        self._cursor.execute("SAVEPOINT one")
        outcome = self._run_in_runs(statements)
        if outcome is not None:
            self._cursor.execute("ROLLBACK TO one")
        self._cursor.execute("RELEASE one")
        return outcome

    def _run_in_runs(self, statements: Sequence[Statement]) -> Outcome:
        """Run statements of one text that follow each other together. See ``_run_all`` for what is returned."""
        at = 0
        for _, alike in groupby(statements, attrgetter("sql")):
            run = list(alike)
            outcome = None if self._run_alike(run) else self._run_all(run)
            if outcome is not None:
                return at + outcome if isinstance(outcome, int) else outcome
            at += len(run)
        return None

    def _run_alike(self, statements: Sequence[Statement]) -> bool:
        """Run many statements of one text at once. False, with nothing done, unless that could be and all went well."""
        if len(statements) < MANY_ALIKE or not all(each.counted for each in statements):
            return False
        self._cursor.execute("SAVEPOINT alike")
        try:
            made = self._cursor.executemany(statements[0].sql, [each.params for each in statements]).rowcount
            well = made == len(statements)
        except (UnicodeEncodeError, OverflowError, sqlite3.DataError, *_OF_ONE_ROW):
            well = False  # one by one it will be seen which it is
        if not well:
            self._cursor.execute("ROLLBACK TO alike")
        self._cursor.execute("RELEASE alike")
        return well

    def _run_all(self, statements: Sequence[Statement]) -> Outcome:
        """None, or the index of the statement that is refused, or why this commit alone fails.

        Errors that concern the whole group (a full disk, a broken file) are raised.
        """
        for index, statement in enumerate(statements):
            try:
                cursor = self._cursor.execute(statement.sql, statement.params)
            except (UnicodeEncodeError, OverflowError, sqlite3.DataError) as error:
                return _linked(Invalid("a value cannot be stored: text must be Unicode, numbers below 2^63"), error)
            except _OF_ONE_ROW as error:
                return index if is_taken(error) else _caused(error)
            if statement.counted and cursor.rowcount != 1:
                return index
        return None

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
        except sqlite3.Error:
            return  # SQLite has rolled back by itself; what fails for good fails the next group as well

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold this process's turn among all that write to the database."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


def _caused(error: Exception) -> KistError:
    if isinstance(error, sqlite3.Error):
        return _linked(translate(error), error)
    return _linked(Broken("the database's writer failed: report this as a fault of Kist"), error)


def _linked(error: KistError, cause: Exception) -> KistError:
    """What ``raise error from cause`` would make, to be raised in another thread."""
    error.__cause__ = cause
    return error
