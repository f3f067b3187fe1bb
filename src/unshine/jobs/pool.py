"""Do jobs: one after the other, on several processors, or on a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from unshine.jobs.outcome import Outcome
from unshine.jobs.plan import Job


def run(jobs: Sequence[Job], work: Callable[[Job], Outcome], threads: int = 1) -> Iterator[Outcome]:
    """Do jobs in this process.

    Threads suffice for several processors: decoders, the network, NumPy and encoders all let go of
    Python's lock while they compute, and share one network.

    Parameters
    ----------
    jobs : sequence of Job
        What is to be done.
    work : callable
        Does one job and never raises; called from several threads at once.
    threads : int
        How many jobs are worked on at a time. No more than these are in memory.

    Yields
    ------
    Outcome
        One a job, as soon as it is done. Whoever stops early, by an exception such as Ctrl-C, waits
        for the jobs that are being done, and no other is begun.
    """
    if threads == 1:
        yield from map(work, jobs)
        return
    waiting = iter(jobs)
    with ThreadPoolExecutor(threads, "unshine") as pool:
        running: set[Future[Outcome]] = set()
        for job in waiting:
            running.add(pool.submit(work, job))
            if len(running) >= threads:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
