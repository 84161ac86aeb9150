"""Catalogues that each break one promise: the contract suite is worth something only if it catches all of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from kist.catalogues.memory import MemoryCatalogue
from kist.errors import Clash
from kist.model.changes import Add, Change, Count, Discard, Drop, Hold, Spend, Swap, row_id
from kist.model.file import File, FileState
from kist.model.query import Cursor, FileQuery, Page
from kist.model.rows import Doomed, Idempotency, Key
from kist.testing.catalogue_samples import changed

Undo = Callable[[], object]


class KeepsPartOfRefusedCommits(MemoryCatalogue):
    """Commits are not atomic: what came before the clash stays."""

    async def commit(self, *changes: Change) -> None:
        for index, change in enumerate(changes):
            try:
                await super().commit(change)
            except Clash as clash:
                clash.change = index
                raise


class BlamesTheFirstChange(MemoryCatalogue):
    """A clash always names change 0."""

    async def commit(self, *changes: Change) -> None:
        try:
            await super().commit(*changes)
        except Clash as clash:
            clash.change = 0
            raise


class LooksBeforeItLeaps(MemoryCatalogue):
    """Checks a commit and lets others in before it is made."""

    async def commit(self, *changes: Change) -> None:
        undo = [self._apply(change) for change in changes]
        for back in reversed(undo):
            if back is not None:
                back()
        if None in undo:
            raise Clash("refused", change=undo.index(None))
        await asyncio.sleep(0)
        for change in changes:
            self._apply(change)


class AddsOverWhatIsThere(MemoryCatalogue):
    """An Add with a taken id replaces the row."""

    def _apply(self, change: Change) -> Undo | None:
        if isinstance(change, Add):
            return self._put(self._row(type(change.row), *row_id(change.row)), change.row)
        return super()._apply(change)


class SwapsWithoutComparing(MemoryCatalogue):
    """A Swap only needs the row to be there."""

    def _apply(self, change: Change) -> Undo | None:
        if isinstance(change, Swap) and (found := self._row(type(change.before), *row_id(change.before))):
            return self._put(found, change.after)
        return super()._apply(change)


class SwapsWithoutLookingAtStates(MemoryCatalogue):
    """A Swap compares the fields that differ, but not the state when that stays the same."""

    def _apply(self, change: Change) -> Undo | None:
        if isinstance(change, Swap):
            found: Any = self._row(type(change.before), *row_id(change.before))
            before: Any = change.before
            if isinstance(found, File) and before.state == change.after.state:  # type: ignore[union-attr]
                before = changed(before, state=found.state)
                return self._put(found, change.after) if found == before else None
        return super()._apply(change)


class SwapsWholeRows(MemoryCatalogue):
    """A Swap also writes the fields that it was not asked to change."""

    def _apply(self, change: Change) -> Undo | None:
        undo = super()._apply(change)
        if undo is not None and isinstance(change, Swap):
            self._put(None, change.after)
        return undo


class DropsWhateverTheState(MemoryCatalogue):
    """A Drop only needs the row to be there."""

    def _apply(self, change: Change) -> Undo | None:
        if isinstance(change, Drop) and (found := self._row(type(change.row), *row_id(change.row))):
            return self._put(found, None)
        return super()._apply(change)


class CountsWithoutLimit(MemoryCatalogue):
    """A Count ignores ``at_most``."""

    def _count(self, change: Count) -> Undo | None:
        return super()._count(Count(owner=change.owner, counter=change.counter, by=change.by))


class CountsFreelyAtFirst(MemoryCatalogue):
    """The first Count of an owner ignores ``at_most``, as an upsert does whose INSERT is not guarded."""

    def _count(self, change: Count) -> Undo | None:
        if change.owner not in self._usage:
            change = Count(owner=change.owner, counter=change.counter, by=change.by)
        return super()._count(change)


class RewritesPages(MemoryCatalogue):
    """For those that bend a query or a page."""

    def _bent(self, query: FileQuery) -> FileQuery:
        return query

    async def files(self, query: FileQuery) -> Page[File]:
        return await super().files(self._bent(query))


class DropsTies(RewritesPages):
    """The next page begins after the sort value, without regard to the id."""

    def _bent(self, query: FileQuery) -> FileQuery:
        if query.after is None:
            return query
        end = "" if query.descending else "\U0010ffff"
        return changed(query, after=Cursor(query.after.value, end))  # type: ignore[no-any-return]


class ShowsEverythingToAll(RewritesPages):
    """``visible_to`` is ignored."""

    def _bent(self, query: FileQuery) -> FileQuery:
        return changed(query, visible_to=None)  # type: ignore[no-any-return]


class LetsOwnerWiden(RewritesPages):
    """A filter by owner takes the place of ``visible_to`` instead of narrowing it."""

    def _bent(self, query: FileQuery) -> FileQuery:
        return query if query.owner is None else changed(query, visible_to=None)


class SearchesExactCase(RewritesPages):
    """A search does not fold case."""

    async def files(self, query: FileQuery) -> Page[File]:
        page = await super().files(query)
        found = tuple(file for file in page.items if (query.text or "") in file.name)
        return Page(found, page.next)


class SearchesPatterns(RewritesPages):
    """``%`` and ``_`` in a search are not escaped."""

    async def files(self, query: FileQuery) -> Page[File]:
        if not query.text or not set(query.text) & set("%_"):
            return await super().files(query)
        pattern = re.escape(query.text).replace("%", ".*").replace("_", ".")
        page = await super().files(changed(query, text=None))
        return Page(tuple(file for file in page.items if re.search(pattern, file.name, re.IGNORECASE)))


class ListsPendingFiles(MemoryCatalogue):
    """Files are listed before their bytes are there."""

    async def files(self, query: FileQuery) -> Page[File]:
        page = await super().files(query)
        pending = (file for file in self._rows(File) if file.state is FileState.PENDING)
        return Page(page.items + tuple(file for file in pending if file not in page.items), page.next)


class SaysThereIsMore(MemoryCatalogue):
    """A full last page claims to have a next one."""

    async def files(self, query: FileQuery) -> Page[File]:
        page = await super().files(query)
        if page.next is None and len(page.items) == query.limit:
            last = page.items[-1]
            return Page(page.items, Cursor(getattr(last, query.sort.value), last.id))
        return page


class ForgetsMicroseconds(MemoryCatalogue):
    """Times are kept in milliseconds."""

    async def file(self, file_id: str) -> File:
        file = await super().file(file_id)
        time = file.created_at
        return changed(file, created_at=time.replace(microsecond=time.microsecond // 1000 * 1000))  # type: ignore[no-any-return]


class ListsRevokedKeys(MemoryCatalogue):
    """Revoked keys are listed as if they were live."""

    async def keys(self) -> tuple[Key, ...]:
        return tuple(sorted(self._rows(Key), key=lambda key: (key.created_at, key.id)))


class ErasesTooEarly(MemoryCatalogue):
    """Doomed places are given out before their time, while links to them still work."""

    async def doomed(self, now: datetime, limit: int) -> tuple[Doomed, ...]:
        return await super().doomed(datetime.max.replace(tzinfo=now.tzinfo), limit)


class SharesIdempotencyKeys(MemoryCatalogue):
    """One actor's idempotency key answers another actor."""

    async def idempotency(self, actor: str, key: str) -> Idempotency | None:
        return next((record for record in self._rows(Idempotency) if record.key == key), None)


