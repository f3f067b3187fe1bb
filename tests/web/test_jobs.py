"""The queue: bounded, fair, with a time limit, and free again when clients go away."""

import asyncio
import threading

import pytest

from unshine.web.jobs import Abandoned, Jobs, Steps, Threads
from unshine.web.problems import Problem


async def never() -> None:
    await asyncio.Event().wait()


def gated() -> tuple[threading.Event, list[str], Threads]:
    """A runner of one slot whose work waits for a gate; and a record of what it has done."""
    gate, record = threading.Event(), []

    def work(name: str, steps: Steps, number: int = 0) -> str:
        with steps("first"):
            record.append(f"{name} {number} begins")
            gate.wait(10)
        with steps("second"):
            record.append(f"{name} {number} ends")
        return f"{name} {number}"

    return gate, record, Threads(work, 1)


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_jobs_run_in_their_order_and_give_their_results():
    async def run() -> list[str]:
        gate, record, runner = gated()
        jobs = Jobs(runner, queue=5, seconds=10)
        tasks = [asyncio.create_task(jobs.run("a", never, number=i)) for i in range(4)]
        await until(lambda: jobs.waiting == 3 and jobs.running == 1)
        gate.set()
        results = await asyncio.gather(*tasks)
        assert (jobs.waiting, jobs.running) == (0, 0)
        assert record == [f"a {i} {what}" for i in range(4) for what in ("begins", "ends")]
        return results

    assert asyncio.run(run()) == [f"a {i}" for i in range(4)]


def test_a_full_queue_refuses_and_says_when_to_come_back():
    async def run() -> None:
        gate, _, runner = gated()
        jobs = Jobs(runner, queue=2, seconds=10)
        tasks = [asyncio.create_task(jobs.run("a", never)) for _ in range(3)]
        await until(lambda: jobs.waiting == 2)
        with pytest.raises(Problem) as refused:
            await jobs.run("a", never)
        assert refused.value.slug == "queue-full"
        assert int(refused.value.headers["Retry-After"]) >= 1
        gate.set()
        await asyncio.gather(*tasks)
        assert await jobs.run("b", never) == "b 0"

    asyncio.run(run())


def test_what_takes_too_long_ends_with_a_timeout_and_frees_its_slot_when_it_has_ended():
    async def run() -> None:
        gate, record, runner = gated()
        jobs = Jobs(runner, queue=2, seconds=0.05)
        with pytest.raises(Problem) as late:
            await jobs.run("a", never)
        assert late.value.slug == "timeout"
        await asyncio.sleep(0.05)
        assert jobs.running == 1  # the thread cannot be stopped
        gate.set()
        await until(lambda: jobs.running == jobs.waiting == 0)
        assert record == ["a 0 begins"]  # it ended between two steps

    asyncio.run(run())


def test_a_client_that_leaves_the_queue_is_never_served():
    async def run() -> None:
        gate, record, runner = gated()
        jobs = Jobs(runner, queue=2, seconds=10)
        first = asyncio.create_task(jobs.run("a", never, number=1))
        await until(lambda: jobs.running == 1)
        left = asyncio.Event()
        second = asyncio.create_task(jobs.run("a", left.wait, number=2))
        await until(lambda: jobs.waiting == 1)
        left.set()
        with pytest.raises(Abandoned):
            await second
        await until(lambda: jobs.waiting == 0)
        gate.set()
        assert await first == "a 1"
        assert not [line for line in record if "2" in line]

    asyncio.run(run())


def test_an_error_of_the_work_reaches_its_own_client_only():
    async def run() -> None:
        def work(name: str, steps: Steps) -> str:
            if name == "bad":
                raise Problem("broken-image", "It is broken.")
            return name

        jobs = Jobs(Threads(work, 1), queue=5, seconds=10)
        bad, good = await asyncio.gather(
            jobs.run("bad", never), jobs.run("good", never), return_exceptions=True
        )
        assert isinstance(bad, Problem) and good == "good"

    asyncio.run(run())


def test_problems_survive_the_way_from_another_process():
    import pickle

    problem = pickle.loads(pickle.dumps(Problem("too-large", "Too much.", {"A": "b"})))
    assert (problem.slug, problem.detail, problem.headers) == ("too-large", "Too much.", {"A": "b"})
