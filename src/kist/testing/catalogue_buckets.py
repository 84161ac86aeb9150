"""What every catalogue must do with buckets, and with files at addresses."""

from __future__ import annotations

import pytest

from kist.errors import BucketMissing, Clash
from kist.model.bucket import BucketState
from kist.model.changes import Add, Drop, Swap
from kist.model.file import FileState
from kist.model.query import FileQuery
from kist.model.upload import UploadState
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import a_bucket, a_doomed, a_file, an_upload, at, changed, new_id


class BucketContract:
    """Part of ``CatalogueContract``."""

    async def test_buckets_by_name_and_by_owner(self, catalogue: Catalogue) -> None:
        made = [a_bucket(name=name, owner=owner) for name, owner in (("c", "ann"), ("a", "ann"), ("b", "bob"))]
        kept = a_bucket(name="d", owner="", dialect="syncano")
        await catalogue.commit(*map(Add, made), Add(kept))
        assert [bucket.name for bucket in await catalogue.buckets()] == ["a", "b", "c", "d"]
        assert await catalogue.buckets("ann") == (made[1], made[0])
        assert await catalogue.buckets("Ann") == ()
        assert await catalogue.bucket("d") == kept
        for odd in ("e", "", "A", "\0", "\ud800"):
            with pytest.raises(BucketMissing):
                await catalogue.bucket(odd)

    async def test_a_bucket_is_made_once(self, catalogue: Catalogue) -> None:
        bucket = a_bucket(state=BucketState.MAKING)
        await catalogue.commit(Add(bucket))
        with pytest.raises(Clash):
            await catalogue.commit(Add(changed(bucket, owner="bob")))
        ready = changed(bucket, state=BucketState.READY)
        await catalogue.commit(Swap(bucket, ready))
        with pytest.raises(Clash):
            await catalogue.commit(Swap(bucket, changed(bucket, state=BucketState.REMOVING)))
        with pytest.raises(Clash):
            await catalogue.commit(Drop(bucket))
        await catalogue.commit(Drop(ready))
        assert await catalogue.buckets() == ()

    async def test_what_keeps_a_bucket_in_use(self, catalogue: Catalogue) -> None:
        ready, pending = a_file(bucket="full"), a_file(bucket="free", state=FileState.PENDING)
        upload = an_upload(bucket="busy", state=UploadState.SEALING)
        removed, ended = a_file(bucket="free", state=FileState.REMOVED), an_upload(state=UploadState.DONE)
        await catalogue.commit(*map(Add, (ready, pending, removed, upload, changed(ended, bucket="free"))))
        await catalogue.commit(Add(a_file(bucket="torn", state=FileState.LOST)))
        used = {name: await catalogue.bucket_used(name) for name in ("full", "busy", "torn", "free", "never")}
        assert used == {"full": True, "busy": True, "torn": True, "free": False, "never": False}

    async def test_doomed_places_of_a_bucket(self, catalogue: Catalogue) -> None:
        places = [a_doomed(bucket="there", key=key, not_before=at(60)) for key in ("c", "a", "b")]
        await catalogue.commit(*map(Add, places), Add(a_doomed(bucket="elsewhere")))
        assert await catalogue.doomed_in("there", 2) == (places[1], places[2])
        assert await catalogue.doomed_in("never", 2) == ()

    async def test_files_by_address(self, catalogue: Catalogue) -> None:
        files = [a_file(bucket="kept", address=f"ann/{number}.txt") for number in range(12)]
        old = a_file(bucket="kept", address="ann/old.txt", state=FileState.REMOVED)
        waiting = a_file(bucket="kept", address="ann/new.txt", state=FileState.PENDING)
        other = a_file(bucket="other", address="ann/0.txt")
        await catalogue.commit(*map(Add, (*files, old, waiting, other)))
        asked = [f"ann/{number}.txt" for number in range(11)] + ["ann/old.txt", "ann/new.txt", "ANN/0.txt", "\ud800"]
        found = await catalogue.addressed("kept", asked)
        assert found == {file.address: file for file in files[:11]}
        assert await catalogue.addressed("other", ["ann/0.txt"]) == {"ann/0.txt": other}
        assert await catalogue.addressed("kept", []) == {}
        assert await catalogue.addressed("kept", ["ann/\udc00"]) == {}

    async def test_the_newest_upload_for_an_address(self, catalogue: Catalogue) -> None:
        ended = an_upload(address="ann/a", state=UploadState.DONE, started_at=at(1))
        newest = an_upload(address="ann/a", state=UploadState.REFUSED, started_at=at(2))
        others = [an_upload(started_at=at(3)), an_upload(address="ann/b"), an_upload(address="ann/a", bucket="other")]
        await catalogue.commit(*map(Add, (newest, ended, *others)))
        assert await catalogue.upload_at("base", "ann/a") == newest
        assert await catalogue.upload_at("base", "ann/c") is None

    async def test_the_uploads_that_are_under_way_to_addresses(self, catalogue: Catalogue) -> None:
        meant = [an_upload(address=f"ann/{number}", settles=True) for number in range(12)]
        meant[3] = changed(meant[3], state=UploadState.SEALING)
        others = [
            an_upload(address="ann/0", settles=True, state=UploadState.DONE),
            an_upload(address="ann/0", settles=False),
            an_upload(address="ann/0", settles=True, bucket="other"),
            an_upload(settles=True),
        ]
        await catalogue.commit(*map(Add, (*meant, *others)))
        asked = [*(f"ann/{number}" for number in range(11)), "ANN/0", "\ud800"]
        found = await catalogue.arriving("base", asked)
        assert sorted(upload.id for upload in found) == sorted(upload.id for upload in meant[:11])
        assert await catalogue.arriving("base", []) == ()
        assert await catalogue.arriving("base", ["ann/\udc00"]) == ()

    async def test_the_newest_upload_that_is_open_for_a_file(self, catalogue: Catalogue) -> None:
        file_id = new_id()
        uploads = [
            an_upload(file_id=file_id, started_at=at(1)),
            an_upload(file_id=file_id, started_at=at(2), state=UploadState.SEALING, settles=True),
            an_upload(file_id=file_id, started_at=at(3), state=UploadState.DONE),
        ]
        await catalogue.commit(*map(Add, uploads))
        assert await catalogue.upload_of(file_id) == uploads[1]

    async def test_files_that_nobody_has_hashed(self, catalogue: Catalogue) -> None:
        bare = [a_file(id=f"{number}") for number in range(3)]
        others = [a_file(sha256="ab" * 32), a_file(state=FileState.PENDING), a_file(state=FileState.REMOVED)]
        await catalogue.commit(*map(Add, (*bare, *others)))
        assert await catalogue.undigested(2) == tuple(bare[:2])
        assert await catalogue.undigested(2, after="1") == (bare[2],)

    async def test_a_file_with_other_bytes_is_another_one_to_a_swap(self, catalogue: Catalogue) -> None:
        file = a_file()
        await catalogue.commit(Add(file))
        await catalogue.commit(Swap(file, changed(file, key="other")))
        with pytest.raises(Clash):
            await catalogue.commit(Swap(file, changed(file, sha256="ab" * 32)))

    async def test_files_of_one_name(self, catalogue: Catalogue) -> None:
        files = [a_file(name="a.txt", bucket=bucket, created_at=at(n)) for n, bucket in enumerate(("x", "x", "y"))]
        others = [a_file(name=name, bucket="x") for name in ("A.txt", "a.txt ", "b/a.txt")]
        await catalogue.commit(*map(Add, (*files, *others, a_file(name="a.txt", bucket="x", owner="bob"))))
        mine = FileQuery(visible_to="ann", bucket="x", name="a.txt")
        assert (await catalogue.files(mine)).items == (files[1], files[0])
        assert (await catalogue.files(changed(mine, name="c"))).items == ()
        assert len((await catalogue.files(changed(mine, visible_to=None))).items) == 3
