"""What lists must do: order, keyset pages, filters, searches. Part of ``CatalogueContract``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from kist.model.changes import Add, Swap
from kist.model.file import File, FileState
from kist.model.names import fold
from kist.model.query import Cursor, FileQuery, Sort
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import NAMES, ODD_IDS, a_file, at, changed

TYPES = ("text/plain", "image/png")
ORDERS = [(sort, descending) for sort in Sort for descending in (False, True)]


def population() -> list[File]:
    """Files with many ties in size and time, several owners, buckets and types."""
    return [
        a_file(
            name=name,
            owner=("ann", "bob", "Ann")[number % 3],
            bucket=("base", "base_2")[number % 2],
            type=TYPES[number % 5 % 2],
            size=number // 4 * 1000,
            created_at=at(number // 5) + timedelta(microseconds=number // 3),
        )
        for number, name in enumerate(NAMES * 2)
    ]


def in_order(files: list[File], sort: Sort, descending: bool) -> list[File]:
    """What a list must look like, said independently: names by their bytes, ties by id."""

    def rank(file: File) -> Any:
        value = getattr(file, sort.value)
        return (value.encode() if isinstance(value, str) else value), file.id

    return sorted(files, key=rank, reverse=descending)


async def all_pages(catalogue: Catalogue, **query: Any) -> list[File]:
    """Every page after another, as one list."""
    found: list[File] = []
    after: Cursor | None = None
    while True:
        page = await catalogue.files(FileQuery(after=after, **query))
        assert len(page.items) <= query.get("limit", 100)
        assert page.items or after is None, "a page promised a next one where there was nothing more"
        found += page.items
        if page.next is None:
            return found
        assert len(page.items) == query.get("limit", 100)
        after = page.next


async def names(catalogue: Catalogue, **query: Any) -> set[str]:
    """The names that a list shows."""
    return {file.name for file in await all_pages(catalogue, **({"visible_to": None} | query))}


class PageContract:
    """The duties of ``Catalogue.files``."""

    async def test_every_order_is_kept(self, catalogue: Catalogue) -> None:
        files = population()
        await catalogue.commit(*map(Add, files))
        for sort, descending in ORDERS:
            page = await catalogue.files(FileQuery(visible_to=None, sort=sort, descending=descending, limit=1000))
            assert list(page.items) == in_order(files, sort, descending)
            assert page.next is None

    async def test_pages_put_together_are_the_whole(self, catalogue: Catalogue) -> None:
        files = population()
        await catalogue.commit(*map(Add, files))
        for sort, descending in ORDERS:
            for limit in (1, 7, len(files) - 1, len(files), len(files) + 1):
                found = await all_pages(catalogue, visible_to=None, sort=sort, descending=descending, limit=limit)
                assert found == in_order(files, sort, descending)

    async def test_ties_are_broken_by_id(self, catalogue: Catalogue) -> None:
        files = [a_file(name="same", size=1) for _ in range(10)]
        await catalogue.commit(*map(Add, files))
        for sort, descending in ORDERS:
            found = await all_pages(catalogue, visible_to=None, sort=sort, descending=descending, limit=3)
            assert [file.id for file in found] == sorted((file.id for file in files), reverse=descending)

    async def test_filters_narrow_in_every_order(self, catalogue: Catalogue) -> None:
        files = population()
        await catalogue.commit(*map(Add, files))
        narrowings: list[dict[str, str]] = [
            {},
            {"owner": "ann"},
            {"bucket": "base"},
            {"type": "image/png"},
            {"bucket": "base", "type": "text/plain"},
            {"owner": "bob", "bucket": "base_2", "type": "text/plain"},
            {"owner": "nobody"},
        ]
        for sort, descending in ORDERS:
            for narrow in narrowings:
                order: dict[str, Any] = {"sort": sort, "descending": descending, "limit": 4}
                wanted = [file for file in files if all(getattr(file, name) == narrow[name] for name in narrow)]
                assert await all_pages(catalogue, visible_to=None, **order, **narrow) == in_order(
                    wanted, sort, descending
                )

    async def test_filters_are_exact(self, catalogue: Catalogue) -> None:
        await catalogue.commit(*map(Add, population()))
        for odd in (*ODD_IDS, "ANN", "an", "ann ", "base%", "text/%", "text/plai_"):
            for field in ("owner", "bucket", "type"):
                narrow: dict[str, Any] = {field: odd}
                assert (await catalogue.files(FileQuery(visible_to=None, **narrow))).items == ()

    async def test_actors_see_their_own(self, catalogue: Catalogue) -> None:
        files = population()
        await catalogue.commit(*map(Add, files))
        for actor in ("ann", "bob", "nobody", "", "ANN", "%"):
            found = await all_pages(catalogue, visible_to=actor, limit=5)
            assert {file.id for file in found} == {file.id for file in files if file.owner == actor}
            for text in ("", "x", "%"):
                assert {file.owner for file in await all_pages(catalogue, visible_to=actor, text=text)} <= {actor}

    async def test_owner_does_not_widen_what_is_visible(self, catalogue: Catalogue) -> None:
        files = population()
        await catalogue.commit(*map(Add, files))
        assert await all_pages(catalogue, visible_to="ann", owner="bob") == []
        own = [file for file in files if file.owner == "ann"]
        assert await all_pages(catalogue, visible_to="ann", owner="ann") == in_order(own, Sort.CREATED, True)

    async def test_only_ready_files_are_listed(self, catalogue: Catalogue) -> None:
        files = [a_file(state=state, name=f"{state}.txt") for state in FileState]
        await catalogue.commit(*map(Add, files))
        assert await names(catalogue) == {"ready.txt"}
        assert await names(catalogue, visible_to="ann", text="txt") == {"ready.txt"}
        ready = next(file for file in files if file.state is FileState.READY)
        await catalogue.commit(Swap(ready, changed(ready, state=FileState.REMOVED)))
        assert await names(catalogue) == set()

    async def test_special_characters_are_searched_literally(self, catalogue: Catalogue) -> None:
        odd = ["50%", "a_b", "back\\slash", "o'brien", 'say "hi"', "a*b", "a?b", "[ab]", "semi;colon", "a--b", "(x|y)"]
        await catalogue.commit(*(Add(a_file(name=name)) for name in [*odd, "plain", "axb", "50x"]))
        for name in odd:
            assert await names(catalogue, text=name) == {name}
        assert await names(catalogue, text="%") == {"50%"}
        assert await names(catalogue, text="_") == {"a_b"}
        assert await names(catalogue, text="\\") == {"back\\slash"}
        for nothing in ("%_%", "a%b", "%%", "\\_", "\0", "plain\0", "pla\0in", "' OR '1'='1", "\ud800", "x" * 100_000):
            assert await names(catalogue, text=nothing) == set()

    async def test_searches_fold_case_in_every_script(self, catalogue: Catalogue) -> None:
        await catalogue.commit(*(Add(a_file(name=name)) for name in NAMES))
        pairs = {
            "PLAIN": "plain.txt",
            "upper LOWER": "UPPER lower",
            "STRASSE": "Straße.txt",
            "strasse": "Straße.txt",
            "σίσυφος": "ΣΊΣΥΦΟΣ.doc",
            "E\u0301 Decomposed": "e\u0301 decomposed",
            "\u00c9 DECOMPOSED": "e\u0301 decomposed",
            "e\u0301 COMPOSED": "\u00e9 composed",
            "FILE LIG": "ﬁle ligature",
            "の名前": "日本語の名前.png",
            "FAMILY 😀": "👩\u200d👩\u200d👧 family 😀.jpg",
            "עולם": "שלום עולם.txt",
        }
        for text, name in pairs.items():
            assert name in await names(catalogue, text=text)
            assert await names(catalogue, text=text) == {one for one in NAMES if fold(text) in fold(one)}

    async def test_a_renamed_file_is_found_by_its_new_name(self, catalogue: Catalogue) -> None:
        file = a_file(name="Before")
        await catalogue.commit(Add(file))
        await catalogue.commit(Swap(file, changed(file, name="AFTER")))
        assert await names(catalogue, text="before") == set()
        assert await names(catalogue, text="after") == {"AFTER"}

    async def test_searches_are_paged_and_sorted_too(self, catalogue: Catalogue) -> None:
        files = population()
        await catalogue.commit(*map(Add, files))
        for sort, descending in ORDERS:
            for narrow in ({}, {"owner": "ann"}, {"bucket": "base", "type": "text/plain"}):
                wanted = [
                    file
                    for file in files
                    if "t" in fold(file.name) and all(getattr(file, name) == narrow[name] for name in narrow)
                ]
                order: dict[str, Any] = {"sort": sort, "descending": descending, "limit": 3}
                found = await all_pages(catalogue, visible_to=None, text="T", **order, **narrow)
                assert found == in_order(wanted, sort, descending)

    async def test_rows_added_meanwhile_cause_no_duplicates(self, catalogue: Catalogue) -> None:
        files = population()
        await catalogue.commit(*map(Add, files))
        for sort, descending in ORDERS:
            seen: list[str] = []
            after: Cursor | None = None
            while True:
                query = FileQuery(visible_to=None, sort=sort, descending=descending, after=after, limit=5)
                page = await catalogue.files(query)
                seen += [file.id for file in page.items]
                await catalogue.commit(Add(a_file(name="", size=0, owner="new")), Add(changed_twin(page.items[0])))
                if page.next is None or len(seen) > 20 * len(files):
                    break
                after = page.next
            assert len(seen) == len(set(seen))
            assert {file.id for file in files} <= set(seen)

    async def test_a_cursor_outlives_its_row(self, catalogue: Catalogue) -> None:
        files = in_order([a_file(name=f"{number:02}") for number in range(10)], Sort.NAME, False)
        await catalogue.commit(*map(Add, files))
        page = await catalogue.files(FileQuery(visible_to=None, sort=Sort.NAME, descending=False, limit=5))
        await catalogue.commit(Swap(files[4], changed(files[4], state=FileState.REMOVED)))
        query = FileQuery(visible_to=None, sort=Sort.NAME, descending=False, limit=5, after=page.next)
        assert list((await catalogue.files(query)).items) == files[5:]


def changed_twin(file: File) -> File:
    """Another file that sorts beside this one."""
    return changed(a_file(), name=file.name, size=file.size, created_at=file.created_at, owner=file.owner)  # type: ignore[no-any-return]
