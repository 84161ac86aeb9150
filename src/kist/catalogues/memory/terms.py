"""Terms in a dictionary: what ends by itself."""

from __future__ import annotations

from collections.abc import Callable

from kist.model.changes import Hold, Lapse, Spend, still_counts

Undo = Callable[[], object]


class Terms:
    """Holder and end by name. Each change returns how to take it back, None when it clashes."""

    def __init__(self) -> None:
        self._terms: dict[str, tuple[str, int]] = {}

    def until(self, term: str) -> int:
        """When that term ends, 0 when there is none."""
        return self._terms[term][1] if term in self._terms else 0

    def apply(self, change: Hold | Spend | Lapse) -> Undo | None:
        match change:
            case Hold():
                return self._hold(change)
            case Spend():
                return self._spend(change)
            case Lapse():
                return self._lapse(change)

    def _hold(self, change: Hold) -> Undo | None:
        holder = self._terms[change.term][0] if change.term in self._terms else change.holder
        if holder != change.holder and still_counts(self.until(change.term), change.at, change.until):
            return None
        return self._put(change.term, change.holder, change.until)

    def _spend(self, change: Spend) -> Undo | None:
        until = self.until(change.term)
        begins = until if still_counts(until, change.at, change.at_most) else change.at
        if begins + change.by > change.at_most:
            return None
        return self._put(change.term, "", begins + change.by)

    def _lapse(self, change: Lapse) -> Undo:
        before = self._terms
        self._terms = {term: kept for term, kept in before.items() if kept[1] > change.at}
        return lambda: setattr(self, "_terms", before)

    def _put(self, term: str, holder: str, until: int) -> Undo:
        before = self._terms.get(term)
        self._terms[term] = (holder, until)

        def undo() -> None:
            if before is None:
                del self._terms[term]
            else:
                self._terms[term] = before

        return undo
