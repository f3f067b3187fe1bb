"""The HTTP API and the page, as an ASGI application."""

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import ValidationError

from unshine import __version__
from unshine.remover import LAYERS
from unshine.web import problems
from unshine.web.guards import Guards
from unshine.web.jobs import Abandoned, Jobs, Runner
from unshine.web.metrics import Counting, Metrics
from unshine.web.problems import Problem
from unshine.web.uploads import Uploads
from unshine.web.work import (
    MEDIA_TYPES,
    Answer,
    DecomposeParameters,
    MaskParameters,
    Parameters,
    PreviewParameters,
    RemoveParameters,
)

PAGE = Path(__file__).with_name("page")
CLIENT_GONE = 499
"""What nginx logs for a client that hung up; nobody receives it."""

# Some systems' tables call modules plain text, and nosniff would then keep them from running.
mimetypes.add_type("text/javascript", ".js")


@dataclass(frozen=True)
class Limits:
    """What one server takes on at most."""

    upload: int = 200 * 2**20
    """Bytes of one request."""
    pixels: int = 100_000_000
    """Pixels of one image."""
    queue: int = 32
    """Requests that wait for their turn."""
    seconds: float = 120
    """Seconds from the end of an upload to its answer."""
    memory: int = 2**30
    """Bytes of all uploads under way."""


