"""The workers that render a dataset: processes on this machine, or a Ray cluster.

Both are given a job and the numbers of tuples, and yield what became of each, in any order. A crash
(a broken mesh may bring Blender down) ends a process, not the run: the tuple is tried once more,
then given up, and a new process goes on with the others.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from unshine.errors import UnshineError
from unshine.synth.job import RenderJob, TupleOutcome
from unshine.synth.traced_tuple import make

ATTEMPTS = 2
"""How often a tuple may crash its process. The first time may have been bad luck with memory."""

TIME_LIMIT = 900
"""Seconds after which a tuple of 256 by 256 pixels counts as hanging."""


def local(job: RenderJob, indices: list[int], workers: int = 1) -> Iterator[TupleOutcome]:
    """Share tuples out among processes; several render with one thread each.

    Parameters
    ----------
    job : RenderJob
    indices : list of int
    workers : int
        How many processes; a single one uses all processors.
    """
    workers = min(workers, len(indices))
    job = replace(job, one_thread=workers > 1)
    todo = [(index, 1) for index in reversed(indices)]
    busy: dict[Any, _Worker] = {}
    try:
        for _ in range(workers):
            _hand_out(_start(job), todo, busy)
        while busy:
            for connection in wait(list(busy)):
                worker = busy.pop(connection)
                try:
                    yield worker.connection.recv()
                except (EOFError, ConnectionError):
                    reason = _reason(worker)
                    if worker.attempt < ATTEMPTS:
                        todo.append((worker.index, worker.attempt + 1))
                    else:
                        yield TupleOutcome(worker.index, reason)
                    if todo:
                        worker = _start(job)
                _hand_out(worker, todo, busy)
    finally:
        for worker in busy.values():
            worker.process.kill()


def on_ray(job: RenderJob, indices: list[int], address: str = "auto") -> Iterator[TupleOutcome]:
    """Share tuples out among the processors of a Ray cluster.

    The job's folder must be one that all machines of the cluster share.

    Parameters
    ----------
    job : RenderJob
    indices : list of int
    address : str
        As for `ray.init`: "auto" is the cluster of this machine, "local" makes a new one.
    """
    import ray
    from ray.exceptions import RayError

    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise UnshineError(
                f"There is no Ray cluster at {address} ({reason}); start one with: ray start --head"
            ) from None
    task = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_task)
    job = replace(job, one_thread=True)
    # Ray need not hold a hundred thousand tasks to keep a cluster busy.
    waiting = 4 * int(ray.cluster_resources().get("CPU", 1))
    todo = list(reversed(indices))
    pending: dict[Any, int] = {}
    try:
        while todo or pending:
            while todo and len(pending) < waiting:
                index = todo.pop()
                pending[task.remote(job, index)] = index
            for done in ray.wait(list(pending))[0]:
                index = pending.pop(done)
                try:
                    yield ray.get(done)
                except RayError as error:
                    yield TupleOutcome(index, f"the renderer crashed ({type(error).__name__})")
    finally:
        for unfinished in pending:
            ray.cancel(unfinished, force=True)


@dataclass
class _Worker:
    """A process and the tuple that it is busy with."""

    process: Any
    connection: Connection
    index: int = -1
    attempt: int = 0


def _start(job: RenderJob) -> _Worker:
    # Not forked: neither Blender nor the threads of NumPy survive that.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(job, theirs), daemon=True)
    process.start()
    theirs.close()  # so that the worker's end alone keeps the pipe open
    return _Worker(process, ours)


def _hand_out(worker: _Worker, todo: list[tuple[int, int]], busy: dict[Any, _Worker]) -> None:
    if not todo:
        worker.connection.close()
        return
    worker.index, worker.attempt = todo.pop()
    busy[worker.connection] = worker
    with suppress(OSError):  # if it is dead, its end of the pipe will say so
        worker.connection.send(worker.index)


def _serve(job: RenderJob, connection: Connection) -> None:
    """Make tuples until the other end has no more numbers: what a process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's business
    try:
        while True:
            connection.send(_task(job, connection.recv()))
    except (EOFError, OSError):
        os._exit(0)  # Blender takes its time to tidy up, and may crash


def _task(job: RenderJob, index: int) -> TupleOutcome:
    """Make a tuple; end the process if that takes too long, whatever it is doing."""
    # Where Blender is loaded already, its search path, which workers inherit, has another bpy.
    sys.path[:] = [path for path in sys.path if f"{os.sep}bpy{os.sep}" not in path]
    limit = TIME_LIMIT * max(1, job.settings.size // 256) ** 2
    if hasattr(signal, "alarm"):
        signal.alarm(limit)
    outcome = make(job, index)
    if hasattr(signal, "alarm"):
        signal.alarm(0)
    return outcome


def _reason(worker: _Worker) -> str:
    worker.process.join()
    code = worker.process.exitcode
    if code == -getattr(signal, "SIGALRM", 0):
        return "the renderer took too long"
    return f"the renderer crashed ({signal.Signals(-code).name if code < 0 else f'exit {code}'})"
