"""What every catalogue must do with shares, links, tickets and the questions of the audit."""

from __future__ import annotations

from typing import Any

import pytest

from kist.errors import Clash, LinkMissing
from kist.model.changes import Add, Count, Counter, Drop, Swap, Use
from kist.model.file import FileState
from kist.model.link import Link
from kist.model.query import FileQuery, Sort
from kist.model.rows import Held
from kist.model.upload import UploadState
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import (
    a_doomed,
    a_file,
    a_link,
    a_share,
    an_upload,
    at,
    changed,
    new_id,
)


async def shared(catalogue: Catalogue, actor: str, **more: Any) -> list[str]:
    """The names of what is shared with ``actor`` one minute after the start."""
    query = FileQuery(shared_with=actor, now=at(1), sort=Sort.NAME, descending=False, **more)
    return [file.name for file in (await catalogue.files(query)).items]


class SharingContract:
    """Part of ``CatalogueContract``."""

    async def test_shares_of_a_file(self, catalogue: Catalogue) -> None:
        file_id = new_id()
        shares = [a_share(file_id=file_id, actor=actor) for actor in ("zoe", "bob", "Bob")]
        await catalogue.commit(*map(Add, shares), Add(a_share(actor="bob")))
        assert [share.actor for share in await catalogue.shares(file_id)] == ["Bob", "bob", "zoe"]
        assert await catalogue.share(file_id, "zoe") == shares[0]
        assert await catalogue.share(file_id, "BOB") is None
        assert await catalogue.share(new_id(), "bob") is None
        assert await catalogue.shares(new_id()) == ()
        with pytest.raises(Clash):
            await catalogue.commit(Add(a_share(file_id=file_id, actor="bob")))

    async def test_what_is_shared_is_listed(self, catalogue: Catalogue) -> None:
        names = ("read", "expired", "written", "removed", "mine", "not shared")
        files = {name: a_file(name=name, owner="bob" if name == "mine" else "ann") for name in names}
        files["removed"] = changed(files["removed"], state=FileState.REMOVED)
        await catalogue.commit(*map(Add, files.values()))
        await catalogue.commit(
            Add(a_share(file_id=files["read"].id, expires_at=at(2))),
            Add(a_share(file_id=files["expired"].id, expires_at=at(1))),
            Add(a_share(file_id=files["written"].id, read=False, write=True)),
            Add(a_share(file_id=files["removed"].id)),
            Add(a_share(file_id=files["not shared"].id, actor="bobby")),
        )
        assert await shared(catalogue, "bob") == ["read"]
        assert await shared(catalogue, "bobby") == ["not shared"]
        assert await shared(catalogue, "ann") == await shared(catalogue, "") == []
        assert await shared(catalogue, "bob", owner="ann") == ["read"]
        assert await shared(catalogue, "bob", owner="bob") == await shared(catalogue, "bob", text="writ") == []

    async def test_what_is_shared_comes_in_pages(self, catalogue: Catalogue) -> None:
        files = [a_file(name=f"{number:02}", type="a/b" if number % 2 else "c/d") for number in range(10)]
        await catalogue.commit(*map(Add, files), *(Add(a_share(file_id=file.id)) for file in files))
        query = FileQuery(shared_with="bob", now=at(1), sort=Sort.NAME, descending=False, limit=3)
        found, page = [], await catalogue.files(query)
        while True:
            found += [file.name for file in page.items]
            if page.next is None:
                break
            page = await catalogue.files(changed(query, after=page.next))
        assert found == [file.name for file in files]
        assert await shared(catalogue, "bob", type="a/b", bucket="base") == [
            f"{number:02}" for number in range(1, 10, 2)
        ]

    async def test_a_link_is_used_up(self, catalogue: Catalogue) -> None:
        link, endless = a_link(max_uses=3), a_link()
        await catalogue.commit(Add(link), Add(endless))
        await catalogue.commit(Use(link=link.id, at=at(1)), Use(link=endless.id, at=at(2), times=500))
        await catalogue.commit(Use(link=link.id, at=at(3), times=2))
        for times in (1, 5):
            with pytest.raises(Clash) as caught:
                await catalogue.commit(
                    Count(owner="ann", counter=Counter.FILES, by=1), Use(link=link.id, at=at(4), times=times)
                )
            assert caught.value.change == 1
        found = await catalogue.link(link.id)
        assert (found.uses, found.last_used_at) == (3, at(3))
        assert (await catalogue.link(endless.id)).uses == 500
        assert (await catalogue.usage("ann")).files == 0

    async def test_a_revoked_link_cannot_be_used(self, catalogue: Catalogue) -> None:
        link = a_link()
        await catalogue.commit(Add(link))
        await catalogue.commit(Swap(link, changed(link, revoked_at=at(1))))
        for used in (link.id, new_id()):
            with pytest.raises(Clash):
                await catalogue.commit(Use(link=used, at=at(2)))
        assert (await catalogue.link(link.id)).uses == 0
        with pytest.raises(LinkMissing):
            await catalogue.link(new_id())

    async def test_a_link_comes_with_its_file(self, catalogue: Catalogue) -> None:
        file = a_file()
        link, astray = a_link(file_id=file.id, max_uses=3, uses=1), a_link()
        await catalogue.commit(Add(file), Add(link), Add(astray))
        assert await catalogue.linked(link.id) == (link, file)
        for missing in (astray.id, new_id()):
            with pytest.raises(LinkMissing):
                await catalogue.linked(missing)

    async def test_links_are_listed_newest_first(self, catalogue: Catalogue) -> None:
        links = [a_link(created_at=at(number // 2)) for number in range(7)]
        await catalogue.commit(*map(Add, links), Add(a_link(actor="bob")), Add(a_link(revoked_at=at(1))))
        found: list[Link] = []
        page = await catalogue.links("ann", 2)
        while True:
            found += page.items
            if page.next is None:
                break
            page = await catalogue.links("ann", 2, page.next)
        assert found == sorted(links, key=lambda link: (link.created_at, link.id), reverse=True)
        assert (await catalogue.links("nobody", 10)).items == ()

    async def test_old_links(self, catalogue: Catalogue) -> None:
        links = [a_link(expires_at=at(number)) for number in (3, 1, 2)]
        await catalogue.commit(*map(Add, links))
        assert await catalogue.old_links(at(3), 10) == (links[1], links[2])
        assert await catalogue.old_links(at(3), 1) == (links[1],)

    async def test_uploads_that_nobody_completes(self, catalogue: Catalogue) -> None:
        waiting = [an_upload(settles=True, id=f"{number}", started_at=at(number)) for number in range(3)]
        again = an_upload(settles=True, file_id=waiting[1].file_id, state=UploadState.SEALING, started_at=at(5), id="3")
        await catalogue.commit(*map(Add, waiting), Add(again), Add(an_upload()))
        await catalogue.commit(Add(an_upload(settles=True, state=UploadState.DONE, file_id=waiting[0].file_id, id="4")))
        assert await catalogue.settling(10) == tuple(waiting)
        assert await catalogue.settling(1, after="0") == (waiting[1],)
        assert await catalogue.upload_of(waiting[0].file_id) == waiting[0]
        assert await catalogue.upload_of(waiting[1].file_id) == again
        assert await catalogue.upload_of(new_id()) is None

    async def test_ended_uploads(self, catalogue: Catalogue) -> None:
        ended = [an_upload(state=UploadState.DONE, ended_at=at(number)) for number in (2, 1, 3)]
        await catalogue.commit(*map(Add, ended), Add(an_upload()))
        assert await catalogue.ended_uploads(at(3), 10) == (ended[1], ended[0])
        assert await catalogue.ended_uploads(at(9), 1) == (ended[1],)

    async def test_objects_of_files_by_key(self, catalogue: Catalogue) -> None:
        files = [a_file(key=key, size=size) for size, key in enumerate(("b", "a", "é", "B", "a/b"))]
        hidden = (a_file(key="c", state=FileState.REMOVED), a_file(key="d", state=FileState.PENDING))
        await catalogue.commit(*map(Add, files), *map(Add, hidden), Add(a_file(key="e", bucket="other")))
        lost = a_file(key="z", state=FileState.LOST)
        await catalogue.commit(Add(lost))
        by_key = sorted((Held(file.key, file.size, file.id) for file in files), key=lambda held: held.key.encode())
        at = [held.key for held in by_key].index("é")
        by_key.insert(at, Held("z", 0, lost.id, lost=True))
        assert await catalogue.held("base", "", 10) == tuple(by_key)
        assert await catalogue.held("base", "B", 2) == tuple(by_key[1:3])
        assert await catalogue.held("none", "", 10) == ()

    async def test_who_speaks_for_a_key(self, catalogue: Catalogue) -> None:
        await catalogue.commit(
            Add(a_file(key="ready")),
            Add(a_file(key="pending", state=FileState.PENDING)),
            Add(a_file(key="lost", state=FileState.LOST)),
            Add(an_upload(key="open")),
            Add(an_upload(key="sealing", target="target", state=UploadState.SEALING)),
            Add(an_upload(key="done", target="kept", state=UploadState.DONE)),
            Add(a_doomed(key="doomed")),
            Add(a_doomed(key="elsewhere", bucket="other")),
        )
        asked = ("ready", "lost", "pending", "open", "sealing", "target", "done", "kept", "doomed", "elsewhere", "none")
        named = {"ready", "lost", "open", "sealing", "target", "doomed"}
        assert await catalogue.spoken_for("base", asked) == named
        assert await catalogue.spoken_for("base", asked * 90) == named
        assert await catalogue.spoken_for("base", ("ready",)) == {"ready"}
        assert await catalogue.spoken_for("base", ()) == await catalogue.spoken_for("none", asked) == frozenset()

    async def test_where_bytes_are_awaited(self, catalogue: Catalogue) -> None:
        ended = (UploadState.DONE, UploadState.ABORTED, UploadState.EXPIRED, UploadState.REFUSED)
        await catalogue.commit(
            Add(an_upload(key="open")),
            Add(an_upload(key="sealing", target="target", state=UploadState.SEALING)),
            *(Add(an_upload(key=state.value, state=state)) for state in ended),
        )
        for key in ("open", "sealing"):
            assert await catalogue.awaits("base", key)
            assert not await catalogue.awaits("other", key)
        for key in ("target", "none", "", *(state.value for state in ended)):
            assert not await catalogue.awaits("base", key)

    async def test_some_files_by_id(self, catalogue: Catalogue) -> None:
        files = [a_file(), a_file(state=FileState.PENDING), a_file(state=FileState.REMOVED), a_file(bucket="other")]
        await catalogue.commit(*map(Add, files), Add(a_file()))
        by_id = {file.id: file for file in files}
        assert await catalogue.some_files([*by_id]) == by_id
        assert await catalogue.some_files([files[1].id]) == {files[1].id: files[1]}
        assert await catalogue.some_files([new_id() for _ in range(995)] + [*by_id]) == by_id
        assert await catalogue.some_files(["", "a\0b", "\ud800", files[0].id, files[0].id]) == {files[0].id: files[0]}
        assert await catalogue.some_files(["\ud800"]) == await catalogue.some_files([]) == {}

    async def test_totals(self, catalogue: Catalogue) -> None:
        ended = an_upload(state=UploadState.DONE, reserved=100)
        late = a_doomed(not_before=at(5))
        await catalogue.commit(Add(an_upload(reserved=3)), Add(an_upload(reserved=4)), Add(ended))
        await catalogue.commit(Add(a_doomed(not_before=at(1))), Add(late))
        for owner in ("ann", "bob"):
            await catalogue.commit(
                Count(owner=owner, counter=Counter.FILES, by=2), Count(owner=owner, counter=Counter.BYTES, by=50)
            )
        totals = await catalogue.totals(at(1))
        assert (totals.files, totals.bytes, totals.open_uploads, totals.reserved_bytes) == (4, 100, 2, 7)
        assert (totals.doomed, totals.due) == (2, 1)
        await catalogue.commit(Drop(late))
        assert (await catalogue.totals(at(9))).doomed == 1
