"""Jobs, one after the other and several at a time."""

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from unshine.jobs import Job, Outcome, Tally
from unshine.jobs.pool import run

JOBS = [Job(Path(f"{n}.jpg"), Path(f"out/{n}.jpg")) for n in range(20)]


@pytest.mark.parametrize("threads", [1, 2, 5, 50])
def test_every_job_is_done_once(threads: int) -> None:
    outcomes = list(run(JOBS, lambda job: Outcome(job, "done"), threads))
    assert Counter(outcome.job.source for outcome in outcomes) == Counter(
        job.source for job in JOBS
    )


def test_as_many_jobs_as_wanted_are_in_work_at_a_time_and_none_is_begun_ahead() -> None:
    lock, now, most = threading.Lock(), 0, 0
    begun: list[Job] = []
    meeting = threading.Barrier(3)

    def work(job: Job) -> Outcome:
        nonlocal now, most
        with lock:
            now, most = now + 1, max(most, now + 1)
            begun.append(job)
        if len(begun) <= 3:
            meeting.wait(10)
        with lock:
            now -= 1
        return Outcome(job, "done")

    outcomes = run(JOBS, work, 3)
    for finished, _ in enumerate(outcomes):
        assert len(begun) <= finished + 1 + 3
    assert most == 3


@pytest.mark.parametrize("threads", [1, 3])
def test_who_stops_waits_for_what_is_in_work_and_nothing_else_begins(threads: int) -> None:
    begun, ended = [], []

    def work(job: Job) -> Outcome:
        begun.append(job)
        time.sleep(0.01)
        ended.append(job)
        return Outcome(job, "done")

    outcomes = run(JOBS, work, threads)
    next(outcomes)
    with pytest.raises(KeyboardInterrupt):
        outcomes.throw(KeyboardInterrupt)
    assert sorted(begun, key=str) == sorted(ended, key=str)
    assert len(begun) <= 2 * threads


def test_the_tally_s_line_names_what_there_is() -> None:
    tally = Tally()
    for status in ("done", "done", "unchanged", "failed"):
        tally.add(Outcome(JOBS[0], status))
    assert str(tally) == "2 done, 1 unchanged, 1 failed"
    tally.there, tally.folders = 1, 1
    tally.left_out = Counter({".xmp": 1200, "no ending": 1})
    assert str(tally) == (
        "2 done, 1 unchanged, 1 was there already, 1,201 left out (1,200 .xmp, 1 no ending),"
        " a folder not looked into, 1 failed"
    )
