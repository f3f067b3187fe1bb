"""Do jobs on a Ray cluster, whose machines see the same files."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unshine import extras
from unshine.errors import UnshineError
from unshine.jobs.outcome import Outcome
from unshine.jobs.plan import Job
from unshine.jobs.work import JobSettings, worker_of

AHEAD = 2
"""Jobs handed out for each processor, so that none waits for the next."""


def run(jobs: Sequence[Job], settings: JobSettings, address: str) -> Iterator[Outcome]:
    """Do jobs as Ray tasks, one processor each.

    A job whose process dies, for want of memory or with its machine, is tried once more.

    Parameters
    ----------
    jobs : sequence of Job
        What is to be done; every machine must see these paths.
    settings : JobSettings
        What each process makes its worker from, once.
    address : str
        Of the cluster's head; ``auto`` is the cluster that this machine belongs to, or a cluster of
        this machine alone if it belongs to none.

    Yields
    ------
    Outcome
        One a job, as soon as it is done.

    Raises
    ------
    UnshineError
        If Ray is missing or the cluster does not answer.
    """
    ray = extras.load("ray", "cluster")
    _connect(ray, address)
    work = ray.remote(num_cpus=1, max_retries=0)(_work)
    settings = _everywhere(settings)
    # A second attempt finds what the first has written, which the plan knows was not there before.
    again = settings if settings.existing == "overwrite" else replace(settings, existing="skip")
    ahead = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting = iter(jobs)
    running: dict[Any, tuple[Job, bool]] = {}

    def fill() -> None:
        while len(running) < ahead and (job := next(waiting, None)):
            running[work.remote(_absolute(job), settings)] = job, True

    try:
        fill()
        while running:
            (reference,), _ = ray.wait(list(running), num_returns=1)
            job, first = running.pop(reference)
            try:
                outcome = _as_named(job, ray.get(reference))
            except ray.exceptions.RayError as error:
                if first:
                    running[work.remote(_absolute(job), again)] = job, False
                    continue
                reason = type(error).__name__
                sentence = f"{job.source}: the process that worked on it died ({reason})."
                outcome = Outcome(job, "failed", (sentence,))
            yield outcome
            fill()
    finally:
        ray.shutdown()


def _work(job: Job, settings: JobSettings) -> Outcome:
    """Do one job in a process of Ray's."""
    return worker_of(settings)(job)


def _connect(ray: Any, address: str) -> None:
    """Join a cluster; `auto` starts one on this machine where there is none."""
    quiet = {"log_to_driver": False, "include_dashboard": False, "configure_logging": False}
    try:
        try:
            ray.init(address=address, **quiet)
        except ConnectionError:
            if address != "auto":
                raise UnshineError(f"{address}: no Ray cluster answers there.") from None
            ray.init(address="local", **quiet)
    except UnshineError:
        raise
    except Exception as error:  # Ray raises just that when a cluster does not start in time
        reason = " ".join(str(error).split())
        raise UnshineError(f"Ray could not be started ({reason})") from error


def _absolute(job: Job) -> Job:
    """Name a job's files so that processes elsewhere find them."""
    return replace(
        job,
        source=job.source.absolute(),
        target=job.target.absolute(),
        layers={name: path.absolute() for name, path in job.layers.items()},
        layered=None if job.layered is None else job.layered.absolute(),
    )


def _as_named(job: Job, outcome: Outcome) -> Outcome:
    """Let an outcome speak of a job's files as the job does."""
    names = {str(path.absolute()): str(path) for path in (job.source, *job.outputs)}
    messages = []
    for message in outcome.messages:
        for absolute, name in names.items():
            message = message.replace(absolute, name)
        messages.append(message)
    return replace(outcome, job=job, messages=tuple(messages))


def _everywhere(settings: JobSettings) -> JobSettings:
    """Name the files of the settings so that processes elsewhere find them."""

    def absolute(path: Path | None) -> Path | None:
        return None if path is None else path.absolute()

    weights = absolute(settings.network.weights)
    network = replace(settings.network, weights=weights, threads=1)
    return replace(
        settings,
        network=network,
        mask=absolute(settings.mask),
        protect=absolute(settings.protect),
    )