class KeepsKeysOfEndedJobs(MemoryCatalogue):
    """Sealed keys stay although they are to go."""

    def _apply(self, change: Change) -> Undo | None:
        return (lambda: None) if isinstance(change, Discard) else super()._apply(change)


class HoldsForAnybody(MemoryCatalogue):
    """A hold takes away what another has."""

    def _apply(self, change: Change) -> Undo | None:
        if isinstance(change, Hold):
            self._terms.apply(Hold(term=change.term, holder=change.holder, at=1 << 62, until=1))
        return super()._apply(change)


class SpendsWithoutLimit(MemoryCatalogue):
    """An allowance is never used up."""

    def _apply(self, change: Change) -> Undo | None:
        if isinstance(change, Spend):
            change = Spend(term=change.term, by=change.by, at=change.at, at_most=1 << 62)
        return super()._apply(change)


class SavesAllowancesUp(MemoryCatalogue):
    """What was not used of an allowance comes on top of it."""

    def _apply(self, change: Change) -> Undo | None:
        if isinstance(change, Spend) and 0 < self._terms.until(change.term) < change.at:
            change = Spend(term=change.term, by=0, at=change.at, at_most=change.at_most)
        return super()._apply(change)


BROKEN: tuple[type[MemoryCatalogue], ...] = (
    KeepsPartOfRefusedCommits,
    BlamesTheFirstChange,
    LooksBeforeItLeaps,
    AddsOverWhatIsThere,
    SwapsWithoutComparing,
    SwapsWithoutLookingAtStates,
    SwapsWholeRows,
    DropsWhateverTheState,
    CountsWithoutLimit,
    CountsFreelyAtFirst,
    DropsTies,
    ShowsEverythingToAll,
    LetsOwnerWiden,
    SearchesExactCase,
    SearchesPatterns,
    ListsPendingFiles,
    SaysThereIsMore,
    ForgetsMicroseconds,
    ListsRevokedKeys,
    ErasesTooEarly,
    SharesIdempotencyKeys,
    KeepsKeysOfEndedJobs,
    HoldsForAnybody,
    SpendsWithoutLimit,
    SavesAllowancesUp,
)
