"""Counts and times requests for Prometheus."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unshine.web.jobs import Jobs
from unshine.web.uploads import Uploads

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """What `/metrics` says; each server has its own."""

    def __init__(self, jobs: Jobs, uploads: Uploads) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "unshine_requests", "Requests answered.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "unshine_request_seconds", "Time from a request's head to its answer's end.", ["path"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        gauges = {
            "waiting": ("Requests that wait for their turn.", lambda: jobs.waiting),
            "running": ("Requests that are being worked on.", lambda: jobs.running),
            "upload_bytes": ("Bytes of uploads in memory.", lambda: uploads.held),
        }
        for name, (words, value) in gauges.items():
            Gauge(f"unshine_{name}", words, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """Return all values in Prometheus' text format."""
        return generate_latest(self.registry)


class Counting:
    """Counts what an application answers. ASGI middleware.

    Parameters
    ----------
    app : ASGI application
        Who answers.
    metrics : Metrics
        Where it is counted.
    paths : set of str
        The paths that are told apart; a client must not be able to invent more.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: set[str]) -> None:
        self.app, self.metrics, self.paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and count its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), "none"

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        path = scope["path"] if scope["path"] in self.paths else "other"
        try:
            await self.app(scope, receive, noting)
        finally:
            self.metrics.requests.labels(path, status).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - start)
