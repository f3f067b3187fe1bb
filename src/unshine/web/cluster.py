"""Does the server's work on a Ray cluster; the server itself stays the only door.

Everything that guards it (limits, token, queue) is then the same with one machine and with many,
and no second HTTP server listens on the cluster. Needs Ray Serve: the extra `cluster`.
"""

import asyncio
import logging
from typing import Any

from unshine.errors import UnshineError
from unshine.extras import missing
from unshine.web.jobs import Steps

LOCAL = "local"
"""The address that stands for a cluster of this machine alone, started and ended here."""


class Replica:
    """One copy of the network, in a process of the cluster."""

    def __init__(self, settings: dict[str, Any], max_pixels: int) -> None:
        from unshine.remover import Remover
        from unshine.web.work import Worker

        self.work = Worker(Remover(**settings), max_pixels)

    def __call__(self, name: str, arguments: dict[str, Any]) -> Any:
        """Do the work of the given name."""
        return self.work(name, Steps(), **arguments)


class Cluster:
    """Runs work on replicas of a cluster; a `jobs.Runner`.

    Parameters
    ----------
    address : str
        Where the cluster is, as for `ray.init`; `LOCAL` starts one.
    settings : dict
        What each replica's `Remover` is made with.
    max_pixels : int
        As for `work.Worker`.
    replicas : int
        How many copies of the network; each works on one image at a time.

    Raises
    ------
    UnshineError
        If Ray Serve is missing or the cluster cannot be reached.
    """

    def __init__(
        self, address: str, settings: dict[str, Any], max_pixels: int, replicas: int
    ) -> None:
        try:
            import ray
            from ray import serve
        except ImportError as error:
            raise missing(error.name or "ray", "cluster") from None
        try:
            ray.init(
                address=None if address == LOCAL else address,
                include_dashboard=False if address == LOCAL else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
            serve.start(
                http_options={"location": "NoServer"}, logging_config={"log_level": "ERROR"}
            )
        except Exception as error:  # Ray raises almost anything where a cluster does not start
            reason = " ".join(str(error).split())
            raise UnshineError(f"The Ray cluster {address} cannot be used: {reason}") from None
        self.slots = replicas
        deployment: Any = serve.deployment(num_replicas=replicas, max_ongoing_requests=1)(Replica)
        self._handle: Any = serve.run(
            deployment.bind(settings, max_pixels), name="unshine", route_prefix=None
        )

    async def run(self, name: str, arguments: dict[str, Any]) -> Any:
        """Do the work on the next free replica."""
        from ray.exceptions import RayTaskError

        response = self._handle.remote(name, arguments)
        try:
            return await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except RayTaskError as error:
            raise error.cause from None

    def close(self) -> None:
        """Take the replicas off the cluster."""
        import ray
        from ray import serve

        serve.delete("unshine")
        ray.shutdown()
