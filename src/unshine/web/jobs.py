"""A bounded queue for work that keeps a processor busy, with a time limit and cancellation."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

from unshine.web.problems import Problem


class Abandoned(Exception):
    """Raised between two steps of work that nobody waits for any more."""


class Steps:
    """Times the steps of a piece of work, and ends it between two of them if it is abandoned."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.abandoned = threading.Event()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a step of the given name.

        Raises
        ------
        Abandoned
            If nobody waits for the work any more.
        """
        if self.abandoned.is_set():
            raise Abandoned
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0) + time.perf_counter() - start


class Runner(Protocol):
    """Where work is done: in threads of this process, or on a cluster."""

    slots: int
    """How many pieces of work run at the same time."""

    async def run(self, name: str, arguments: dict[str, Any]) -> Any:
        """Do the work that `unshine.web.work` has under a name; cancelling abandons it."""

    def close(self) -> None:
        """Give threads or connections back."""


class Threads:
    """Runs work in threads of this process.

    Parameters
    ----------
    work : callable
        ``work(name, steps, **arguments)``.
    slots : int
        How many threads. One keeps all processors busy while the network runs; a second one
        decodes and encodes meanwhile.
    """

    def __init__(self, work: Callable[..., Any], slots: int) -> None:
        self.work, self.slots = work, slots
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="unshine-job")

    async def run(self, name: str, arguments: dict[str, Any]) -> Any:
        """Do the work; when cancelled, wait until the thread has noticed, then give way."""
        steps = Steps()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, lambda: self.work(name, steps, **arguments))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # A thread cannot be stopped; its slot is free only once it has ended by itself.
            steps.abandoned.set()
            await asyncio.wait([future])
            future.exception()  # looked at, so that asyncio does not report it
            raise

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class Jobs:
    """Lets a bounded number of requests wait for a runner's slots, first come, first served.

    Parameters
    ----------
    runner : Runner
        Who does the work.
    queue : int
        How many may wait.
    seconds : float
        How long waiting and working may take together.
    """

    def __init__(self, runner: Runner, queue: int, seconds: float) -> None:
        self.runner, self.queue, self.seconds = runner, queue, seconds
        self.running = 0
        self.typical = 1.0
        """A running mean of the time that one job takes, in seconds."""
        self._free = asyncio.Semaphore(runner.slots)
        self._all: set[asyncio.Task[Any]] = set()

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._all) - self.running

    def refuse_if_full(self) -> None:
        """Refuse a request that could not even wait.

        Raises
        ------
        Problem
            ``queue-full``, with the seconds after which to try again.
        """
        if len(self._all) >= self.queue + self.runner.slots:
            wait = max(1, round(self.typical * self.waiting / self.runner.slots))
            raise Problem(
                "queue-full",
                f"{self.waiting} requests are waiting already; try again in {wait} s.",
                {"Retry-After": str(wait)},
            )

    async def run(self, name: str, gone: Callable[[], Awaitable[Any]], **arguments: Any) -> Any:
        """Wait for a slot and do the work.

        Parameters
        ----------
        name : str
            Which work.
        gone : callable
            Awaited beside the work; when it returns, nobody waits for the result any more.
        **arguments
            What the work needs.

        Raises
        ------
        Problem
            ``queue-full`` or ``timeout``, or whatever the work finds wrong.
        Abandoned
            If the client has gone.
        """
        self.refuse_if_full()
        job = asyncio.create_task(self._in_turn(name, arguments))
        self._all.add(job)
        job.add_done_callback(self._all.discard)
        watch = asyncio.ensure_future(gone())
        try:
            done, _ = await asyncio.wait(
                [job, watch], timeout=self.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if job in done:
                return job.result()
            if watch in done:
                raise Abandoned
            raise Problem(
                "timeout", f"This took more than {self.seconds:g} s; try a smaller image."
            )
        finally:
            watch.cancel()
            # The slot of running work stays taken until it has ended; the client need not wait.
            job.cancel()

    async def _in_turn(self, name: str, arguments: dict[str, Any]) -> Any:
        async with self._free:
            self.running += 1
            start = time.perf_counter()
            try:
                result = await self.runner.run(name, arguments)
                self.typical += 0.2 * (time.perf_counter() - start - self.typical)
                return result
            finally:
                self.running -= 1