def create_app(
    runner: Runner,
    limits: Limits = Limits(),
    hosts: tuple[str, ...] = (),
    token: str | None = None,
    about: dict[str, Any] | None = None,
) -> Guards:
    """Make the application.

    Parameters
    ----------
    runner : Runner
        Does the work.
    limits : Limits
        What is taken on at most.
    hosts : tuple of str
        Names by which the server may be called, beside localhost and the machine's own.
    token : str, optional
        The bearer token that the API asks for.
    about : dict, optional
        What `/v1/info` says beside version and limits: engine, device, weights.

    Returns
    -------
    ASGI application
        Its ``state.draining`` may be set to make `/readyz` turn other requests away.
    """
    jobs = Jobs(runner, limits.queue, limits.seconds)
    uploads = Uploads(limits.upload, limits.memory)
    metrics = Metrics(jobs, uploads)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        runner.close()

    app = FastAPI(
        title="Unshine",
        version=__version__,
        summary="Removes specular highlights from photographs.",
        docs_url=None,  # the usual pages load their scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.draining = False
    problems.install(app)
    _add_work(app, jobs, uploads)
    _add_facts(app, limits, about or {}, metrics)
    _add_health(app)

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    paths = {route.path for route in app.routes if hasattr(route, "path")}
    return Guards(Counting(app, metrics, paths), app.state, hosts, token)


def _add_work(app: FastAPI, jobs: Jobs, uploads: Uploads) -> None:
    """Answer the requests that bring an image."""

    async def answer(name: str, request: Request, given: Parameters) -> Response:
        jobs.refuse_if_full()
        try:
            upload = await uploads.read(request)
            arguments: dict[str, Any] = {"file": upload.file}
            if name == "remove":
                arguments["mask"] = upload.mask
            elif upload.mask is not None:
                raise Problem("bad-request", "Only /v1/remove takes a mask.")
            arguments["parameters"] = _with_fields(given, upload.fields)
            # Once the body has been read, the next message says that the client has gone.
            result: Answer = await jobs.run(name, request.receive, **arguments)
        except Abandoned:
            return Response(status_code=CLIENT_GONE)
        finally:
            uploads.release(request)
        return Response(result.body, 200, result.headers, result.media_type)

    @app.post("/v1/remove", **_described("remove", [*MEDIA_TYPES.values()], mask=True))
    async def remove(request: Request, query: Annotated[RemoveParameters, Query()]) -> Response:
        """Remove the highlights of an image.

        The image comes back in its own format, with its metadata, unless another one is asked for;
        `X-Unshine-Changed` says which share of its pixels has changed.
        """
        return await answer("remove", request, query)

    @app.post("/v1/decompose", **_described("decompose", ["application/zip", "image/x-exr"]))
    async def decompose(
        request: Request, query: Annotated[DecomposeParameters, Query()]
    ) -> Response:
        """Take an image apart into layers."""
        return await answer("decompose", request, query)

    @app.post("/v1/mask", **_described("mask", ["image/png"]))
    async def mask(request: Request, query: Annotated[MaskParameters, Query()]) -> Response:
        """Say where the highlights are."""
        return await answer("mask", request, query)

    @app.post("/v1/preview", **_described("preview", ["multipart/form-data"]))
    async def preview(request: Request, query: Annotated[PreviewParameters, Query()]) -> Response:
        """Give what the page blends: the image before, without its highlights, and the map."""
        return await answer("preview", request, query)


def _add_facts(app: FastAPI, limits: Limits, about: dict[str, Any], metrics: Metrics) -> None:
    """Answer the requests that ask what the server is, and what it has done."""

    @app.get("/v1/info", responses=problems.responses("unauthorized"))
    async def info() -> dict[str, Any]:
        """Say what this server is and takes."""
        return {
            "version": __version__,
            **about,
            "layers": LAYERS,
            "formats": list(MEDIA_TYPES),
            "limits": {
                "bytes": limits.upload,
                "pixels": limits.pixels,
                "queue": limits.queue,
                "seconds": limits.seconds,
            },
        }

    @app.get("/metrics", responses=problems.responses("unauthorized"), response_class=Response)
    async def metrics_text() -> Response:
        """Give counts and times in Prometheus' text format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_health(app: FastAPI) -> None:
    """Answer the requests by which others see that the server lives and takes requests."""

    @app.get("/v2/health/live", include_in_schema=False)
    @app.get("/healthz")
    async def health() -> dict[str, str]:
        """Say that the server lives."""
        return {"status": "ok"}

    @app.get("/v2/health/ready", include_in_schema=False)
    @app.get("/readyz", responses=problems.responses("shutting-down"))
    async def ready() -> dict[str, str]:
        """Say whether the server takes requests."""
        if app.state.draining:
            raise Problem("shutting-down", "It finishes what it has begun and takes nothing new.")
        return {"status": "ready"}


def _with_fields(given: Parameters, fields: dict[str, str]) -> Parameters:
    """Add the settings that came as fields of the form to those of the query."""
    if not fields:
        return given
    try:
        return type(given).model_validate({**given.model_dump(exclude_unset=True), **fields})
    except ValidationError as error:
        raise Problem("invalid-parameter", problems.in_words(error.errors())) from None


def _described(name: str, media_types: list[str], mask: bool = False) -> dict[str, Any]:
    """Describe a request with an image for OpenAPI."""
    file = {"type": "string", "format": "binary", "description": "The image's file."}
    parts = {"file": file}
    if mask:
        parts["mask"] = {
            "type": "string",
            "format": "binary",
            "description": "An image of the same proportions: white, take highlights here even"
            " where the network is not sure; black, protect; mid-grey, let the network decide.",
        }
    body = {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": parts}
            },
            "application/octet-stream": {"schema": file},
        },
    }
    binary = {"schema": {"type": "string", "format": "binary"}}
    timing = {"description": "Milliseconds of each step.", "schema": {"type": "string"}}
    headers: dict[str, Any] = {"Server-Timing": timing}
    if name == "remove":
        headers["X-Unshine-Changed"] = {
            "description": "The share of pixels that have changed, from 0 to 1.",
            "schema": {"type": "string"},
        }
        headers["X-Unshine-Lost"] = {
            "description": "What the image's file held and the answer's format has no place for.",
            "schema": {"type": "string"},
        }
    success = {
        "description": "The result.",
        "content": dict.fromkeys(media_types, binary),
        "headers": headers,
    }
    slugs = [
        "bad-request", "unauthorized", "too-slow", "too-large", "unsupported", "broken-image",
        "invalid-parameter", *(["mask-mismatch"] if mask else []), "queue-full", "timeout",
    ]  # fmt: skip
    return {
        "operation_id": name,
        "response_class": Response,
        "openapi_extra": {"requestBody": body},
        "responses": {200: success, **problems.responses(*slugs)},
    }
