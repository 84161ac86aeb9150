"""What every catalogue must do with jobs, their steps, and the manifests of syncs."""

from __future__ import annotations

import pytest

from kist.errors import Clash, JobMissing
from kist.model.changes import Add, Clear, Discard, Drop, Forget, Keep, Swap
from kist.model.job import JobState, Progress, StepState
from kist.ports.catalogue import Catalogue
from kist.testing.catalogue_samples import (
    a_compared,
    a_job,
    a_latch,
    a_step,
    an_entry_of,
    at,
    changed,
    new_id,
    some_sealed_keys,
)


class JobContract:
    """Part of ``CatalogueContract``."""

    async def test_jobs_by_id_and_by_number(self, catalogue: Catalogue) -> None:
        mine, other = a_job(), a_job(actor="bob")
        await catalogue.commit(Add(mine), Add(other))
        assert await catalogue.job(mine.id) == mine
        assert await catalogue.job_numbered(other.number) == other
        for odd in (0, -1, 10**6, 1 << 63, 10**30):
            with pytest.raises(JobMissing):
                await catalogue.job_numbered(odd)
        with pytest.raises(JobMissing):
            await catalogue.job(new_id())
        with pytest.raises(Clash):
            await catalogue.commit(Add(a_job(number=mine.number)))

    async def test_jobs_are_listed_newest_first(self, catalogue: Catalogue) -> None:
        jobs = [a_job() for _ in range(5)]
        other = a_job(actor="bob")
        await catalogue.commit(*map(Add, jobs), Add(other))
        assert await catalogue.jobs("ann", 2) == (jobs[4], jobs[3])
        assert await catalogue.jobs("ann", 9, jobs[3].number) == (jobs[2], jobs[1], jobs[0])
        assert (await catalogue.jobs(None, 1)) == (other,)
        assert await catalogue.jobs("eve", 9) == ()

    async def test_jobs_that_have_not_ended(self, catalogue: Catalogue) -> None:
        jobs = [a_job(state=state) for state in (JobState.RUNNING, JobState.NEEDS_CONFIRMATION)]
        await catalogue.commit(*map(Add, jobs), Add(a_job(state=JobState.FAILED, ended_at=at(1))))
        assert await catalogue.unended_jobs() == tuple(jobs)

    async def test_an_older_fence_writes_nothing(self, catalogue: Catalogue) -> None:
        job = a_job()
        await catalogue.commit(Add(job))
        claimed = changed(job, fence=1, worker="one", state=JobState.PLANNING)
        await catalogue.commit(Swap(job, claimed))
        beaten = changed(claimed, progress=Progress(files=3, current="é"))
        await catalogue.commit(Swap(claimed, beaten))
        entry = an_entry_of("d", "late")
        with pytest.raises(Clash):
            await catalogue.commit(Swap(job, changed(job, lease_until=at(9))), Keep(entry))
        assert await catalogue.job(job.id) == beaten
        assert await catalogue.entries("d", 9) == ()

    async def test_a_request_to_stop_does_not_trip_a_beat(self, catalogue: Catalogue) -> None:
        """They change different fields: each is written, and the worker reads the other's at its next beat."""
        job = a_job(fence=1, state=JobState.RUNNING)
        await catalogue.commit(Add(job))
        await catalogue.commit(Swap(job, changed(job, state=JobState.CANCELLING)))
        await catalogue.commit(Swap(job, changed(job, lease_until=at(1))))
        found = await catalogue.job(job.id)
        assert (found.state, found.lease_until) == (JobState.CANCELLING, at(1))

    async def test_steps_of_a_job(self, catalogue: Catalogue) -> None:
        job, other = new_id(), new_id()
        steps = [a_step(job=job, key=key) for key in ("a", "a/b", "b", "é", "\uffee", "\U0001f600")]
        await catalogue.commit(*map(Add, reversed(steps)), Add(a_step(job=other)))
        assert await catalogue.steps(job, 3) == tuple(steps[:3])
        assert await catalogue.steps(job, 9, "b") == tuple(steps[3:])
        done = changed(steps[1], state=StepState.DONE, after="etag")
        await catalogue.commit(Swap(steps[1], done))
        assert await catalogue.steps(job, 2, planned=True) == (steps[0], steps[2])
        await catalogue.commit(Clear(job))
        assert await catalogue.steps(job, 9) == (done,), "what was done is needed to take it back"
        assert len(await catalogue.steps(other, 9)) == 1

    async def test_a_commit_that_is_refused_clears_nothing(self, catalogue: Catalogue) -> None:
        step = a_step()
        await catalogue.commit(Add(step))
        absent = a_job()
        with pytest.raises(Clash):
            await catalogue.commit(Clear(step.job), Add(a_step(key="x")), Swap(absent, absent))
        assert await catalogue.steps(step.job, 9) == (step,)

    async def test_a_manifest(self, catalogue: Catalogue) -> None:
        first = [an_entry_of("d", key) for key in ("a", "a-b", "a/b", "é")]
        await catalogue.commit(*map(Keep, first), Keep(an_entry_of("other", "a")))
        assert await catalogue.entries("d", 2) == tuple(first[:2])
        assert await catalogue.entries("d", 9, "a-b") == tuple(first[2:])
        anew = an_entry_of("d", "a", size=9, modified=2, etag="new", job="k")
        await catalogue.commit(Keep(anew))
        assert (await catalogue.entries("d", 1)) == (anew,)
        await catalogue.commit(Forget("d", "a"), Forget("d", "a"), Forget("nowhere", "a"))
        assert await catalogue.entries("d", 9) == tuple(first[1:])
        assert await catalogue.entries("other", 9) == (an_entry_of("other", "a"),)

    async def test_of_two_who_have_seen_the_same_latch_one_decides(self, catalogue: Catalogue) -> None:
        first = a_latch()
        assert await catalogue.latch(first.name) is None
        await catalogue.commit(Add(first))
        with pytest.raises(Clash):
            await catalogue.commit(Add(changed(first, stamp="another first")), Add(a_job()))
        job = a_job()
        await catalogue.commit(Swap(first, changed(first, stamp="second")), Add(job))
        with pytest.raises(Clash):
            await catalogue.commit(Swap(first, changed(first, stamp="too late")), Swap(job, changed(job, reason="no")))
        assert await catalogue.latch(first.name) == changed(first, stamp="second")
        assert (await catalogue.job(job.id)).reason == ""

    async def test_sealed_keys_of_a_job_until_they_are_discarded(self, catalogue: Catalogue) -> None:
        mine, other = some_sealed_keys(sealed=bytes(range(256))), some_sealed_keys(sealed=b"")
        await catalogue.commit(Add(mine), Add(other))
        assert await catalogue.sealed_keys(mine.job) == mine
        assert await catalogue.sealed_keys(new_id()) is None
        with pytest.raises(Clash):
            await catalogue.commit(Add(some_sealed_keys(job=mine.job)))
        absent = a_job()
        with pytest.raises(Clash):
            await catalogue.commit(Discard(mine.job), Swap(absent, absent))
        assert await catalogue.sealed_keys(mine.job) == mine, "a commit that is refused discards nothing"
        await catalogue.commit(Discard(mine.job), Discard(mine.job), Discard(new_id()))
        assert await catalogue.sealed_keys(mine.job) is None
        assert await catalogue.sealed_keys(other.job) == other

    async def test_marks_in_a_manifest(self, catalogue: Catalogue) -> None:
        keys = ["a", "a-b", "a/b", "b", "\u00e9", "\uffee", "\U0001f600"]
        await catalogue.commit(
            *(Keep(an_entry_of("d", key)) for key in reversed(keys)), Keep(an_entry_of("other", "c"))
        )
        assert await catalogue.marks("d", 1) == tuple(keys)
        assert await catalogue.marks("d", 3) == ("a/b", "\uffee")
        assert await catalogue.marks("d", 2, "a") == ("a/b", "\u00e9", "\U0001f600")
        assert await catalogue.marks("d", 8) == await catalogue.marks("nowhere", 1) == ()

    async def test_what_was_compared(self, catalogue: Catalogue) -> None:
        rows = [a_compared("s", key) for key in ("a", "a-b", "a/b", "\u00e9")]
        await catalogue.commit(*map(Keep, reversed(rows)), Keep(a_compared("other", "a")))
        assert await catalogue.compared("s", 2) == tuple(rows[:2])
        assert await catalogue.compared("s", 9, "a-b") == tuple(rows[2:])
        anew = a_compared("s", "a", source="other", dest="too")
        await catalogue.commit(Keep(anew), Drop(rows[1]))
        assert await catalogue.compared("s", 9) == (anew, *rows[2:])
        with pytest.raises(Clash):
            await catalogue.commit(Drop(rows[1]))
        assert await catalogue.compared("other", 9) == (a_compared("other", "a"),)
